package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// fakes finds what a table says.
type fakes map[string][]Meaning

func (f fakes) InQuery(text string) []Identifier {
	var all []Identifier
	for written, any := range f {
		if i := strings.Index(text, written); i >= 0 {
			all = append(all, Identifier{Start: i, End: i + len(written), Any: any})
		}
	}
	return all
}

func (f fakes) InText(text string) []Identifier { return f.InQuery(text) }

var known = fakes{
	"020 7946 0123":     {{As: AsPhone, Value: "+442079460123"}, {As: AsPhone, Value: "+31207946012"}},
	"jo@example.org":    {{As: AsEmail, Value: "jo@example.org"}},
	"@jo_123":           {{As: AsHandle, Value: "jo_123"}},
	"https://t.test/jo": {{As: AsHandle, Value: "jo"}},
}

func TestParseMeant(t *testing.T) {
	phone := func(excluded bool) []Meaning {
		return []Meaning{{AsPhone, "+442079460123", excluded}, {AsPhone, "+31207946012", excluded}}
	}
	tests := map[string]struct {
		text string
		want []Meaning
	}{
		"Nothing":         {" ", nil},
		"Words":           {"one two", []Meaning{{As: AsText, Value: "one"}, {As: AsText, Value: "two"}}},
		"Phrase":          {`a "b c" d`, []Meaning{{As: AsText, Value: "a"}, {As: AsPhrase, Value: "b c"}, {As: AsText, Value: "d"}}},
		"Excluded":        {`-a -"b c" d-e`, []Meaning{{AsText, "a", true}, {AsPhrase, "b c", true}, {AsText, "d-e", false}}},
		"Prefix":          {"abcd*", []Meaning{{As: AsPrefix, Value: "abcd"}}},
		"Phone":           {"020 7946 0123", phone(false)},
		"PhoneAmong":      {"call (020 7946 0123), now", append(append([]Meaning{{As: AsText, Value: "call"}}, phone(false)...), Meaning{As: AsText, Value: "now"})},
		"PhoneExcluded":   {"-020 7946 0123", phone(true)},
		"PhoneWithin":     {"1020 7946 01234", []Meaning{{As: AsText, Value: "1020"}, {As: AsText, Value: "7946"}, {As: AsText, Value: "01234"}}},
		"Email":           {"jo@example.org", []Meaning{{As: AsEmail, Value: "jo@example.org"}}},
		"Handle":          {"@jo_123", []Meaning{{As: AsHandle, Value: "jo_123"}}},
		"HandleWithinURL": {"https://example.org/@jo_123", []Meaning{{As: AsURL, Value: "https://example.org/@jo_123"}}},
		"Profile":         {"https://t.test/jo", []Meaning{{As: AsURL, Value: "https://t.test/jo"}, {As: AsHandle, Value: "jo"}}},
		"Host":            {"Example.ORG", []Meaning{{As: AsHost, Value: "example.org"}}},
		"HostDot":         {"example.org.", []Meaning{{As: AsHost, Value: "example.org"}}},
		"HostReserved":    {"shop.example", []Meaning{{As: AsHost, Value: "shop.example"}}},
		"HostUnicode":     {"bücher.example", []Meaning{{As: AsHost, Value: "xn--bcher-kva.example"}}},
		"HostOwnPort":     {"Example.org:443", []Meaning{{As: AsHost, Value: "example.org"}}},
		"HostPort":        {"example.org:8080", []Meaning{{As: AsText, Value: "example.org:8080"}}},
		"Address":         {"192.0.2.7", []Meaning{{As: AsHost, Value: "192.0.2.7"}}},
		"Address6":        {"2001:db8::1", []Meaning{{As: AsHost, Value: "2001:db8::1"}}},
		"Number":          {"3.14", []Meaning{{As: AsText, Value: "3.14"}}},
		"Suffix":          {"co.uk", []Meaning{{As: AsText, Value: "co.uk"}}},
		"File":            {"main.notatld", []Meaning{{As: AsText, Value: "main.notatld"}}},
		"URL":             {"HTTP://Example.org/A", []Meaning{{As: AsURL, Value: "http://example.org/A"}}},
		"URLPort":         {"example.org:8080/a", []Meaning{{As: AsURL, Value: "https://example.org:8080/a"}}},
		"Slash":           {"and/or", []Meaning{{As: AsText, Value: "and/or"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tt.text, known)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.meant); diff != "" {
				t.Errorf("parse(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		query Query
		field string
	}{
		"NoWord":      {Query{Text: "!?"}, "q"},
		"Long":        {Query{Text: strings.Repeat("x", maxQuery+1)}, "q"},
		"Many":        {Query{Text: strings.Repeat("x ", maxParts+1)}, "q"},
		"ShortPrefix": {Query{Text: "abc*"}, "q"},
		"Limit":       {Query{Limit: 1001}, "limit"},
		"Negative":    {Query{Limit: -1}, "limit"},
		"Times":       {Query{From: from, To: from}, "until"},
		"Cursor":      {Query{Cursor: "x"}, "cursor"},
		"OtherCursor": {Query{Text: "b", Cursor: cursor{at: 1}.String(fingerprint(Query{Text: "a"}))}, "cursor"},
		"FalseCursor": {Query{Cursor: cursor{at: -1}.String(fingerprint(Query{}))}, "cursor"},
		"Status":      {Query{Status: "4x"}, "status"},
		"Language":    {Query{Language: "nl-NL"}, "language"},
		"Kind":        {Query{Kind: "Page"}, "kind"},
		"URL":         {Query{URL: "http://"}, "url"},
		"Host":        {Query{Host: "a b"}, "host"},
		"HostPath":    {Query{Host: "example.org/a"}, "host"},
		"Job":         {Query{Job: "a/b/c"}, "job"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newPlan(tt.query, nil)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != tt.field || invalid.Detail.Text == "" {
				t.Errorf("newPlan(%+v) = %v, want one that names %s", tt.query, err, tt.field)
			}
		})
	}
}

// FuzzParse asks a catalog whatever text: it answers, or says what is wrong with the text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a", `"a b`, "a* -b", "AND OR NOT NEAR(a b, 2)", "text:a", "^a + b", `"" "`, "a\x00b", "{text title}: x", "-", "-\"", "*",
		"京", "京*", "é\u0301", "\uE000a", "https://example.org/%zz", "020 7946 0123", "@jo_123*", "a''b; DROP TABLE terms", "\xff\xfe", "『a』", "ﬁ ǅ ß"} {
		f.Add(s)
	}
	c, err := Open(context.Background(), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	c.Identifiers = known
	entry := Entry{Page: snapshot.Page{ID: "p", URL: "https://example.org/", Kind: snapshot.Web}, Text: "a b c 020 7946 0123"}
	if err := c.Add(context.Background(), Chunk{Key: "amber/1.wacz", Run: Run{Namespace: "amber"}}, []Entry{entry}, nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := c.Search(t.Context(), Query{Text: text, Namespaces: []string{"amber"}})
		var invalid *InvalidError
		if err != nil && !errors.As(err, &invalid) {
			t.Errorf("Search(%q): %v", text, err)
		}
		s := shower{terms: []term{{words: []string{"a", "b"}}, {words: []string{"c"}, prefix: true}}, identified: known["@jo_123"], identifiers: known, left: 1 << 20}
		var whole strings.Builder
		for _, p := range s.heading(text) {
			whole.WriteString(p.Text)
		}
		if got := whole.String(); got != "" && got != normal(text) {
			t.Errorf("the pieces of %q make %q", text, got)
		}
		s.snippet(text)
	})
}
