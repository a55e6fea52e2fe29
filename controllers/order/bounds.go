package order

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// MaxConfigMap is how many bytes the entries of a ConfigMap may have together: the API
	// server stores no larger one (MaxSecretSize in k8s.io/api/core/v1).
	MaxConfigMap = 1 << 20
	// MaxInput is the size in bytes of the largest order that Temporal will take: it
	// refuses payloads of 2 MiB.
	MaxInput = 1900 << 10
)

// CheckInput refuses an order that is too large to be handed over.
func CheckInput(in workflows.RunInput) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the order: %w", err)
	}
	if len(raw) > MaxInput {
		return fmt.Errorf("the order with its seeds is %d bytes, and %d can be handed over: divide the seeds among several CrawlJobs, "+
			"or serve the list as a text sitemap and name its address in seeds.sitemaps", len(raw), MaxInput)
	}
	return nil
}

// PackSeeds packs addresses as they are handed over: one a line, compressed.
func PackSeeds(addresses []string) ([]byte, error) {
	return Compress(func(w io.Writer) error {
		for _, a := range addresses {
			if _, err := io.WriteString(w, a+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
}

// Compress packs what fill writes with gzip.
func Compress(fill func(io.Writer) error) ([]byte, error) {
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
