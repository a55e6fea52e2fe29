package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/compare"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// comparison says how two captures differ, A being the earlier one.
type comparison struct {
	A     catalog.Capture  `json:"a"`
	B     catalog.Capture  `json:"b"`
	Facts []compare.Change `json:"facts"`
	Text  *compare.Diff    `json:"text,omitempty"`
	Links compare.LinkDiff `json:"links"`
	// Pictures are left out where nobody has asked to see them.
	Pictures *compare.PictureDiff `json:"pictures,omitempty"`
	// NotCompared says which of text and pictures could not be compared, and why.
	NotCompared map[string]missing `json:"notCompared,omitempty"`
}

// missing is why a part is not compared, in one word.
type missing string

const (
	onlyA      missing = "OnlyA"   // the later one has none
	onlyB      missing = "OnlyB"   // the earlier one has none
	neither    missing = "Neither" // both have none
	unreadable missing = "Unreadable"
)

// The parts that may not be there.
const (
	partText     = "text"
	partPictures = "pictures"
)

// comparisons bound the work of comparing.
type comparisons struct {
	*kept[[2]catalog.ID, *compare.PictureDiff]
	slots chan struct{}
}

const (
	// maxDrawings bounds the memory for pictures of differences, in bytes; comparers is how many
	// comparisons are made at once.
	maxDrawings, comparers = 32 << 20, 2
)

func newComparisons() *comparisons {
	return &comparisons{newKept[[2]catalog.ID, *compare.PictureDiff](maxDrawings), make(chan struct{}, comparers)}
}

// work does what takes a processor for a while.
func (c *comparisons) work(ctx context.Context, do func()) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.slots }()
	do()
	return nil
}

