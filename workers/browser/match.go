package browser

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// match gives ledger lines their exchanges, of the same method and address, and counts how
// far the two witnesses agree. Exchanges that no line speaks of get lines of their own. What
// we refused, by the ID of its request, was not sent.
func match(lines []Line, exchanges []recorder.Exchange, refused map[string]string, started time.Time) ([]Line, Completeness) {
	left := pair(lines, exchanges, refused)
	var c Completeness
	for i := range lines {
		l := &lines[i]
		if l.Exchange != 0 {
			c.Matched++
		}
		if l.Exchange != 0 || l.Outcome == OutcomeRecord {
			c.Expected++
		}
	}
	for i := range exchanges {
		e := &exchanges[i]
		if !slices.Contains(left[keyOf(e.Method, e.URL)], e) {
			continue
		}
		l := Line{URL: e.URL, Method: e.Method, Type: TypeUnseen, Outcome: OutcomeOpen, Started: e.Started.Sub(started), Ended: e.Ended.Sub(started)}
		l.meet(e)
		lines = append(lines, l)
		c.OnlyRecorder++
	}
	c.Ratio = 1
	if c.Expected > 0 {
		c.Ratio = float64(c.Matched) / float64(c.Expected)
	}
	return lines, c
}

// unpaired are exchanges that have no line yet, by method and address, in their order.
type unpaired map[string][]*recorder.Exchange

// pair gives lines their exchanges, and returns those that are left.
//
// An address may be asked for many times, and not each attempt gets as far as the recorder:
// a script asks again before. So those lines choose first for which the browser has seen an
// answer, each the first one that has its status, or that confirmed what the browser had
// stored: that it tells with the status it was stored with (RFC 9111 section 4.3.3). Then
// the others, in order.
func pair(lines []Line, exchanges []recorder.Exchange, refused map[string]string) unpaired {
	free := make(unpaired, len(exchanges))
	for i := range exchanges {
		key := keyOf(exchanges[i].Method, exchanges[i].URL)
		free[key] = append(free[key], &exchanges[i])
	}
	sent := func(l *Line) bool {
		return l.Outcome != OutcomeCache && l.Outcome != OutcomeInternal && refused[l.RequestID] == ""
	}
	for i := range lines {
		if l := &lines[i]; sent(l) && l.Outcome == OutcomeRecord && l.Status != 0 {
			free.choose(l, func(e *recorder.Exchange) bool { return !e.Substituted && tellsAs(e.Response.Status(), l.Status) })
		}
	}
	for i := range lines {
		if l := &lines[i]; sent(l) && l.Exchange == 0 {
			free.choose(l, func(*recorder.Exchange) bool { return true })
		}
	}
	return free
}

// tellsAs reports whether the browser tells of an answer of this status as of one of the other.
func tellsAs(status, told int) bool { return status == told || status == http.StatusNotModified }

// choose gives a line the first exchange that fits, if there is one.
func (u unpaired) choose(l *Line, fits func(*recorder.Exchange) bool) {
	key := keyOf(l.Method, l.URL)
	list := u[key]
	i := slices.IndexFunc(list, fits)
	if i < 0 {
		return
	}
	l.meet(list[i])
	if i == 0 { // most often: a page may ask for one address ten thousand times
		u[key] = list[1:]
		return
	}
	u[key] = slices.Delete(list, i, i+1)
}

func keyOf(method, address string) string { return method + " " + matchURL(address) }

// meet notes the exchange that a line is about, which knows better why it failed.
func (l *Line) meet(e *recorder.Exchange) {
	l.Exchange = e.ID
	switch {
	case e.Failure == "":
		if e.Response != nil { // also where the browser could not make use of it
			l.Outcome = OutcomeRecord
		}
		if l.Status == 0 { // the browser tells it of what it makes use of
			l.Status = e.Response.Status()
		}
		return
	case e.Substituted: // what the browser was answered is the recorder's own
		l.Status, l.MIME = 0, ""
	}
	l.Outcome, l.Reason = OutcomeFailed, e.Failure
}

// matchURL is the form in which both witnesses write an address: no fragment,
// and the socket schemes as the ones they are carried by.
func matchURL(address string) string {
	address = urls.WithoutFragment(address)
	if rest, ok := strings.CutPrefix(address, "ws://"); ok {
		return "http://" + rest
	}
	if rest, ok := strings.CutPrefix(address, "wss://"); ok {
		return "https://" + rest
	}
	return address
}
