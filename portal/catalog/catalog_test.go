package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/catalog/catalogtest"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

func open(t testing.TB, path string, madeWith ...string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), path, madeWith...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func dump(t testing.TB, c *catalog.Catalog) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Dump(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// two are the namespaces of the tests.
var two = []string{"amber", "birch"}

// add adds a chunk of pages whose IDs are their numbers.
func add(t testing.TB, c *catalog.Catalog, key blob.Key, entries ...catalog.Entry) catalog.Chunk {
	t.Helper()
	namespace, _, _ := strings.Cut(string(key), "/")
	chunk := catalog.Chunk{Key: key, Size: 12, Modified: catalogtest.Begin, Run: catalog.Run{Namespace: namespace, Job: "shops", UID: "uid-" + namespace}}
	for i := range entries {
		if entries[i].ID == "" {
			entries[i].ID = string(rune('a' + i))
		}
		if entries[i].Time.IsZero() {
			entries[i].Time = catalogtest.Begin.Add(time.Duration(i) * time.Second)
		}
		if entries[i].URL == "" {
			entries[i].URL = "https://www.example.org/" + entries[i].ID
		}
		if entries[i].Kind == "" {
			entries[i].Kind = snapshot.Web
		}
	}
	if err := c.Add(t.Context(), chunk, entries, []string{"org,example", "org,example,cdn:8080"}); err != nil {
		t.Fatal(err)
	}
	return chunk
}

// pages are the page IDs of what a query finds.
func pages(t testing.TB, c *catalog.Catalog, q catalog.Query) string {
	t.Helper()
	if q.Namespaces == nil {
		q.Namespaces = two
	}
	r, err := c.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("Search(%+v): %v", q, err)
	}
	var ids []string
	for _, h := range r.Hits {
		ids = append(ids, h.Page.ID)
	}
	if r.Count != len(ids) && r.Next == "" {
		t.Errorf("Search(%+v): count is %d of %d", q, r.Count, len(ids))
	}
	return strings.Join(ids, " ")
}

func text(s string) catalog.Entry { return catalog.Entry{Text: s} }

