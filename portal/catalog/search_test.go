package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/catalog/catalogtest"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// numbers finds telephone numbers that are written in full.
type numbers struct{}

var number = regexp.MustCompile(`\+[0-9]{8,15}`)

func (numbers) InText(text string) []catalog.Identifier {
	var all []catalog.Identifier
	for _, at := range number.FindAllStringIndex(text, -1) {
		all = append(all, catalog.Identifier{Start: at[0], End: at[1], Any: []catalog.Meaning{{As: catalog.AsPhone, Value: text[at[0]:at[1]]}}})
	}
	return all
}

func (n numbers) InQuery(text string) []catalog.Identifier { return n.InText(text) }

// page is an entry with an ID, changed as told.
func page(id string, change func(*catalog.Entry)) catalog.Entry {
	e := catalog.Entry{Page: snapshot.Page{ID: id, Status: 200, Language: "nl", MIME: "text/html"}, Text: "fox"}
	change(&e)
	return e
}

func filtered(t *testing.T) *catalog.Catalog {
	c := open(t, "")
	c.Identifiers = numbers{}
	add(t, c, "amber/1.wacz",
		page("a", func(e *catalog.Entry) { e.Status = 404 }),
		page("b", func(e *catalog.Entry) { e.URL = "http://shop.example.org/b"; e.Language = "en" }),
		page("c", func(e *catalog.Entry) { e.Partial = true; e.Status = 0 }),
		page("d", func(e *catalog.Entry) { e.Kind = snapshot.Image; e.FinalURL = "https://other.test/Path?b=2&a=1" }),
		page("e", func(e *catalog.Entry) { e.URL = "http://192.0.2.7:8080/"; e.Status = 403 }),
	)
	add(t, c, "birch/1.wacz", page("f", func(e *catalog.Entry) {
		e.Time = catalogtest.Begin.Add(time.Hour)
		e.Text = "call +12025550123 fox"
		e.Identifiers = []catalog.Meaning{{As: catalog.AsPhone, Value: "+12025550123"}}
	}))
	return c
}

func TestFilters(t *testing.T) {
	c := filtered(t)
	at := func(s int) time.Time { return catalogtest.Begin.Add(time.Duration(s) * time.Second) }
	tests := map[string]struct {
		query catalog.Query
		want  string
	}{
		"None":          {catalog.Query{}, "f e d b a"},
		"Oldest":        {catalog.Query{Oldest: true}, "a b d e f"},
		"Partial":       {catalog.Query{Partial: true}, "f e d c b a"},
		"Status":        {catalog.Query{Status: "404"}, "a"},
		"Class":         {catalog.Query{Status: "4XX"}, "e a"},
		"Language":      {catalog.Query{Language: "en"}, "b"},
		"Kind":          {catalog.Query{Kind: snapshot.Image}, "d"},
		"Host":          {catalog.Query{Host: "example.org"}, "f d b a"},
		"HostBelow":     {catalog.Query{Host: "*.shop.example.org"}, "b"},
		"HostWWW":       {catalog.Query{Host: "WWW.example.org"}, "f d a"},
		"HostFinal":     {catalog.Query{Host: "other.test"}, "d"},
		"HostAddress":   {catalog.Query{Host: "192.0.2.7"}, "e"},
		"HostPart":      {catalog.Query{Host: "ample.org"}, ""},
		"URL":           {catalog.Query{URL: "http://example.org/a"}, "a"},
		"URLFinal":      {catalog.Query{URL: "other.test/path?a=1&b=2"}, "d"},
		"Job":           {catalog.Query{Job: "shops"}, "f e d b a"},
		"JobNamespace":  {catalog.Query{Job: "birch/shops"}, "f"},
		"JobOther":      {catalog.Query{Job: "birch/other"}, ""},
		"Run":           {catalog.Query{Run: "uid-birch"}, "f"},
		"From":          {catalog.Query{From: at(4)}, "f e"},
		"To":            {catalog.Query{To: at(3)}, "b a"},
		"FromTo":        {catalog.Query{From: at(1), To: at(4), Text: "fox"}, "d b"},
		"Namespace":     {catalog.Query{Namespaces: []string{"birch"}}, "f"},
		"NamespaceMore": {catalog.Query{Namespaces: []string{"birch", "none"}}, "f"},
		"NamespaceNone": {catalog.Query{Namespaces: []string{"none"}}, ""},
		"NamespaceJob":  {catalog.Query{Namespaces: []string{"amber"}, Job: "birch/shops"}, ""},
		"Phone":         {catalog.Query{Text: "+12025550123"}, "f"},
		"PhoneExcluded": {catalog.Query{Text: "fox -+12025550123"}, "e d b a"},
		"Facet":         {catalog.Query{Text: "\uE000a fox"}, "d a"}, // the letter alone, which is in two URLs
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, pages(t, c, tt.query)); diff != "" {
				t.Errorf("pages of %+v (-want +got):\n%s", tt.query, diff)
			}
		})
	}
	t.Run("NilNamespaces", func(t *testing.T) {
		r, err := c.Search(t.Context(), catalog.Query{})
		if err != nil || len(r.Hits) != 0 || r.Count != 0 {
			t.Errorf("Search without namespaces = %+v, %v", r, err)
		}
	})
}

