package crawljob

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// texts are the entries of ConfigMaps that an order refers to, by NAME/KEY.
type texts map[string]string

func (t texts) of(name, key string) string { return t[order.Entry{Name: name, Key: key}.String()] }

// readTexts reads all entries that an order refers to: what approvals are compared
// with is what the crawl is begun with. Its error is a *Refusal when one is missing.
func readTexts(ctx context.Context, reader client.Reader, job *v1alpha1.CrawlJob) (texts, error) {
	read, err := order.ReadTexts(ctx, reader, job)
	var missing *order.Missing
	if errors.As(err, &missing) {
		return nil, &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf("%s. %s; the crawl starts by itself then.", missing.Found, missing.Mend)}
	}
	return read, err
}
