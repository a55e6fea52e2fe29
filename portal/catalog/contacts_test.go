package catalog

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

func TestContactsInAnyWriting(t *testing.T) {
	t.Parallel()
	contacts := Contacts{Regions: []string{"GB", "US"}}
	known, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = known.Close() })
	known.Identifiers = contacts
	run := Run{Namespace: "default", Job: "ads", UID: "u"}
	pages := map[string]struct {
		text  string
		links []snapshot.Link
	}{
		"a": {"Call 020 7946 0123 any time", nil},
		"b": {"Call ＋44 (0)20–7946 • 0123", nil},
		"c": {"Nothing to be read here", []snapshot.Link{{URL: "tel:+442079460123", Kind: "Tel"}}},
		"d": {"Write to Rooms [at] example [dot] org", nil},
		"e": {"See https://t.me/rooms_example", []snapshot.Link{{URL: "https://t.me/rooms_example", Kind: "Anchor"}}},
		"f": {"In 2079 there were 460123 of them", nil},
	}
	for id, p := range pages {
		e := Entry{Page: snapshot.Page{ID: id, URL: "https://" + id + ".example.org/", Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Kind: snapshot.Web}, Text: p.text, Identifiers: contacts.Of(p.text, p.links)}
		key := blob.Key("default/ads/u/chunks/" + id + ".wacz")
		e.Chunk = key
		if err := known.Add(t.Context(), Chunk{Key: key, Size: 1, Run: run}, []Entry{e}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string][]string{
		"+44 20 7946 0123":   {"a", "b", "c"},
		"020 79460123":       {"a", "b", "c"},
		"0044-20-7946-0123":  {"a", "b", "c"},
		"(020) 7946 0123":    {"a", "b", "c"},
		"call 020 7946 0123": {"a", "b", "c"},
		"rooms@example.org":  {"d"},
		"@rooms_example":     {"e"},
		"+44 20 7946 0124":   nil,
	} {
		r, err := known.Search(t.Context(), Query{Text: query, Namespaces: []string{"default"}})
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []string
		for _, h := range r.Hits {
			got = append(got, h.Page.ID)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s%+v", query, diff, r.Meant)
		}
	}
}
