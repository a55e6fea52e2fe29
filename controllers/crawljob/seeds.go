package crawljob

import (
	"fmt"
	"strings"

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

// packSeeds packs the addresses in the ConfigMaps that an order names. Its error is a *Refusal
// when one holds none, or something that is no address.
func packSeeds(job *v1alpha1.CrawlJob, texts texts) (SeedList, error) {
	if len(job.Spec.Seeds.ConfigMaps) == 0 {
		return SeedList{}, nil
	}
	var urls []string
	for _, source := range job.Spec.Seeds.ConfigMaps {
		lines, err := parseLines(source, texts.of(source.Name, source.Key))
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
