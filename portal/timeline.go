package portal

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/history"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// changeWords are what people call the changes.
var changeWords = map[string]string{
	string(history.First): "first capture", string(history.Unchanged): "unchanged", string(history.Changed): "changed",
	string(history.Gone): "gone", string(history.Back): "back again", string(history.Unknown): "not known",
}

// partWords are what people call what changed.
var partWords = map[string]string{string(history.Text): "text", string(history.Document): "document"}

// timeline is the body of the page with all captures of an address.
type timeline struct {
	URL      string
	Captures []history.Step
	Marks    []mark
	From, To time.Time
	Newer    bool // there is a cursor: the newest are not among them
	More     string
	Behind   behind
}

// mark is a capture on the strip above the list, in thousandths of its width.
type mark struct {
	X  int
	ID catalog.ID
	history.Change
	Label string
}

const (
	// timelineAtOnce is how many captures a page shows.
	timelineAtOnce = 100
	// timelineBefore is how many before the last one are looked at to find what it is compared with.
	timelineBefore = 20
	// timelineRead is how many are read at once, and at most in so many reads, where filters choose among them.
	timelineRead, timelineReads = 1000, 20
)

// timelineJSON is the list for programs.
type timelineJSON struct {
	Items   []history.Step `json:"items"`
	Next    string         `json:"next,omitempty"`
	Catalog behind         `json:"catalog"`
}

// history are the captures of an address, the newest first, and what became of it with each.
func (h handlers) history(r *http.Request) (list timelineJSON, err error) {
	v := r.URL.Query()
	q, err := queryOf(v)
	if err == nil {
		q.Namespaces, err = h.namespaces(r)
	}
	if err != nil {
		return list, err
	}
	q.Partial, q.Oldest = true, false
	if q.Limit == 0 {
		q.Limit = timelineAtOnce
	}
	captures, next, err := h.Catalog.Of(r.Context(), q)
	if err != nil {
		return list, err
	}
	steps, err := h.steps(r.Context(), q, captures)
	if err != nil {
		return list, err
	}
	list.Items, list.Next = []history.Step{}, next
	for _, c := range captures {
		s, ok := steps[c.ID]
		if !ok { // too many lie between
			s = history.Step{Capture: c, Change: history.Unknown}
		}
		list.Items = append(list.Items, s)
	}
	list.Catalog, err = h.behind(r)
	return list, err
}

// steps are what became of an address with each of some of its captures, the newest first. Filters may have chosen
// them: those between them, and some before, are what they are compared with.
func (h handlers) steps(ctx context.Context, q catalog.Query, shown []catalog.Capture) (map[catalog.ID]history.Step, error) {
	if len(shown) == 0 {
		return nil, nil
	}
	last := shown[len(shown)-1].Time
	all := catalog.Query{
		URL: q.URL, Namespaces: q.Namespaces, Partial: true, To: shown[0].Time.Add(1),
		Limit: min(len(shown)+timelineBefore, timelineRead),
	}
	var captures []catalog.Capture
	for range timelineReads {
		some, next, err := h.Catalog.Of(ctx, all)
		if err != nil {
			return nil, err
		}
		captures = append(captures, some...)
		all.Cursor, all.Limit = next, timelineRead
		if n := len(captures); next == "" || n > timelineBefore && captures[n-timelineBefore].Time.Before(last) {
			break
		}
	}
	steps := map[catalog.ID]history.Step{}
	for i, s := range history.Of(captures) {
		if i > 0 || all.Cursor == "" { // of the first nobody knows what came before
			steps[s.ID] = s
		}
	}
	return steps, nil
}

// timeline shows all captures of an address.
func (h handlers) timeline(w http.ResponseWriter, r *http.Request) {
	address := strings.TrimSpace(r.URL.Query().Get("url"))
	if address == "" {
		h.fail(w, r, badInput{"url", "", "an address such as https://www.example.org/"})
		return
	}
	list, err := h.history(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	lang := words.Match(r)
	body := timeline{URL: address, Captures: list.Items, Behind: list.Catalog, Newer: r.URL.Query().Has("cursor")}
	body.strip(lang)
	if list.Next != "" {
		body.More = with(r.URL.Query(), "cursor", list.Next)
	}
	h.render(w, r, http.StatusOK, "timeline.html", lang.Text("Over time: %s", shortURL(address)), body)
}

// strip puts the captures on a line.
func (t *timeline) strip(lang words.Lang) {
	n := len(t.Captures)
	if n == 0 {
		return
	}
	t.From, t.To = t.Captures[n-1].Time, t.Captures[0].Time
	span := max(t.To.Sub(t.From), time.Second)
	for _, c := range t.Captures {
		label := when(c.Time) + ", " + lang.Text(changeWords[string(c.Change)])
		if c.Status >= 400 {
			label += ", " + lang.Text("status %s", strconv.Itoa(c.Status))
		}
		t.Marks = append(t.Marks, mark{
			X: 10 + int(980*c.Time.Sub(t.From)/span), ID: c.ID, Change: c.Change,
			Label: label,
		})
	}
}

// apiTimeline is the same for programs.
func (h handlers) apiTimeline(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("url") == "" {
		h.fail(w, r, badInput{"url", "", "an address such as https://www.example.org/"})
		return
	}
	err := strictly(r.URL.Query())
	var list timelineJSON
	if err == nil {
		list, err = h.history(r)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, list)
}
