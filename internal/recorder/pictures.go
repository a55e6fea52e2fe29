package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"crawlfleet.dev/crawlfleet/internal/hashlist"
)

const (
	defaultPictureBytes = 64 << 20
	defaultHeldBytes    = 512 << 20
	// maxExpansion is how much larger than its limit a picture may become when its content
	// coding is taken off. Nothing of that is held.
	maxExpansion = 8
)

// HashList knows files by their hashes.
type HashList interface {
	// Find returns the entry that a file is in the list by, empty when it is not in it.
	Find(hashlist.Sums) string
}

// Pictures hold every picture back, in memory, until it is known not to be in a list: only
// then it is written to disk and passed to the browser. A picture is what its first bytes or
// its media type say is one. With them, bodies that are none lose a moment: their first bytes
// are looked at before they go on.
type Pictures struct {
	// List is what pictures are looked for in: as they came, and without their content coding.
	List HashList
	// MaxBytes is the size of a picture above which it is dropped, because it cannot be held.
	// Default 64 MiB.
	MaxBytes int64
	// MaxHeld is how much of all pictures may be held at once. What comes above it is dropped.
	// Default 512 MiB.
	MaxHeld int64

	held atomic.Int64
}

func (p *Pictures) maxBytes() int64 {
	if p.MaxBytes > 0 {
		return p.MaxBytes
	}
	return defaultPictureBytes
}

// take reserves memory.
func (p *Pictures) take(n int) bool {
	limit := p.MaxHeld
	if limit <= 0 {
		limit = defaultHeldBytes
	}
	if p.held.Add(int64(n)) <= limit {
		return true
	}
	p.held.Add(-int64(n))
	return false
}

// Withheld says why a picture was dropped.
type Withheld struct {
	// Reason is [ReasonKnownIllegalImage], [ReasonImageNotJudged] or [ReasonImagesOff], Detail is for people.
	Reason, Detail string
	// Entry is what the picture is in the list by.
	Entry string
}

func (w *Withheld) Error() string { return w.Reason + ": " + w.Detail }

func notJudged(format string, args ...any) *Withheld {
	return &Withheld{Reason: ReasonImageNotJudged, Detail: "a picture could not be compared with the list of known illegal images: " + fmt.Sprintf(format, args...)}
}

// bodyFacts are what is known of a body before it comes.
type bodyFacts struct {
	mediaType string
	codings   []string // as they were put on
	// from is where in the whole a partial body begins, -1 for one that is whole.
	from int64
}

// Withheld reports whether the exchange's body was a picture that was dropped: see
// Options.Pictures. Detail says why.
func (e *Exchange) Withheld() bool {
	return e.Failure == ReasonKnownIllegalImage || e.Failure == ReasonImageNotJudged
}

// factsOf reads the head of an answer.
func factsOf(head []byte, status int) bodyFacts {
	var f bodyFacts
	var span string // Content-Range
	for field := range fields(head) {
		switch {
		case field.is("Content-Type"):
			kind, _, _ := strings.Cut(string(field.value), ";")
			f.mediaType = strings.ToLower(strings.TrimSpace(kind))
		case field.is("Content-Encoding"):
			for t := range tokens(field.value) {
				f.codings = append(f.codings, t)
			}
		case field.is("Content-Range"):
			span = string(field.value)
		}
	}
	f.span(status, span)
	return f
}

// span notes which part of the whole it is that comes.
func (f *bodyFacts) span(status int, contentRange string) {
	f.from = -1
	if status == http.StatusPartialContent {
		f.from = rangeStart(contentRange)
	}
}

// rangeStart is where a Content-Range begins (RFC 9110 section 14.4), -1 when it is all there
// is, and 0, which is where a picture would begin, when it cannot be read.
func rangeStart(span string) int64 {
	unit, rest, _ := strings.Cut(strings.TrimSpace(span), " ")
	first, rest, _ := strings.Cut(rest, "-")
	last, whole, _ := strings.Cut(rest, "/")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 || !strings.EqualFold(unit, "bytes") {
		return 0
	}
	to, err1 := strconv.ParseInt(last, 10, 64)
	size, err2 := strconv.ParseInt(whole, 10, 64)
	if from == 0 && err1 == nil && err2 == nil && to == size-1 {
		return -1
	}
	return from
}

func (f *bodyFacts) picture() bool { return strings.HasPrefix(f.mediaType, "image/") }

// inspector stands between a body that comes and all who get it. A nil one lets everything
// pass. It must be closed.
type inspector struct {
	pictures *Pictures
	facts    bodyFacts
	off      bool // all pictures are dropped
	passing  bool // it is no picture
	picture  bool // it is one, and is held
	held     []byte
	tried    int // how much was held when it was last looked at
}

func newInspector(p *Pictures, off bool, f bodyFacts) *inspector {
	if p == nil && !off {
		return nil
	}
	if p == nil {
		p = new(Pictures)
	}
	return &inspector{pictures: p, off: off, facts: f, picture: f.picture(), passing: f.from > 0 && !f.picture()}
}

