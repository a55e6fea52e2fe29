package crawljob

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// texts are the entries of ConfigMaps that an order refers to, by NAME/KEY.
type texts map[string]string

func (t texts) of(name, key string) string { return t[order.Entry{Name: name, Key: key}.String()] }

// readTexts reads all entries that an order refers to, each once: what approvals are compared
// with is what the crawl is begun with. Its error is a *Refusal when one is missing.
func readTexts(ctx context.Context, reader client.Reader, job *v1alpha1.CrawlJob) (texts, error) {
	read := texts{}
	for _, e := range order.Entries(&job.Spec) {
		if _, ok := read[e.String()]; ok {
			continue
		}
		text, err := readEntry(ctx, reader, job.Namespace, e)
		if err != nil {
			return nil, err
		}
		read[e.String()] = text
	}
	return read, nil
}

func readEntry(ctx context.Context, reader client.Reader, namespace string, e order.Entry) (string, error) {
	var config corev1.ConfigMap
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: e.Name}, &config)
	if apierrors.IsNotFound(err) {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names ConfigMap %q, which is not in namespace %q. Create it; the crawl starts by itself then.",
			e.Field, e.Name, namespace)}
	}
	if err != nil {
		return "", fmt.Errorf("read ConfigMap %q: %w", e.Name, err)
	}
	text, ok := config.Data[e.Key]
	if _, binary := config.BinaryData[e.Key]; binary {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names key %q of ConfigMap %q, which has it in binaryData, as kubectl does with what is not UTF-8. Save the text as UTF-8 and store it again, in data; the crawl starts by itself then.",
			e.Field, e.Key, e.Name)}
	}
	if !ok {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names key %q of ConfigMap %q, which has no such key. Add it; the crawl starts by itself then.",
			e.Field, e.Key, e.Name)}
	}
	return text, nil
}
