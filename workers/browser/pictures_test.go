package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
)

// TestUnjudgedBodies: what could not be had whole is not let through to the page, whatever it
// says that it is.
func TestUnjudgedBodies(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"image/png", "application/octet-stream"} {
		a := &answer{done: true}
		params := fmt.Sprintf(`{"responseHeaders": [{"name": "Content-Type", "value": %q}, {"name": "Content-Length", "value": "%d"}]}`, kind, maxDocument+1)
		if err := json.Unmarshal([]byte(params), &a.takenPause); err != nil || a.length() <= maxDocument {
			t.Fatal(err, a.length())
		}
		k := &intercept{}
		k.ctx, k.end = context.WithCancel(t.Context())
		if !k.judge(&session{}, a) {
			t.Errorf("%s: the page gets it", kind)
		}
		if a.withheld == nil || a.withheld.Reason != ReasonImageNotJudged {
			t.Errorf("%s: the record does not say why: %+v", kind, a.withheld)
		}
		k.end()
	}
}
