package portal

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/portal/history"
)

// TestFiltersDoNotChangeWhatBecame: a filter chooses captures; what became of the address with each stays the same.
func TestFiltersDoNotChangeWhatBecame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const address = "https://board.example/ad/9"
	for hour, v := range []visit{{Text: "first words"}, {Text: "other words"}, {Text: "none", Status: 404}, {Text: "none", Status: 404}, {Text: "other words, again"}, {Text: "other words, again"}} {
		v.URL, v.Key, v.Hour = address, fmt.Sprintf("t%d", hour), hour
		f.capture(t, v)
	}
	at := func(hour int) string { return noon.Add(time.Duration(hour) * time.Hour).Format(time.RFC3339) }
	for _, tc := range []struct {
		reason string
		filter url.Values
		want   []string // hour, change, the newest first
	}{
		{"none", nil, []string{"5 Unchanged", "4 Back", "3 Unchanged", "2 Gone", "1 Changed", "0 First"}},
		{"from", url.Values{"from": {at(1)}}, []string{"5 Unchanged", "4 Back", "3 Unchanged", "2 Gone", "1 Changed"}},
		{"until", url.Values{"until": {at(3)}}, []string{"2 Gone", "1 Changed", "0 First"}},
		{"from and until", url.Values{"from": {at(3)}, "until": {at(5)}}, []string{"4 Back", "3 Unchanged"}},
		{"status", url.Values{"status": {"200"}}, []string{"5 Unchanged", "4 Back", "1 Changed", "0 First"}},
		{"words", url.Values{"q": {"again"}}, []string{"5 Unchanged", "4 Back"}},
		{"what nothing has", url.Values{"q": {"nothing"}}, []string{}},
		{"a part of it", url.Values{"limit": {"2"}, "status": {"200"}}, []string{"5 Unchanged", "4 Back"}},
	} {
		v := url.Values{"url": {address}}
		for name, values := range tc.filter {
			v[name] = values
		}
		var answer struct{ Items []history.Step }
		if err := json.Unmarshal([]byte(body(t, f.get("/api/v1/timeline?"+v.Encode()))), &answer); err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, s := range answer.Items {
			got = append(got, fmt.Sprintf("%d %s", int(s.Time.Sub(noon).Hours()), s.Change))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.reason, diff)
		}
	}
}
