package order

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// The fields of a spec that name ConfigMaps.
const (
	FieldSeeds   = "seeds.configMaps"
	FieldScripts = "capture.behaviors.scripts"
)

// Entry is an entry of a ConfigMap that an order refers to.
type Entry struct {
	// Field is the field of the spec that names it, one of the above.
	Field string
	// Name is that of the ConfigMap, Key that of the entry in it.
	Name, Key string
}

// String is NAME/KEY: neither may hold a slash.
func (e Entry) String() string { return e.Name + "/" + e.Key }

// Entries are all that an order refers to: lists of seeds, then scripts. The crawl is begun
// with what they hold.
func Entries(s *v1alpha1.CrawlJobSpec) []Entry {
	var all []Entry
	for _, c := range s.Seeds.ConfigMaps {
		all = append(all, Entry{FieldSeeds, c.Name, c.Key})
	}
	for _, c := range s.Capture.Behaviors.Scripts {
		all = append(all, Entry{FieldScripts, c.Name, c.Key})
	}
	return all
}

// decode returns an order that the API server holds, and its spec as it is held there, which is
// what approvals are of: the types of this version may know less of it, and write times in
// another way.
func decode(held *unstructured.Unstructured) (*v1alpha1.CrawlJob, map[string]any, error) {
	var job v1alpha1.CrawlJob
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(held.Object, &job); err != nil {
		return nil, nil, fmt.Errorf("decode the CrawlJob: %w", err)
	}
	spec, _, err := unstructured.NestedMap(held.Object, "spec")
	if err != nil {
		return nil, nil, fmt.Errorf("decode the CrawlJob: %w", err)
	}
	return &job, spec, nil
}

// Digest is that of an order, by which an approval says what it is of. The spec is as the API
// server holds it; texts are the Entries of the order by NAME/KEY. It is sha256: and the
// SHA-256, in hexadecimal, of one object in the canonical form of RFC 8785:
//
//	{"apiVersion": …, "configMaps": {"NAME/KEY": "sha256:…", …}, "spec": {…}}
//
// The spec is without its state, which alone may change once people have approved it.
func Digest(spec map[string]any, texts map[string]string) (string, error) {
	spec = maps.Clone(spec)
	delete(spec, "state")
	sums := make(map[string]string, len(texts))
	for entry, text := range texts {
		sums[entry] = Sum([]byte(text))
	}
	raw, err := json.Marshal(map[string]any{"apiVersion": v1alpha1.GroupVersion.String(), "configMaps": sums, "spec": spec})
	if err != nil {
		return "", fmt.Errorf("encode the order: %w", err)
	}
	canonical := jsontext.Value(raw)
	if err := canonical.Canonicalize(); err != nil {
		return "", fmt.Errorf("encode the order: %w", err)
	}
	return Sum(canonical), nil
}

// Sum is sha256: and the SHA-256 of b in hexadecimal.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
