package portal

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Finder finds captures; [catalog.Catalog] is one.
type Finder interface {
	Search(ctx context.Context, q catalog.Query) (catalog.Result, error)
	Get(ctx context.Context, id catalog.ID) (catalog.Capture, error)
	// Of are the captures of one address.
	Of(ctx context.Context, q catalog.Query) (captures []catalog.Capture, next string, err error)
	// Namespaces are all that the archive has something of, whoever may see it.
	Namespaces(ctx context.Context) ([]catalog.Count, error)
	Jobs(ctx context.Context, namespaces []string) ([]catalog.Count, error)
	Hosts(ctx context.Context, namespaces []string, limit int) ([]catalog.Count, error)
	Languages(ctx context.Context, namespaces []string) ([]catalog.Count, error)
	// PagesOf counts the captures of files; one that is not known is not among them.
	PagesOf(ctx context.Context, chunks []blob.Key) (map[blob.Key]int, error)
}

// Follower keeps the catalog in step with the store; [follow.Follower] is one.
type Follower interface {
	Progress() follow.Progress
	// Problems are the files that cannot be read.
	Problems() []follow.Problem
}

// kindWords are what people call the kinds.
var kindWords = map[string]string{
	string(snapshot.Web): "Web page", string(snapshot.Document): "Document", string(snapshot.Image): "Image",
	string(snapshot.Media): "Sound or video", string(snapshot.Other): "Other",
}

// meaningWords are what people call what a query was read as.
var meaningWords = map[string]string{
	"Text": "word", "Prefix": "beginning of a word", "Phrase": "phrase", "URL": "address", "Host": "host",
	"Phone": "telephone number", "Email": "e-mail address", "Handle": "handle",
}

// day is how a form writes a date.
const day = "2006-01-02"

// found is the body of the page to find snapshots.
type found struct {
	Query   catalog.Query
	From    string
	Until   string
	Result  catalog.Result
	Choices choices
	Kinds   []snapshot.Kind
	// Filtered is set when a filter narrows the search.
	Filtered bool
	// More leads to the next results, Clear to the same without filters.
	More, Clear string
	// Plain leads to the same without the @ of a handle that was not found, and PlainText is what is looked for then.
	Plain, PlainText string
	Behind           behind
	// MayAdd tells whether the person may add captures to cases in any of the namespaces.
	MayAdd bool
	// Empty is set when the archive has nothing at all.
	Empty bool
}

// choices are the values that filters may have, for people to choose from.
type choices struct {
	// Jobs are namespace/name.
	Jobs, Hosts, Languages, Statuses []string
}

// maxChoices bounds each of them.
const maxChoices = 200

// choices are those of what the person may find.
func (h handlers) choices(r *http.Request, namespaces []string) (c choices, err error) {
	c.Statuses = []string{"2xx", "3xx", "4xx", "5xx"}
	jobs, err := h.Catalog.Jobs(r.Context(), namespaces)
	if err != nil {
		return c, err
	}
	hosts, err := h.Catalog.Hosts(r.Context(), namespaces, maxChoices)
	if err != nil {
		return c, err
	}
	languages, err := h.Catalog.Languages(r.Context(), namespaces)
	for _, j := range jobs[:min(len(jobs), maxChoices)] {
		c.Jobs = append(c.Jobs, j.Namespace+"/"+j.Value)
	}
	for _, host := range hosts {
		c.Hosts = append(c.Hosts, host.Value)
	}
	for _, l := range languages[:min(len(languages), maxChoices)] {
		c.Languages = append(c.Languages, l.Value)
	}
	return c, err
}

// filters are the parameters of a query, in the order of the docs.
var filters = []string{"q", "from", "until", "job", "run", "host", "url", "status", "language", "kind", "partial", "order", "limit", "cursor"}

// strictly is nil for programs that ask for what there is to ask for: a filter that is misspelt would find
// more than was asked for.
func strictly(v url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		said := words.Said{}
		switch {
		case !slices.Contains(filters, name):
			said = words.Say("There is no parameter %q here.", name)
		case len(v[name]) > 1:
			said = words.Say("The parameter %q is given twice.", name)
		default:
			continue
		}
		return problem{
			Status: http.StatusBadRequest, Text: said.Text, textArgs: said.Args,
			Hint: "Nothing was looked for, as more would be found than you ask for. The parameters are %s.", hintArgs: []any{strings.Join(filters, ", ")},
		}
	}
	if order := v.Get("order"); order != "" && order != "oldest" && order != "newest" {
		return badInput{"order", order, "oldest or newest"}
	}
	return nil
}

