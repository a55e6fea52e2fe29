package snapshot

import (
	"cmp"
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
)

// Exchange is a request of a page, and what became of it.
type Exchange struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	// Type is what the browser asked for it as, such as Document or Image; Unseen when only
	// the recorder knows of it.
	Type   string `json:"type,omitempty"`
	Status int    `json:"status,omitempty"`
	MIME   string `json:"mime,omitempty"`
	// Bytes is how many the record of the answer takes in the file, packed.
	Bytes int64 `json:"bytes,omitempty"`
	// Digest is the WARC-Payload-Digest of the answer, Record the ID of its record.
	Digest string    `json:"digest,omitempty"`
	Record string    `json:"record,omitempty"`
	Time   time.Time `json:"time"`
	// Outcome is record, cache, internal, blocked, failed or open.
	Outcome string `json:"outcome,omitempty"`
	// Failure is why there is no answer, in one word where the recorder knows one, Detail
	// says more.
	Failure string `json:"failure,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// Truncated is set when the body was cut off, and why (ISO 28500 section 5.13).
	Truncated string `json:"truncated,omitempty"`
	// NotCaptured says why there is no record of an answer, BodyNotCaptured why the record
	// has not all of the body.
	NotCaptured     string `json:"notCaptured,omitempty"`
	BodyNotCaptured string `json:"bodyNotCaptured,omitempty"`
}

// line is a request as the browser saw it, with what became of it in the file.
type line struct {
	URL             string `json:"url"`
	Method          string `json:"method"`
	Type            string `json:"type"`
	Status          int    `json:"status"`
	MIME            string `json:"mime"`
	Outcome         string `json:"outcome"`
	Reason          string `json:"reason"`
	Exchange        int    `json:"exchange"`
	Record          string `json:"record"`
	NotCaptured     string `json:"notCaptured"`
	BodyNotCaptured string `json:"bodyNotCaptured"`
	StartedMs       int64  `json:"started"`
}

// Outcomes of requests that only the recorder knows.
const (
	outcomeRecord = "record"
	outcomeFailed = "failed"
)

// exchanges joins the two accounts of what a page asked for: the browser's, and the recorder's.
func (r *reading) exchanges(d *details, info cdxj.Entry) []Exchange {
	known := map[int]*exchange{}
	for i := range d.Exchanges {
		known[d.Exchanges[i].Exchange] = &d.Exchanges[i]
	}
	var all []Exchange
	for _, l := range d.Ledger {
		e := Exchange{
			URL: l.URL, Method: l.Method, Type: l.Type, Status: l.Status, MIME: mediaType(l.MIME), Outcome: l.Outcome, Failure: l.Reason, Record: l.Record,
			NotCaptured: l.NotCaptured, BodyNotCaptured: l.BodyNotCaptured, Time: d.Started.Add(time.Duration(l.StartedMs) * time.Millisecond).UTC(),
		}
		if x := known[l.Exchange]; x != nil && l.Exchange != 0 {
			delete(known, l.Exchange)
			r.answered(&e, x, info)
		}
		all = append(all, e)
	}
	for i := range d.Exchanges {
		x := &d.Exchanges[i]
		if known[x.Exchange] != x && x.Exchange != 0 {
			continue // a line told of it
		}
		e := Exchange{URL: x.URL, Method: x.Method, Outcome: outcomeRecord}
		if x.Response == "" {
			e.Outcome = outcomeFailed
		}
		r.answered(&e, x, info)
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b Exchange) int { return a.Time.Compare(b.Time) })
	return all
}

// answered adds what the recorder knows of an exchange.
func (r *reading) answered(e *Exchange, x *exchange, info cdxj.Entry) {
	e.Time, e.Record, e.Truncated = x.Started.UTC(), cmp.Or(x.Response, e.Record), x.Truncated
	e.Status, e.Failure, e.Detail = cmp.Or(x.Status, e.Status), cmp.Or(x.Failure, e.Failure), x.Detail
	if x.Response == "" {
		return
	}
	if at, ok := r.find(answerTo(x.URL, x.Method, x.Started), info); ok {
		e.Bytes, e.Digest, e.MIME = at.Length, string(at.Digest), cmp.Or(e.MIME, mediaType(at.Mime))
	}
}
