package crawljob

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxSeedURL is the length of an address in bytes that a seed may have, the same
// in a ConfigMap as in spec.seeds.urls.
const maxSeedURL = 2048

// maxSlips is how many wrong lines of a ConfigMap a message names.
const maxSlips = 3

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
	packed, err := compress(func(w io.Writer) error {
		for _, u := range urls {
			if _, err := io.WriteString(w, u+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
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
	if !ok {
		return "", &Refusal{workflows.ReasonConfigMapMissing, fmt.Sprintf(
			"%s names key %q of ConfigMap %q, which has no such key. Add it; the crawl starts by itself then.",
			e.field, e.key, e.name)}
	}
	return text, nil
}

// parseLines returns the addresses in text, one a line. It passes over empty lines
// and lines that begin with #, and collects the first few that are no address into
// a Refusal, without repeating what they hold.
func parseLines(source v1alpha1.SeedConfigMap, text string) ([]string, error) {
	var urls, slips []string
	wrong, number := 0, 0
	text = strings.TrimPrefix(text, "\ufeff") // the byte order mark that some editors write
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := checkSeed(line); err != nil {
			if wrong++; wrong <= maxSlips {
				slips = append(slips, fmt.Sprintf("line %d %v", number, err))
			}
			continue
		}
		urls = append(urls, line)
	}
	if wrong > 0 {
		if wrong > maxSlips {
			slips = append(slips, fmt.Sprintf("and %d more lines", wrong-maxSlips))
		}
		return nil, &Refusal{workflows.ReasonInvalidSeeds, fmt.Sprintf(
			"ConfigMap %q, key %q: %s. Correct the ConfigMap; the crawl starts by itself then.",
			source.Name, source.Key, strings.Join(slips, "; "))}
	}
	if len(urls) == 0 {
		return nil, &Refusal{workflows.ReasonInvalidSeeds, fmt.Sprintf(
			"ConfigMap %q, key %q holds no address. Write one address a line into it; the crawl starts by itself then.",
			source.Name, source.Key)}
	}
	return urls, nil
}

// checkSeed holds a line of a ConfigMap to the rules that the API server holds
// spec.seeds.urls to.
func checkSeed(line string) error {
	if len(line) > maxSeedURL {
		return fmt.Errorf("is longer than %d bytes", maxSeedURL)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("contains a space (write %20, and one address a line)")
	}
	u, err := url.Parse(line)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("is not a whole web address such as https://www.example.org/path")
	}
	if u.User != nil {
		return errors.New("carries a user name or password (the part before @)")
	}
	if strings.HasPrefix(u.Fragment, "/") || strings.HasPrefix(u.Fragment, "!") {
		return errors.New("points at a route behind #, which is never sent to a server")
	}
	return nil
}

// compress packs what fill writes with gzip.
func compress(fill func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := fill(z); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
