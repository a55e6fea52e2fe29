package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// contents are the records of a WACZ file.
type contents struct {
	records []*record
	byID    map[string]*record
}

// record is a record with the digest of its body.
type record struct {
	*warc.Record
	size   int64
	sha256 string
	text   []byte // the body of what is small
}

func (r *record) truncated() string {
	why, _ := r.Get(warc.FieldTruncated)
	return why
}

// maxText is the size up to which bodies are kept.
const maxText = wire.MaxBeginning

func readWACZ(path string) (c *contents, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, err := wacz.Open(f, info.Size())
	if err != nil {
		return nil, err
	}
	c = &contents{byID: make(map[string]*record)}
	for _, name := range z.WARCs() {
		section, err := z.OpenWARC(name)
		if err != nil {
			return nil, err
		}
		if err := c.read(section); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

func (c *contents) read(from io.Reader) error {
	reader := warc.NewReader(from, warc.ReaderOptions{})
	for {
		r, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rec := &record{Record: r}
		sum := sha256.New()
		if r.Body != nil {
			body, err := r.Body.Open()
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if rec.size, err = io.Copy(io.MultiWriter(sum, &limited{&text}), body); err != nil {
				return err
			}
			rec.text = text.Bytes()
		}
		rec.sha256 = hex.EncodeToString(sum.Sum(nil))
		c.records = append(c.records, rec)
		c.byID[r.ID] = rec
	}
}

// limited takes as much as is kept and lets go of the rest.
type limited struct{ *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxText - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// about lists the records of a type and an address.
func (c *contents) about(kind warc.Type, address string) []*record {
	var out []*record
	for _, r := range c.records {
		if r.Type == kind && r.TargetURI == address {
			out = append(out, r)
		}
	}
	return out
}

// pair is a request with its answer, which may be nil.
type pair struct{ request, response *record }

// exchanges are the recorded ones of the case's folder.
func (r *result) exchanges() []pair {
	answers := make(map[string]*record) // by the ID of the request
	var out []pair
	for _, rec := range r.records {
		if rec.Type == warc.Request && strings.Contains(rec.TargetURI, r.c.folder()) {
			answers[rec.ID] = r.byID[rec.GetID(warc.FieldConcurrentTo)]
			out = append(out, pair{rec, answers[rec.ID]})
		}
	}
	return out
}

// compareWire compares the records with the site's account.
func (r *result) compareWire(t *testing.T) {
	t.Helper()
	seen := r.site.seen(r.c)
	for i, x := range seen {
		if x.Status != 0 && r.unheard(x) {
			seen[i].Status = 0
		}
	}
	r.compareSeen(t, seen, same, func(x wire.Seen) bool { return x.Broken && x.Status == 0 && r.askedAgain(x.URL()) })
}

// compareSeen compares the records with requests that the site has seen, by a judgement like same. What is excused may
// have no record.
func (r *result) compareSeen(t *testing.T, seen []wire.Seen, same func(wire.Seen, pair) (bool, string), excused func(wire.Seen) bool) {
	t.Helper()
	recorded := r.exchanges()
	for _, x := range seen {
		// Of several requests for the same address the one with the same bytes is meant: order on the wire and order
		// of arrival may differ.
		why := "there is no record"
		i := slices.IndexFunc(recorded, func(p pair) bool {
			ok, diff := same(x, p)
			if diff != "" {
				why = diff
			}
			return ok
		})
		switch {
		case i >= 0:
			recorded = slices.Delete(recorded, i, i+1)
		case !excused(x):
			t.Errorf("%s %s: %s", x.Method, r.site.short(r.c, x.URL()), why)
		}
	}
	for _, p := range recorded {
		if p.response != nil {
			t.Errorf("%s: recorded with an answer, but the site has sent none: %.100q", r.site.short(r.c, p.request.TargetURI), p.response.Head)
		}
	}
}

// unheard reports whether the site sent an answer when the browser had given the request up, or was about to: its
// connection is closed then, and the answer crosses that.
func (r *result) unheard(x wire.Seen) bool {
	const crossing = 100 * time.Millisecond
	return slices.ContainsFunc(r.page.Exchanges, func(e recorder.Exchange) bool {
		return e.URL == x.URL() && e.Failure == recorder.ReasonAborted && e.Response == nil &&
			e.Started.Before(x.Answered) && x.Answered.After(e.Ended.Add(-crossing))
	})
}

// askedAgain reports whether a request is said to have been sent twice, because the connection that had been kept was
// closed before any answer.
func (r *result) askedAgain(address string) bool {
	return slices.ContainsFunc(r.page.Exchanges, func(e recorder.Exchange) bool {
		return e.URL == address && slices.Contains(e.Notes, "sent again on a new connection: the one that was kept had been closed")
	})
}

// same compares a request that the site has seen with a recorded one. diff is set when they are about the same
// address.
func same(x wire.Seen, p pair) (ok bool, diff string) {
	method, _, _ := strings.Cut(warc.StartLine(p.request.Head), " ")
	if httpURL(p.request.TargetURI) != httpURL(x.URL()) || method != x.Method {
		return false, ""
	}
	switch {
	case x.RequestHead != nil && !bytes.Equal(p.request.Head, warc.DechunkedHead(x.RequestHead)) && !bytes.Equal(p.request.Head, x.RequestHead):
		return false, fmt.Sprintf("the request's head is recorded as\n%s\nbut was\n%s", p.request.Head, x.RequestHead)
	case strays(p.request.Head, x.RequestFields) != "":
		return false, "the request's head is recorded as" + strays(p.request.Head, x.RequestFields)
	case x.Ended && p.request.sha256 != x.RequestBody.SHA256:
		return false, fmt.Sprintf("the request's body has %d bytes in the record and had %d, or is another", p.request.size, x.RequestBody.Size)
	case p.response == nil && x.Status == 0:
		return true, ""
	case p.response == nil:
		return false, "there is a request record but none of the answer"
	case x.ResponseHead != nil && !bytes.Equal(p.response.Head, warc.DechunkedHead(x.ResponseHead)):
		return false, fmt.Sprintf("the answer's head is recorded as\n%s\nbut was\n%s", p.response.Head, x.ResponseHead)
	case strays(p.response.Head, x.ResponseFields) != "":
		return false, "the answer's head is recorded as" + strays(p.response.Head, x.ResponseFields)
	case x.Protocol == "h2" && x.RequestFields == nil:
		return false, "the site does not know the request's head"
	case (x.Broken || !x.Ended) && p.response.truncated() == "":
		return false, "the answer broke off, which the record does not say"
	case !x.Broken && p.response.truncated() != "":
		return begins(p.response, x)
	case p.response.Type == warc.Revisit:
		want := warc.SHA256Hex(x.ResponseBody.SHA256)
		return p.response.PayloadDigest == want || x.Status == 304, "the revisit is of another body"
	case p.response.sha256 != x.ResponseBody.SHA256:
		return false, fmt.Sprintf("the answer's body has %d bytes in the record and had %d, or is another", p.response.size, x.ResponseBody.Size)
	}
	return true, ""
}

// begins compares a body that was cut off by us: what there is must be the beginning of what the site has sent.
func begins(r *record, x wire.Seen) (ok bool, diff string) {
	sent := x.Beginning()
	switch {
	case x.Ended && r.size > x.ResponseBody.Size:
		return false, fmt.Sprintf("the answer's body is cut off at %d bytes, which is more than the %d that it had", r.size, x.ResponseBody.Size)
	case len(r.text) > len(sent), !bytes.Equal(r.text, sent[:len(r.text)]):
		return false, fmt.Sprintf("the answer's body is cut off at %d bytes, and these are not the first that were sent", r.size)
	}
	return true, ""
}

// strays says where the fields of a record's head are not those of HTTP/2 that went over the wire, all of them and in
// their order. The record has the name of the host as HTTP/1.1 has it, and a cookie in one.
func strays(head []byte, fields []wire.Field) string {
	if fields == nil {
		return ""
	}
	if got, want := linesOf(head), wireLines(fields); !slices.Equal(got, want) {
		return fmt.Sprintf("\n%s\nit was\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return ""
}

// linesOf are the lines of a head below the first.
func linesOf(head []byte) []string {
	_, rest, _ := strings.Cut(string(head), "\r\n")
	return strings.Split(strings.TrimSuffix(rest, "\r\n\r\n"), "\r\n")
}

// wireLines are fields of HTTP/2 as lines of HTTP/1.1.
func wireLines(fields []wire.Field) []string {
	var out []string
	for _, f := range wire.JoinCrumbs(fields) {
		switch {
		case f.Name == ":authority":
			out = slices.Insert(out, 0, "host: "+f.Value)
		case !strings.HasPrefix(f.Name, ":"):
			out = append(out, f.Name+": "+f.Value)
		}
	}
	return out
}

// httpURL is the address with the scheme that it is asked for with.
func httpURL(address string) string {
	if rest, ok := strings.CutPrefix(address, "ws"); ok {
		return "http" + rest
	}
	return address
}

// line is a line of the ledger in a pageinfo record, as far as the cases are about it.
type line struct {
	Method, URL, Type, Outcome, Reason, Record, NotCaptured string
	Status                                                  int
}

// ledger reads the ledger that stands in the archive.
func (r *result) ledger(t *testing.T) []line {
	t.Helper()
	page, _, _ := strings.Cut(r.page.URL, "#")
	for _, rec := range r.records {
		if rec.TargetURI == "urn:pageinfo:"+page {
			var info struct{ Ledger []line }
			if err := json.Unmarshal(rec.text, &info); err != nil {
				t.Fatalf("pageinfo: %v", err)
			}
			return info.Ledger
		}
	}
	t.Fatal("there is no pageinfo record")
	return nil
}

// lines are the ledger as the cases write it.
func (r *result) lines(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, l := range r.ledger(t) {
		text := fmt.Sprintf("%s %s %s", l.Method, r.site.short(r.c, l.URL), l.Type)
		if l.Status != 0 {
			text += fmt.Sprintf(" %d", l.Status)
		}
		switch {
		case (l.Record == "") == (l.NotCaptured == ""):
			t.Errorf("%s has the record %q and is not captured because of %q", text, l.Record, l.NotCaptured)
		case l.NotCaptured != "":
			text += " not captured: " + l.NotCaptured
		case r.byID[l.Record] == nil:
			t.Errorf("%s: its record %s is not there", text, l.Record)
		default:
			text += " " + l.Outcome
		}
		if l.Record != "" && l.Reason != "" {
			text += " (" + l.Reason + ")"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// compareLedger compares the browser's account with the expected one and with the records.
func (r *result) compareLedger(t *testing.T) {
	t.Helper()
	got := r.lines(t)
	for want := range strings.SplitSeq(strings.TrimSpace(r.c.lines), "\n") {
		if want = strings.TrimSpace(want); want == "" {
			continue
		}
		line, optional := strings.CutPrefix(want, "?")
		i := slices.IndexFunc(got, func(s string) bool {
			open, any := strings.CutSuffix(line, " (?)")
			return s == line || any && (s == open || strings.HasPrefix(s, open+" ("))
		})
		if i < 0 && !optional {
			t.Errorf("the ledger lacks %q", line)
		}
		if i >= 0 {
			got = slices.Delete(got, i, i+1)
		}
		if i >= 0 && optional {
			r.came = append(r.came, line)
		}
	}
	for _, line := range got {
		t.Errorf("the ledger has %q, which is not expected", line)
	}
	if c := r.page.Completeness; c.Ratio != 1 {
		t.Errorf("the two witnesses do not agree: %+v", c)
	}
}