func TestText(t *testing.T) {
	c := open(t, "")
	add(t, c, "amber/1.wacz",
		text("The quick brown fox"), text("a brown dog, quick as a FOX"), text("Café Zürich, Straße 5, don't"),
		text("東京タワーは高い"), text("ราคาถูกมาก"), text("fresh 🍒 today"), text("Жанна и Ёлка"), text("كِتَاب"),
		text("cafe\u0301 noir"), text(strings.Repeat("longword", 40)))
	tests := map[string]struct{ text, want string }{
		"Everything":        {"", "j i h g f e d c b a"},
		"Words":             {"quick fox", "b a"},
		"Case":              {"QUICK Fox", "b a"},
		"Phrase":            {`"quick brown"`, "a"},
		"OpenPhrase":        {`"quick brown`, "a"},
		"CurlyPhrase":       {`“quick brown”`, "a"},
		"LowPhrase":         {`„quick brown“`, "a"},
		"Excluded":          {"fox -dog", "a"},
		"ExcludedPhrase":    {`fox -"quick brown"`, "b"},
		"OnlyExcluded":      {"-quick -cafe -zurich -longword*", "h g f e d"},
		"Prefix":            {"brow*", "b a"},
		"NoPrefix":          {"bro", ""},
		"StarWithinPhrase":  {`"bro* fox"`, ""},
		"Accents":           {"cafe", "i c"},
		"AccentsTyped":      {"CAFÉ", "i c"},
		"AccentsApart":      {"cafe\u0301", "i c"},
		"Sharp":             {"strasse", "c"},
		"Apostrophe":        {"don't", "c"},
		"Operators":         {"quick AND fox", ""},
		"Hyphen":            {"quick-brown", "a"},
		"Chinese":           {"東京", "d"},
		"ChineseMiddle":     {"京タ", "d"},
		"ChineseOne":        {"京", "d"},
		"ChineseLast":       {"い", "d"},
		"ChineseNot":        {"京東", ""},
		"Thai":              {"ถูก", "e"},
		"Emoji":             {"🍒", "f"},
		"Cyrillic":          {"жанна елка", "g"},
		"Arabic":            {"كتاب", "h"},
		"Long":              {strings.Repeat("longword", 40), "j"},
		"LongBeginningStar": {strings.Repeat("longword", 13) + "*", "j"},
		"Host":              {"example.org", "j i h g f e d c b a"},
		"HostWord":          {"www.example.org fox", "b a"},
		"OtherHost":         {"example.com", ""},
		"NoHost":            {"setup.notatld", ""},
		"URL":               {"http://example.org/b", "b"},
		"URLNoScheme":       {"example.org/c", "c"},
		"ExcludedURL":       {"fox -https://www.example.org/b", "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, pages(t, c, catalog.Query{Text: tt.text})); diff != "" {
				t.Errorf("pages of %q (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestRebuilt(t *testing.T) {
	archive := catalogtest.New(160)
	archive.PerChunk = 20
	put := func(c *catalog.Catalog, n int) {
		chunk, entries, hosts := archive.Chunk(n)
		for i := range entries { // so that many are of one moment
			entries[i].Time = catalogtest.Begin
		}
		if err := c.Add(t.Context(), chunk, entries, hosts); err != nil {
			t.Fatal(err)
		}
	}
	a, b := open(t, ""), open(t, "")
	for n := range archive.Chunks() {
		put(a, n)
	}
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(archive.Chunks()) {
		put(b, n)
		put(b, n) // again changes nothing
		if n%4 > 0 {
			continue
		}
		chunk, _, _ := archive.Chunk(n)
		if err := b.Remove(t.Context(), chunk.Key); err != nil {
			t.Fatal(err)
		}
		put(b, n)
	}
	got, want := dump(t, b), dump(t, a)
	if got != want {
		t.Errorf("built in another order the catalog differs: %d bytes, want %d", len(got), len(want))
	}
	if len(want) < 1<<19 {
		t.Errorf("the dump has %d bytes", len(want))
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c := open(t, path)
	empty := dump(t, c)
	archive := catalogtest.New(180)
	archive.PerChunk = 60
	var keys []blob.Key
	for n := range archive.Chunks() {
		chunk, entries, hosts := archive.Chunk(n)
		for i := range entries {
			entries[i].Text += " zzsecretword zzsecret" + entries[i].ID
			entries[i].Identifiers = append(entries[i].Identifiers, catalog.Meaning{As: catalog.AsHandle, Value: "zzsecrethandle"})
			entries[i].Title += " zzsecrettitle"
		}
		if err := c.Add(t.Context(), chunk, entries, append(hosts, "org,zzsecret")); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, chunk.Key)
	}
	for _, key := range keys {
		if err := c.Remove(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(empty, dump(t, c)); diff != "" {
		t.Errorf("after all was removed (-want +got):\n%s", diff)
	}
	vocabulary := []string{"zzsecret", "secret"}
	for l := range catalogtest.Languages {
		for n := range 6000 {
			if w := archive.Word(l, n); len(w) > 5 {
				vocabulary = append(vocabulary, w)
			}
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if left := within(b, vocabulary); len(left) > 0 {
			t.Errorf("of %d bytes of the file%s there are still %.500q", len(b), suffix, left)
		}
	}
	if err := c.Remove(t.Context(), "amber/none.wacz"); err != nil {
		t.Errorf("Remove of no chunk: %v", err)
	}
}

// within are the words of six bytes and more that there are in b.
func within(b []byte, words []string) (found []string) {
	const least = 6
	begin := map[string][]string{}
	for _, w := range words {
		begin[w[:least]] = append(begin[w[:least]], w)
	}
	for i := range max(0, len(b)-least+1) {
		for _, w := range begin[string(b[i:i+least])] {
			if bytes.HasPrefix(b[i:], []byte(w)) {
				found = append(found, w)
			}
		}
	}
	return found
}

func TestGet(t *testing.T) {
	c := open(t, "")
	page := snapshot.Page{ID: "p1", URL: "https://example.org/", FinalURL: "https://example.org/home", Time: catalogtest.Begin.Add(1500 * time.Microsecond),
		Title: "T", Status: 200, MIME: "text/html", Language: "nl", Kind: snapshot.Web, Partial: true, Reason: "PageTimeout", Digest: "sha256:aa", TextDigest: "sha256:bb", Picture: true}
	chunk := add(t, c, "amber/1.wacz", catalog.Entry{Page: page, Text: "t"})
	page.Chunk = chunk.Key
	id := catalog.NewID(chunk.Key, "p1")
	got, err := c.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(catalog.Capture{ID: id, Run: chunk.Run, Page: page}, got); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	for _, id := range []catalog.ID{"", "x", catalog.NewID(chunk.Key, "p2"), catalog.ID(strings.ToUpper(string(id)))} {
		if _, err := c.Get(t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("Get(%q) = %v", id, err)
		}
	}
}