// holds reports whether the body is a picture, of which nobody may see anything yet.
func (i *inspector) holds() bool { return i != nil && i.picture }

// add takes a part of the body and returns what may go on.
func (i *inspector) add(p []byte) ([]byte, *Withheld) {
	if i == nil || i.passing || len(p) == 0 {
		return p, nil
	}
	if w := i.drop(); w != nil {
		return nil, w
	}
	if int64(len(i.held)+len(p)) > i.pictures.maxBytes() {
		return nil, notJudged("it is larger than %d bytes", i.pictures.maxBytes())
	}
	if !i.pictures.take(len(p)) {
		return nil, notJudged("too many others were held at the same time")
	}
	i.held = append(i.held, p...)
	if i.picture || !i.worthALook() {
		return nil, nil
	}
	switch i.look(false) {
	case isPicture:
		i.picture = true
		return nil, i.drop()
	case noPicture:
		i.passing = true
		return i.giveUp(), nil
	}
	return nil, nil
}

// imagesOffDetail says why pictures are dropped that nothing is wrong with.
const imagesOffDetail = "the order leaves pictures out"

// drop says why a picture is dropped before it has come.
func (i *inspector) drop() *Withheld {
	switch {
	case !i.picture:
		return nil
	case i.off:
		return &Withheld{Reason: ReasonImagesOff, Detail: imagesOffDetail}
	case i.facts.from >= 0:
		return notJudged("it came in parts")
	}
	return nil
}

// end returns the rest of a body that has come to its end.
func (i *inspector) end() ([]byte, *Withheld) {
	if i == nil || i.passing || len(i.held) == 0 {
		return nil, nil
	}
	if !i.picture && i.look(true) != isPicture {
		i.passing = true
		return i.giveUp(), nil
	}
	i.picture = true
	if w := i.judge(); w != nil {
		return nil, w
	}
	return i.giveUp(), nil
}

// close gives the memory back.
func (i *inspector) close() {
	if i != nil {
		i.giveUp()
	}
}

func (i *inspector) giveUp() []byte {
	held := i.held
	i.pictures.held.Add(-int64(len(held)))
	i.held = nil
	return held
}

// worthALook reports whether there is enough more than the last time: looking decodes from the
// beginning.
func (i *inspector) worthALook() bool {
	if n := len(i.held); n > 4<<10 && n < 2*i.tried {
		return false
	}
	i.tried = len(i.held)
	return true
}

// look says whether what is held begins as a picture does, as it came or decoded.
func (i *inspector) look(ended bool) verdict {
	coded := beginsPicture(i.held, ended)
	if coded == isPicture || len(i.facts.codings) == 0 {
		return coded
	}
	r, err := decoded(bytes.NewReader(i.held), i.facts.codings)
	if errors.Is(err, errUnreadable) {
		return i.unreadable()
	}
	begin := make([]byte, signatureSize)
	n := 0
	if err == nil {
		n, err = io.ReadFull(r, begin)
		_ = r.Close()
	}
	more := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // else there is no more to be had
	return max(beginsPicture(begin[:n], ended || !more), coded)
}

// unreadable is the verdict on a body in a content coding that the origin was not offered: it
// is no picture if it says that it is something else.
func (i *inspector) unreadable() verdict {
	top, _, _ := strings.Cut(i.facts.mediaType, "/")
	switch top {
	case "text", "font", "audio", "video":
		return noPicture
	case "application":
		if i.facts.mediaType != "application/octet-stream" {
			return noPicture
		}
	}
	return isPicture
}

// judge looks for a whole picture in the list.
func (i *inspector) judge() *Withheld {
	if w := i.drop(); w != nil {
		return w
	}
	coded, _, err := hashlist.Sum(bytes.NewReader(i.held))
	if err != nil {
		return notJudged("%v", err)
	}
	if w := i.find(coded); w != nil || len(i.facts.codings) == 0 {
		return w
	}
	r, err := decoded(bytes.NewReader(i.held), i.facts.codings)
	if errors.Is(err, errUnreadable) {
		return notJudged("its content coding is one that was not offered")
	}
	if err != nil {
		return nil // it is none, to a browser too
	}
	defer r.Close()
	most := maxExpansion * i.pictures.maxBytes()
	plain, n, _ := hashlist.Sum(io.LimitReader(r, most+1)) // of a broken one what there is: a browser shows that
	if n > most {
		return notJudged("it is larger than %d bytes", most)
	}
	return i.find(plain)
}

func (i *inspector) find(s hashlist.Sums) *Withheld {
	entry := i.pictures.List.Find(s)
	if entry == "" {
		return nil
	}
	return &Withheld{Reason: ReasonKnownIllegalImage, Detail: "it is in the list of known illegal images as " + entry, Entry: entry}
}
