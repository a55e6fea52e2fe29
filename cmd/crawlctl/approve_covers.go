package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/internal/cli"
)

// covered is what an approval is of.
type covered struct {
	job *v1alpha1.CrawlJob
	// entries are what the order refers to, texts what they hold, by NAME/KEY.
	entries []orders.Entry
	texts   map[string]string
	// seeds is how many addresses each list of seeds holds, by NAME/KEY.
	seeds  map[string]int
	digest string
}

// readOrder reads an order, and its spec as the API server holds it.
func readOrder(ctx context.Context, c client.Reader, key client.ObjectKey) (*v1alpha1.CrawlJob, map[string]any, error) {
	job, spec, err := orders.Read(ctx, c, key)
	if apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("read the order: %w in namespace %q: name another one with -n", err, key.Namespace)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the order: %w", err)
	}
	return job, spec, nil
}

// readCovered reads what an order refers to, and computes the digest of it all.
func readCovered(ctx context.Context, c client.Reader, job *v1alpha1.CrawlJob, spec map[string]any) (*covered, error) {
	texts, err := orders.ReadTexts(ctx, c, job)
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("%w; %s", err, mayApprove(job.Namespace))
	}
	if err != nil {
		return nil, err
	}
	o := &covered{job: job, entries: orders.Entries(&job.Spec), texts: texts, seeds: map[string]int{}}
	for _, s := range job.Spec.Seeds.ConfigMaps {
		entry := s.Name + "/" + s.Key
		err := orders.ReadSeeds(strings.NewReader(o.texts[entry]), func(string) { o.seeds[entry]++ })
		if err == nil && o.seeds[entry] == 0 {
			err = errors.New("it holds no address")
		}
		if err != nil {
			return nil, fmt.Errorf("seeds.configMaps: %s: %w; no crawl would begin with it", entry, err)
		}
	}
	o.digest, err = orders.Digest(spec, o.texts)
	return o, err
}

// mayApprove says who can do all that takes.
func mayApprove(namespace string) string {
	return "who may approve has the ClusterRole crawlfleet-crawlapproval-approver in namespace " + namespace
}

// shownSeeds is how many of an order's own seeds, and of its sitemaps, are shown.
const shownSeeds = 20

// seedRows are the first addresses of a list in an order, and how many more there are.
func seedRows[T ~string](kind string, all []T) (rows [][2]string) {
	for _, address := range all[:min(len(all), shownSeeds)] {
		rows = append(rows, [2]string{kind, string(address)})
	}
	if more := len(all) - shownSeeds; more > 0 {
		rows = append(rows, [2]string{kind, fmt.Sprintf("and %d more: kubectl get crawl -o yaml", more)})
	}
	return rows
}

// show shows what is approved, in short.
func (o *covered) show(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "CrawlJob %s/%s as it is now:\n", o.job.Namespace, o.job.Name); err != nil {
		return err
	}
	a, seeds, limits := o.job.Spec.Authorization, o.job.Spec.Seeds, o.job.Spec.Limits
	listed := 0
	for _, n := range o.seeds {
		listed += n
	}
	rows := [][2]string{
		{"reference", a.Reference}, {"purpose", a.Purpose}, {"basis", a.Basis}, {"requested by", a.RequestedBy},
		{"valid until", a.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC")},
		{"seeds", fmt.Sprintf("%d addresses, %d of them in ConfigMaps, and %d sitemaps", len(seeds.URLs)+listed, listed, len(seeds.Sitemaps))},
	}
	rows = append(rows, seedRows("seed", seeds.URLs)...)
	rows = append(rows, seedRows("sitemap", seeds.Sitemaps)...)
	for _, e := range o.entries {
		text := o.texts[e.String()]
		holds := fmt.Sprintf("a script of %d bytes", len(text))
		if e.Field == orders.FieldSeeds {
			holds = fmt.Sprintf("%d addresses", o.seeds[e.String()])
		}
		rows = append(rows, [2]string{"ConfigMap", fmt.Sprintf("%s: %s, %s", e, holds, orders.Sum([]byte(text)))})
	}
	rows = append(rows, [][2]string{
		{"scope", string(o.job.Spec.Scope.Type)},
		{"limits", fmt.Sprintf("%d pages, %d MB, %d seconds", limits.Pages, limits.Megabytes, limits.DurationSeconds)},
		{"digest", o.digest},
	}...)
	for _, row := range rows {
		if _, err := fmt.Fprintf(w, "  %-13s %s\n", row[0], cli.OneLine(row[1])); err != nil {
			return err
		}
	}
	return nil
}
