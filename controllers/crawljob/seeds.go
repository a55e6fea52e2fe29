package crawljob

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// SeedList is what the ConfigMaps of an order hold.
type SeedList struct {
	// Packed are the addresses, one a line, compressed with gzip; nil when the
	// order names no ConfigMap.
	Packed []byte
	// Count is the number of addresses in it.
	Count int
}

// Refusal says why an order cannot be taken as it is.
type Refusal struct {
	// Reason is a word of package workflows.
	Reason workflows.Reason
	// Message says what is wrong, where, and what to do.
	Message string
}

// Error makes a Refusal an error, so that it can be told apart from an API server that
// does not answer.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Reason, r.Message) }

// readSeeds reads the ConfigMaps that an order names. Its error is a *Refusal
// when one is missing or holds something that is no address.
func readSeeds(ctx context.Context, reader client.Reader, job *v1alpha1.CrawlJob) (SeedList, error) {
	if len(job.Spec.Seeds.ConfigMaps) == 0 {
		return SeedList{}, nil
	}
	var urls []string
	for _, source := range job.Spec.Seeds.ConfigMaps {
		text, err := readEntry(ctx, reader, job.Namespace, entry{"seeds.configMaps", source.Name, source.Key})
		if err != nil {
			return SeedList{}, err
		}
		lines, err := parseLines(source, text)
		if err != nil {
			return SeedList{}, err
		}
		urls = append(urls, lines...)
	}
	packed, err := order.PackSeeds(urls)
	if err != nil {
		return SeedList{}, fmt.Errorf("compress %d seeds: %w", len(urls), err)
	}
	return SeedList{Packed: packed, Count: len(urls)}, nil
}

// entry is an entry of a ConfigMap, and the field of the spec that names it.
type entry struct{ field, name, key string }

func readEntry(ctx context.Context, reader client.Reader, namespace string, e entry) (string, error) {
	var config corev1.ConfigMap
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: e.name}, &config)
	if apierrors.IsNotFound(err) {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names ConfigMap %q, which is not in namespace %q. Create it; the crawl starts by itself then.",
			e.field, e.name, namespace)}
	}
	if err != nil {
		return "", fmt.Errorf("read ConfigMap %q: %w", e.name, err)
	}
	text, ok := config.Data[e.key]
	if _, binary := config.BinaryData[e.key]; binary {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names key %q of ConfigMap %q, which has it in binaryData, as kubectl does with what is not UTF-8. Save the text as UTF-8 and store it again, in data; the crawl starts by itself then.",
			e.field, e.key, e.name)}
	}
	if !ok {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names key %q of ConfigMap %q, which has no such key. Add it; the crawl starts by itself then.",
			e.field, e.key, e.name)}
	}
	return text, nil
}

// parseLines returns the addresses in text, one a line. Its error is a *Refusal when there
// is none, or something that is no address.
func parseLines(source v1alpha1.SeedConfigMap, text string) ([]string, error) {
	var urls []string
	err := order.ReadSeeds(strings.NewReader(text), func(u string) { urls = append(urls, u) })
	if err != nil {
		return nil, &Refusal{workflows.ReasonInvalidSeeds, fmt.Sprintf(
			"ConfigMap %q, key %q: %v. Correct the ConfigMap; the crawl starts by itself then.", source.Name, source.Key, err)}
	}
	if len(urls) == 0 {
		return nil, &Refusal{workflows.ReasonInvalidSeeds, fmt.Sprintf(
			"ConfigMap %q, key %q holds no address. Write one address a line into it; the crawl starts by itself then.",
			source.Name, source.Key)}
	}
	return urls, nil
}
