package visits

import (
	"strings"
	"testing"
	"time"
)

// was is a visit of an ordinary page.
func was(change ...func(*Visit)) *Visit {
	v := &Visit{
		URL: "https://a.example/1", At: time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC), Status: 200, Record: "<urn:uuid:1>",
		Digest: "sha256:aa", ETag: `"v1"`, Text: "sha256:tt",
	}
	for _, c := range change {
		c(v)
	}
	return v
}

func TestCompare(t *testing.T) {
	t.Parallel()
	digest := func(d string) func(*Visit) { return func(v *Visit) { v.Digest = d } }
	tag := func(e string) func(*Visit) { return func(v *Visit) { v.ETag = e } }
	text := func(s string) func(*Visit) { return func(v *Visit) { v.Text = s } }
	coding := func(c string) func(*Visit) { return func(v *Visit) { v.Coding = c } }
	document := func(u string) func(*Visit) { return func(v *Visit) { v.Document = u } }
	for name, tc := range map[string]struct {
		reason      string
		before, now *Visit
		verdict     Verdict
		by          By
	}{
		"New":            {"The earlier run did not archive it.", nil, was(), New, ""},
		"Digest":         {"The same bytes.", was(), was(), Unchanged, ByDigest},
		"DigestAlone":    {"No tag is needed for that.", was(tag("")), was(tag(`"v2"`)), Unchanged, ByDigest},
		"ETag":           {"Other bytes, which the site says mean the same.", was(), was(digest("sha256:bb")), Unchanged, ByETag},
		"WeakETag":       {"A weak tag says that it means much the same, not that it is.", was(tag(`W/"v1"`)), was(tag(`W/"v1"`), digest("sha256:bb")), Changed, ByDocument},
		"NoETag":         {"Two absent tags are not one.", was(tag("")), was(tag(""), digest("sha256:bb")), Changed, ByDocument},
		"BareETag":       {"Without quotes it is no tag.", was(tag("v1")), was(tag("v1"), digest("sha256:bb")), Changed, ByDocument},
		"OtherETag":      {"Other bytes and another tag.", was(), was(digest("sha256:bb"), tag(`"v2"`)), Changed, ByDocument},
		"Document":       {"What it shows may be the same.", was(tag("")), was(digest("sha256:bb"), tag("")), Changed, ByDocument},
		"Text":           {"Scripts fill the page: the document is the same, what it shows is not.", was(), was(text("sha256:uu")), Changed, ByText},
		"TextAgainstTag": {"A site that keeps its tag is not believed against what it shows.", was(), was(digest("sha256:bb"), text("sha256:uu")), Changed, ByText},
		"NoText":         {"One of the runs took no text.", was(), was(text("")), Unchanged, ByDigest},
		"Status":         {"The same bytes, with another status.", was(), was(func(v *Visit) { v.Status = 404 }), Changed, ByStatus},
		"Address":        {"It leads elsewhere.", was(document("https://a.example/in")), was(document("https://a.example/out")), Changed, ByAddress},
		"Redirected":     {"It did not lead elsewhere before.", was(), was(document("https://a.example/out")), Changed, ByAddress},
		"SameRedirect":   {"It leads where it led.", was(document("https://a.example/in")), was(document("https://a.example/in")), Unchanged, ByDigest},
		"NoRecordBefore": {"There is nothing to compare with.", was(func(v *Visit) { v.Record = "" }), was(), NotCompared, ByNoDocument},
		"NoRecordNow":    {"There is nothing to compare.", was(), was(func(v *Visit) { v.Record = "" }), NotCompared, ByNoDocument},
		"Truncated":      {"A part of it says nothing of the rest.", was(tag("")), was(digest(""), tag("")), NotCompared, ByTruncated},
		"TruncatedTag":   {"The tag is for the whole.", was(), was(digest("")), Unchanged, ByETag},
		"TruncatedText":  {"What it shows is another thing.", was(tag("")), was(digest(""), tag(""), text("sha256:uu")), Changed, ByText},
		"Coding":         {"Bytes of two codings differ whatever they mean.", was(tag(""), coding("gzip")), was(tag(""), digest("sha256:bb")), NotCompared, ByCoding},
		"CodingText":     {"But what it shows is another thing.", was(tag(""), coding("gzip")), was(tag(""), digest("sha256:bb"), text("sha256:uu")), Changed, ByText},
		"CodingTag":      {"And the tag may be the same.", was(coding("gzip")), was(digest("sha256:bb")), Unchanged, ByETag},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if verdict, by := Compare(tc.before, tc.now); verdict != tc.verdict || by != tc.by {
				t.Errorf("%s: %s by %q, want %s by %q", tc.reason, verdict, by, tc.verdict, tc.by)
			}
		})
	}
}

// TestUnknownIsNotNew: a page of which nothing is known is not called new.
func TestUnknownIsNotNew(t *testing.T) {
	t.Parallel()
	e := &Earlier{Run: Run{"uid", "name"}, Unknown: ByIndexUnreadable, Detail: "why"}
	if c := e.Compare(was()); c.Verdict != NotCompared || c.By != ByIndexUnreadable || c.Detail != "why" || c.With != e.Run || c.Earlier != nil {
		t.Errorf("%+v", c)
	}
	e = &Earlier{Run: e.Run, Visit: was()}
	if c := e.Compare(was()); c.Verdict != Unchanged || c.By != ByDigest || c.Earlier != e.Visit {
		t.Errorf("%+v", c)
	}
}

func TestValidator(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		` "v1" `: `"v1"`, "": "", "\"a\xff\"": "", "\"a\tb\"": "", strings.Repeat("x", maxValidator): strings.Repeat("x", maxValidator),
		strings.Repeat("x", maxValidator+1): "", "Wed, 21 Oct 2030 07:28:00 GMT": "Wed, 21 Oct 2030 07:28:00 GMT",
	} {
		if got := Validator(value); got != want {
			t.Errorf("Validator(%q) is %q, want %q", value, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	var c Counts
	for _, v := range []Verdict{Unchanged, Unchanged, Changed, New, NotCompared, ""} {
		c.Add(v)
	}
	want := Counts{Unchanged: 2, Changed: 1, New: 1, NotCompared: 1}
	if c != want || c.Sum() != 5 || c.Plus(c) != (Counts{4, 2, 2, 2}) {
		t.Errorf("%+v, want %+v", c, want)
	}
	if !Verdict("").Valid() || !New.Valid() || Verdict("Gone").Valid() {
		t.Error("verdicts are not told from other words")
	}
}