// pairOf are the two captures that are asked for, as a and b or as the selection of a list sends
// them, the earlier one first.
func (h handlers) pairOf(r *http.Request) (pair [2]catalog.Capture, err error) {
	v := r.URL.Query()
	ids := slices.DeleteFunc(slices.Concat(v["a"], v["b"], v["id"]), func(s string) bool { return s == "" })
	if len(ids) != len(pair) || ids[0] == ids[1] {
		return pair, problem{
			Status: http.StatusBadRequest, Text: "Two different snapshots are compared, no more and no fewer.",
			Hint: "Select two in the list of what was found, or choose two on the page of an address over time.",
		}
	}
	for i, id := range ids {
		if pair[i], err = h.Catalog.Get(r.Context(), catalog.ID(id)); err != nil {
			return pair, err
		}
	}
	slices.SortFunc(pair[:], func(a, b catalog.Capture) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return pair, nil
}

// aboutPair says that a request is about the two captures that are compared.
func (h handlers) aboutPair(r *http.Request) ([]access.Subject, error) {
	pair, err := h.pairOf(r)
	if err != nil {
		return nil, err
	}
	return []access.Subject{subject(pair[0]), subject(pair[1])}, nil
}

// openPair reads the two captures that are asked for in depth.
func (h handlers) openPair(r *http.Request) (pair [2]catalog.Capture, opened [2]*snapshot.Snapshot, err error) {
	if pair, err = h.pairOf(r); err != nil {
		return pair, opened, err
	}
	for i, c := range pair {
		if opened[i], err = h.read(r.Context(), c); err != nil {
			return pair, opened, err
		}
	}
	return pair, opened, nil
}

// compared compares all but pictures.
func (h handlers) compared(ctx context.Context, pair [2]catalog.Capture, opened [2]*snapshot.Snapshot) (*comparison, error) {
	c := &comparison{A: pair[0], B: pair[1], NotCompared: map[string]missing{}, Facts: factsOf(pair[0]).Compare(factsOf(pair[1]))}
	var texts [2]string
	var none [2]bool
	for i, s := range opened {
		var err error
		if texts[i], none[i], err = comparedText(ctx, s); err != nil {
			return nil, err
		}
	}
	err := h.comparisons.work(ctx, func() {
		c.Links = compare.Links(linksOf(opened[0]), linksOf(opened[1]))
		if why := lacking(none); why != "" {
			c.NotCompared[partText] = why
			return
		}
		text := compare.Text(texts[0], texts[1])
		c.Text = &text
	})
	return c, err
}

// lacking says which of two captures lack something, empty when none does.
func lacking(none [2]bool) missing {
	return map[[2]bool]missing{{true, true}: neither, {true, false}: onlyB, {false, true}: onlyA}[none]
}

func factsOf(c catalog.Capture) compare.Facts {
	return compare.Facts{Title: c.Title, Status: c.Status, FinalURL: c.FinalURL, MIME: c.MIME, Language: c.Language}
}

func linksOf(s *snapshot.Snapshot) []compare.Link {
	links := make([]compare.Link, 0, len(s.Links))
	for _, l := range s.Links {
		links = append(links, compare.Link{URL: l.URL, Kind: l.Kind})
	}
	return links
}

// comparedText is as much of the text that a page showed as is compared, and one byte more where
// there is more; none is set for a page that showed none.
func comparedText(ctx context.Context, s *snapshot.Snapshot) (text string, none bool, err error) {
	body, _, err := s.OpenText(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	defer body.Close() // read only
	b, err := io.ReadAll(io.LimitReader(body, compare.MaxText+1))
	return strings.ToValidUTF8(string(b), "\uFFFD"), false, sound(err)
}

// sound tells a file that is not what it says from trouble of the store.
func sound(err error) error {
	var wrong *warc.DigestError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: %w", snapshot.ErrBroken, err)
	}
	return err
}

// addPictures compares the pictures, too.
func (h handlers) addPictures(ctx context.Context, c *comparison, opened [2]*snapshot.Snapshot) error {
	if why := lacking([2]bool{!c.A.Picture, !c.B.Picture}); why != "" {
		c.NotCompared[partPictures] = why
		return nil
	}
	diff, err := h.drawn(ctx, [2]catalog.ID{c.A.ID, c.B.ID}, opened)
	if errors.Is(err, snapshot.ErrPicture) {
		c.NotCompared[partPictures] = unreadable
		return nil
	}
	c.Pictures = diff
	return err
}

// drawn is where the pictures of two captures differ.
func (h handlers) drawn(ctx context.Context, ids [2]catalog.ID, opened [2]*snapshot.Snapshot) (diff *compare.PictureDiff, err error) {
	made := func() (ok bool) {
		diff, ok = h.comparisons.get(ids)
		return ok
	}
	if made() {
		return diff, nil
	}
	waited := h.comparisons.work(ctx, func() {
		if made() { // by somebody else, meanwhile
			return
		}
		if diff, err = comparedPictures(ctx, opened); err == nil {
			h.comparisons.keep(ids, diff, len(diff.PNG)+1<<10)
		}
	})
	return diff, errors.Join(waited, err)
}

// comparedPictures compares the pictures. Both are read to their ends, where their digests are checked.
func comparedPictures(ctx context.Context, opened [2]*snapshot.Snapshot) (*compare.PictureDiff, error) {
	var bodies [2]noting
	for i, s := range opened {
		body, _, err := s.OpenPicture(ctx)
		if err != nil {
			return nil, err
		}
		defer body.Close() // read only
		bodies[i].Reader = body
	}
	diff, err := compare.Pictures(&bodies[0], &bodies[1])
	for i := range bodies {
		_, rest := io.Copy(io.Discard, &bodies[i])
		if read := cmp.Or(bodies[i].err, rest); read != nil {
			return nil, sound(read)
		}
	}
	if errors.Is(err, compare.ErrPicture) {
		err = fmt.Errorf("%w: %w", snapshot.ErrPicture, err)
	}
	return &diff, err
}

// noting remembers that its reader failed: what is decoded from it says only that it is broken.
type noting struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (n *noting) Read(p []byte) (int, error) {
	if n.err != nil {
		return 0, n.err
	}
	got, err := n.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return got, err
}