func TestLists(t *testing.T) {
	c := filtered(t)
	type list func() ([]catalog.Count, error)
	ctx := t.Context()
	tests := map[string]struct {
		list list
		want []catalog.Count
	}{
		"Namespaces":    {func() ([]catalog.Count, error) { return c.Namespaces(ctx) }, []catalog.Count{{Value: "amber", Captures: 5}, {Value: "birch", Captures: 1}}},
		"Jobs":          {func() ([]catalog.Count, error) { return c.Jobs(ctx, []string{"birch"}) }, []catalog.Count{{Namespace: "birch", Value: "shops", Captures: 1}}},
		"JobsNone":      {func() ([]catalog.Count, error) { return c.Jobs(ctx, nil) }, nil},
		"Hosts":         {func() ([]catalog.Count, error) { return c.Hosts(ctx, two, 2) }, []catalog.Count{{Value: "www.example.org", Captures: 4}, {Value: "192.0.2.7", Captures: 1}}},
		"HostsTwice":    {func() ([]catalog.Count, error) { return c.Hosts(ctx, []string{"birch", "amber", "birch"}, 1) }, []catalog.Count{{Value: "www.example.org", Captures: 4}}},
		"HostsOfOne":    {func() ([]catalog.Count, error) { return c.Hosts(ctx, []string{"birch"}, 9) }, []catalog.Count{{Value: "www.example.org", Captures: 1}}},
		"Languages":     {func() ([]catalog.Count, error) { return c.Languages(ctx, two) }, []catalog.Count{{Value: "nl", Captures: 5}, {Value: "en", Captures: 1}}},
		"LanguagesNone": {func() ([]catalog.Count, error) { return c.Languages(ctx, []string{"none"}) }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.list()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChunksOfHost(t *testing.T) {
	c := open(t, "")
	for key, hosts := range map[string]string{"amber/1": "org,example", "amber/2": "org,example:8080", "amber/3": "org,example,www", "birch/4": "org,example", "amber/5": "org,example-shop org,examples"} {
		namespace, _, _ := strings.Cut(key, "/")
		if err := c.Add(t.Context(), catalog.Chunk{Key: blob.Key("k/" + key), Run: catalog.Run{Namespace: namespace}}, nil, strings.Fields(hosts)); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		host       string
		below      bool
		namespaces []string
		want       string
	}{
		"Exact":     {"org,example", false, two, "k/amber/1 k/birch/4"},
		"Port":      {"org,example:8080", false, two, "k/amber/2"},
		"Below":     {"org,example", true, two, "k/amber/1 k/amber/2 k/amber/3 k/birch/4"},
		"Namespace": {"org,example", true, []string{"birch"}, "k/birch/4"},
		"None":      {"org,example", true, nil, ""},
		"Unknown":   {"org,exam", true, two, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			chunks, err := c.ChunksOfHost(t.Context(), tt.host, tt.below, tt.namespaces)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, ch := range chunks {
				keys = append(keys, string(ch.Key))
			}
			if diff := cmp.Diff(tt.want, strings.Join(keys, " ")); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCursor(t *testing.T) {
	for _, oldest := range []bool{false, true} {
		t.Run(fmt.Sprintf("Oldest=%t", oldest), func(t *testing.T) {
			c := open(t, "")
			archive := catalogtest.New(400)
			archive.PerChunk = 100
			put := func(n int) {
				chunk, entries, hosts := archive.Chunk(n)
				if err := c.Add(t.Context(), chunk, entries, hosts); err != nil {
					t.Fatal(err)
				}
			}
			put(1)
			q := catalog.Query{Namespaces: catalogtest.Namespaces, Partial: true, Oldest: oldest, Limit: 9}
			seen := map[catalog.ID]int{}
			for n := 0; ; n++ {
				r, err := c.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if !r.More && r.Count != 100 || r.Count > 100 { // where counting takes longer than a moment there are more
					t.Errorf("count is %d, more %t", r.Count, r.More)
				}
				for _, h := range r.Hits {
					if strings.HasSuffix(string(h.Chunk), "part-1.wacz") {
						seen[h.ID]++
					}
				}
				if r.Next == "" {
					break
				}
				q.Cursor = r.Next
				if n == 1 {
					put(map[bool]int{false: 2, true: 0}[oldest]) // before what is still to come
				}
			}
			if len(seen) != 100 {
				t.Errorf("%d captures were seen, want 100", len(seen))
			}
			for id, n := range seen {
				if n != 1 {
					t.Errorf("capture %s was seen %d times", id, n)
				}
			}
		})
	}
}

func TestCountLimit(t *testing.T) {
	c := open(t, "")
	entries := make([]catalog.Entry, catalog.CountLimit+5)
	for i := range entries {
		entries[i] = page(fmt.Sprintf("p%d", i), func(e *catalog.Entry) { e.Text = "fox foxes" })
	}
	add(t, c, "amber/1.wacz", entries...)
	for _, limit := range []int{1, 50, 1000, -50} {
		text := "fox"
		if limit < 0 {
			text, limit = "foxe*", -limit
		}
		r, err := c.Search(t.Context(), catalog.Query{Text: text, Namespaces: two, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Hits) != limit || !r.More || r.Count > catalog.CountLimit || r.Next == "" {
			t.Errorf("limit %d: %d hits, count %d, more %t, next %q", limit, len(r.Hits), r.Count, r.More, r.Next)
		}
	}
}

func TestOf(t *testing.T) {
	c := filtered(t)
	q := catalog.Query{URL: "http://example.org/f", Namespaces: two, Oldest: true, Limit: 1}
	add(t, c, "amber/2.wacz", page("f", func(e *catalog.Entry) { e.Time = catalogtest.Begin.Add(2 * time.Hour) }))
	var chunks []string
	for {
		captures, next, err := c.Of(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, capture := range captures {
			chunks = append(chunks, string(capture.Chunk))
		}
		if q.Cursor = next; next == "" {
			break
		}
	}
	if diff := cmp.Diff("birch/1.wacz amber/2.wacz", strings.Join(chunks, " ")); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	var invalid *catalog.InvalidError
	if _, _, err := c.Of(t.Context(), catalog.Query{Namespaces: two}); !errors.As(err, &invalid) || invalid.Field != "url" {
		t.Errorf("Of without a URL: %v", err)
	}
}

func TestSnippet(t *testing.T) {
	c := open(t, "")
	c.Identifiers = numbers{}
	long := strings.Repeat("filler words here ", 50)
	add(t, c, "amber/1.wacz",
		catalog.Entry{Text: "The Café is open", Page: snapshot.Page{Title: "My café"}},
		text(long+"the needle sits. "+long), text("call +12025550123 now"), text("東京タワー"), text(""), text(long))
	c2 := page("z", func(e *catalog.Entry) {
		e.Identifiers = []catalog.Meaning{{As: catalog.AsPhone, Value: "+12025550123"}}
		e.Text = "call +12025550123 now"
	})
	add(t, c, "birch/1.wacz", c2)
	tests := map[string]struct{ text, want, heading string }{
		"Word":    {"cafe", "The [Café] is open", "My [café]"},
		"Phrase":  {`"cafe is"`, "The [Café is] open", ""},
		"Prefix":  {"open*", "The Café is [open]", ""},
		"Far":     {"needle", "…[needle] sits.…", ""},
		"Phone":   {"+12025550123", "call [+12025550123] now", ""},
		"Chinese": {"京タワ", "東[京タワ]ー", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := c.Search(t.Context(), catalog.Query{Text: tt.text, Namespaces: two})
			if err != nil || len(r.Hits) != 1 {
				t.Fatalf("Search(%q) = %+v, %v", tt.text, r, err)
			}
			got := marked(r.Hits[0].Snippet)
			before, after, far := strings.Cut(tt.want, "…[")
			if far && before == "" {
				after, _, _ = strings.Cut(after, "…")
				if !strings.Contains(got, "["+after) || !strings.HasPrefix(got, "… ") || !strings.HasSuffix(got, " …") || len(got) > 400 {
					t.Errorf("snippet is %q", got)
				}
			} else if got != tt.want {
				t.Errorf("snippet is %q, want %q", got, tt.want)
			}
			if got := marked(r.Hits[0].Heading); got != tt.heading {
				t.Errorf("heading is %q, want %q", got, tt.heading)
			}
		})
	}
}

func marked(pieces []catalog.Piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.Hit {
			b.WriteString("[" + p.Text + "]")
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func TestProblem(t *testing.T) {
	c := open(t, "")
	chunk := catalog.Chunk{Key: "amber/1.wacz", Size: 3, Modified: catalogtest.Begin, Run: catalog.Run{Namespace: "amber", Job: "j", UID: "u"}, Problem: "it is no WACZ"}
	steps := []struct {
		problem string
		want    string
		chunk   string
	}{
		{"it is no WACZ", "", "it is no WACZ"},
		{"still none", "", "still none"},
		{"", "a", ""},
		{"late", "a", ""},
	}
	for _, s := range steps {
		chunk.Problem = s.problem
		var entries []catalog.Entry
		if s.problem == "" {
			entries = []catalog.Entry{page("a", func(*catalog.Entry) {}), page("a", func(e *catalog.Entry) { e.Text = "second" })}
		}
		if err := c.Add(t.Context(), chunk, entries, nil); err != nil {
			t.Fatal(err)
		}
		if got := pages(t, c, catalog.Query{}); got != s.want {
			t.Errorf("after problem %q pages are %q, want %q", s.problem, got, s.want)
		}
		want := chunk
		want.Problem = s.chunk
		chunks, err := c.Chunks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]catalog.Chunk{want}, chunks); diff != "" {
			t.Errorf("after problem %q chunks (-want +got):\n%s", s.problem, diff)
		}
	}
	if got := pages(t, c, catalog.Query{Text: "second"}); got != "" {
		t.Errorf("the second entry of an ID is found: %q", got)
	}
}

func TestCanceled(t *testing.T) {
	c := filtered(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Search(ctx, catalog.Query{Text: "fox", Namespaces: two}); !errors.Is(err, context.Canceled) {
		t.Errorf("Search = %v", err)
	}
	if err := c.Add(ctx, catalog.Chunk{Key: "amber/9.wacz"}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Add = %v", err)
	}
}

func TestTogether(t *testing.T) {
	c := open(t, "")
	archive := catalogtest.New(300)
	archive.PerChunk = 30
	var wg sync.WaitGroup
	for n := range archive.Chunks() {
		wg.Go(func() {
			chunk, entries, hosts := archive.Chunk(n)
			if err := c.Add(t.Context(), chunk, entries, hosts); err != nil {
				t.Error(err)
			}
			r, err := c.Search(t.Context(), catalog.Query{Namespaces: catalogtest.Namespaces, Partial: true, Limit: 1000})
			if err != nil || len(r.Hits)%30 != 0 || len(r.Hits) == 0 {
				t.Errorf("Search while adding: %d hits, %v", len(r.Hits), err)
			}
			if n%2 == 0 {
				if err := c.Remove(t.Context(), chunk.Key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := c.Search(t.Context(), catalog.Query{Namespaces: catalogtest.Namespaces, Partial: true, Limit: 1000})
	if err != nil || len(r.Hits) != 150 {
		t.Errorf("Search = %d hits, %v", len(r.Hits), err)
	}
}
