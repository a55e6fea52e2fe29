package crawljob

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// maxScript is the size of one script in bytes, as the browser takes it.
	maxScript = 64 << 10
	// maxScripts is the size in bytes of all scripts of an order, packed.
	maxScripts = 256 << 10
)

// ScriptList is what the ConfigMaps of an order's scripts hold.
type ScriptList struct {
	// Packed are the sources: a list of strings in JSON, compressed with gzip; nil when
	// the order names none.
	Packed []byte
	// Digests are their SHA-256 in hexadecimal, in the order of the spec.
	Digests []string
}

// packScripts packs the scripts that an order names. Its error is a *Refusal when one cannot be
// used.
func packScripts(job *v1alpha1.CrawlJob, texts texts) (ScriptList, error) {
	list := job.Spec.Capture.Behaviors.Scripts
	if len(list) == 0 {
		return ScriptList{}, nil
	}
	var scripts ScriptList
	sources := make([]string, len(list))
	for i, s := range list {
		text := texts.of(s.Name, s.Key)
		if slip := checkScript(text); slip != "" {
			return ScriptList{}, &Refusal{workflows.ReasonInvalidScript, fmt.Sprintf(
				"ConfigMap %q, key %q %s. Correct the ConfigMap; the crawl starts by itself then.", s.Name, s.Key, slip)}
		}
		sum := sha256.Sum256([]byte(text))
		sources[i] = text
		scripts.Digests = append(scripts.Digests, hex.EncodeToString(sum[:]))
	}
	var err error
	scripts.Packed, err = order.Compress(func(w io.Writer) error { return json.NewEncoder(w).Encode(sources) })
	if err != nil {
		return ScriptList{}, fmt.Errorf("compress the scripts: %w", err)
	}
	if len(scripts.Packed) > maxScripts {
		return ScriptList{}, &Refusal{workflows.ReasonInvalidScript, fmt.Sprintf(
			"The scripts of capture.behaviors.scripts are %d bytes packed, and %d can be handed over. Shorten them, or divide the sites among several CrawlJobs.",
			len(scripts.Packed), maxScripts)}
	}
	return scripts, nil
}

// checkScript says what is wrong with a script, "" when nothing is. Whether it is
// JavaScript, the browser finds out.
func checkScript(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "is empty: write an expression for an async function into it"
	case len(text) > maxScript:
		return fmt.Sprintf("is %d bytes long, and a script may have %d", len(text), maxScript)
	}
	return ""
}

// behaviors says in the words of package workflows what is done to pages.
func behaviors(b *v1alpha1.Behaviors, scripts ScriptList) *workflows.Behaviors {
	on := func(t v1alpha1.Toggle) bool { return t != v1alpha1.Disabled }
	out := &workflows.Behaviors{Scroll: on(b.Scroll), Media: on(b.Media), Expand: on(b.Expand), Consent: on(b.Consent)}
	for i, s := range b.Scripts {
		if i < len(scripts.Digests) {
			out.Scripts = append(out.Scripts, workflows.Script{Name: s.Name + "/" + s.Key, Hosts: order.Strings(s.Hosts), SHA256: scripts.Digests[i]})
		}
	}
	return out
}