// queryOf reads a query as its form, and every link to it, writes it.
func queryOf(v url.Values) (catalog.Query, error) {
	q := catalog.Query{
		Text: strings.TrimSpace(v.Get("q")), Job: v.Get("job"), Run: v.Get("run"), Host: strings.TrimSpace(v.Get("host")), URL: v.Get("url"),
		Status: v.Get("status"), Language: v.Get("language"), Kind: snapshot.Kind(v.Get("kind")),
		Partial: v.Get("partial") != "", Oldest: v.Get("order") == "oldest", Cursor: v.Get("cursor"),
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return q, badInput{"limit", s, "a number from 1 to 1000"}
		}
		q.Limit = n
	}
	var err error
	if q.From, err = moment(v, "from", false); err != nil {
		return q, err
	}
	q.To, err = moment(v, "until", true)
	return q, err
}

// moment reads a time: a date, of which the last one counts whole, or RFC 3339.
func moment(v url.Values, name string, end bool) (time.Time, error) {
	s := v.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(day, s); err == nil {
		if end {
			return t.AddDate(0, 0, 1), nil
		}
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, badInput{name, s, "a date such as 2026-03-31, or a time such as 2026-03-31T12:00:00Z"}
	}
	return t, nil
}

// find is the page to find snapshots.
func (h handlers) find(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q, err := queryOf(v)
	if err == nil {
		q.Namespaces, err = h.namespaces(r)
	}
	if err != nil && len(v) == 0 && h.ledOn(w, r, err) {
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := found{Query: q, From: v.Get("from"), Until: v.Get("until"), Kinds: snapshot.Kinds()}
	if body.Result, err = h.Catalog.Search(r.Context(), q); err == nil {
		body.Choices, err = h.choices(r, q.Namespaces)
	}
	if err == nil {
		body.Behind, err = h.behind(r)
	}
	if err == nil {
		body.MayAdd, err = h.mayAdd(r, q.Namespaces)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body.Filtered = q.Job+q.Run+q.Host+q.URL+q.Status+q.Language+string(q.Kind)+body.From+body.Until != "" || q.Partial
	body.Empty = len(body.Result.Hits) == 0 && q.Text == "" && !body.Filtered && q.Cursor == ""
	if body.Empty {
		// Nothing may be known only because the store does not answer: it is asked itself.
		if err := h.Archive.List(r.Context(), "", func(blob.Info) bool { return false }); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	if body.Result.Next != "" {
		body.More = with(v, "cursor", body.Result.Next)
	}
	if body.Filtered {
		body.Clear = "/?" + url.Values{"q": {q.Text}}.Encode()
	}
	if plain := withoutAt(q.Text, body.Result); plain != "" {
		body.Plain, body.PlainText = with(v, "q", plain), plain
	}
	title := words.Match(r).Text("Find snapshots")
	if q.Text != "" {
		title = q.Text
	}
	h.render(w, r, http.StatusOK, "find.html", title, body)
}

// at is the @ of a handle, at the beginning of a word.
var at = regexp.MustCompile(`(^|\s)@(\w)`)

// withoutAt is a text without the @ of the handles in it, where nothing was found because of them; empty where it was not:
// many a text has the name alone.
func withoutAt(text string, found catalog.Result) string {
	isHandle := func(m catalog.Meaning) bool { return m.As == catalog.AsHandle && !m.Excluded }
	if len(found.Hits) > 0 || !slices.ContainsFunc(found.Meant, isHandle) || !at.MatchString(text) {
		return ""
	}
	return at.ReplaceAllString(text, "$1$2")
}

// with is a link to the same page with one value changed.
func with(v url.Values, name, value string) string {
	changed := maps.Clone(v)
	changed.Set(name, value)
	return "?" + changed.Encode()
}

// foundJSON is the list for programs.
type foundJSON struct {
	catalog.Result
	Catalog behind `json:"catalog"`
}

// apiSnapshots is the list for programs.
func (h handlers) apiSnapshots(w http.ResponseWriter, r *http.Request) {
	err := strictly(r.URL.Query())
	var q catalog.Query
	if err == nil {
		q, err = queryOf(r.URL.Query())
	}
	if err == nil {
		q.Namespaces, err = h.namespaces(r)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	result, err := h.Catalog.Search(r.Context(), q)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if result.Hits == nil {
		result.Hits = []catalog.Hit{} // a list, also of nothing
	}
	b, err := h.behind(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, foundJSON{result, b})
}
