package portal

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/words"
)

// TestWhoCanHelp: a hint about flags, buckets and clocks says first whom an analyst has to tell.
func TestWhoCanHelp(t *testing.T) {
	t.Parallel()
	for _, p := range problems {
		operator := false
		for _, word := range []string{"--", "bucket", "clocks", "kubeconfig"} {
			operator = operator || strings.Contains(p.Hint, word)
		}
		if dutch := words.Dutch.Text(p.Hint); operator && (!strings.HasPrefix(p.Hint, "Tell whoever runs the portal: ") || !strings.HasPrefix(dutch, "Meld het aan wie de portal beheert: ")) {
			t.Errorf("%q: an analyst can do nothing with %q, or %q", p.Text, p.Hint, dutch)
		}
	}
}
