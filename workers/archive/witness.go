package archive

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// fieldRecorder marks the records of what the browser took down and the recording proxy
// did not see (ISO 28500 section 5 allows further fields). Its value is "browser" and then,
// each after a semicolon: "head=text" when the head is the text that the browser received,
// "head=fields" when it was put together from the fields that the browser told, and
// "head=partial" when it told only those that the page's own process knows of; of answers
// "body=decoded" when the browser has taken the content coding off, which the fields
// x-orig-content-encoding and x-orig-content-length then tell, and else "body=identity".
const fieldRecorder = "Crawlfleet-Recorder"

// account marks a record.
func account(r *warc.Record, e *recorder.Exchange) {
	a := e.Account
	if a == nil {
		return
	}
	text := a.ResponseText
	if r.Type == warc.Request {
		text = a.RequestText
	}
	value := "browser; head=fields"
	switch {
	case text:
		value = "browser; head=text"
	case a.Partial:
		value = "browser; head=partial"
	}
	switch {
	case r.Type == warc.Request:
	case a.Decoded:
		value += "; body=decoded"
	default:
		value += "; body=identity"
	}
	r.Add(fieldRecorder, value)
}

// witness is the part of a page's info that says who took down what it loaded.
type witness struct {
	// Recorder is Wire or Browser. Of a page that was recorded by the browser, the records
	// and the ledger are one account: their agreement says nothing. What the proxy knows
	// of it are the tunnels.
	Recorder string `json:"recorder"`
	// RetryOf says why the page was captured a second time, with the browser as recorder.
	// Refusal is the same in the info of the first time.
	RetryOf string `json:"retryOf,omitempty"`
	Refusal string `json:"refusal,omitempty"`
	// Challenge is the sign by which the answer is known to be a challenge.
	Challenge string       `json:"challenge,omitempty"`
	Tunnels   []tunnelInfo `json:"tunnels,omitempty"`
}

// tunnelInfo is a TLS connection that was passed through unopened.
type tunnelInfo struct {
	Host     string `json:"host"`
	Remote   string `json:"remote,omitempty"`
	Proxy    string `json:"proxy,omitempty"`
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
	// Exchanges is how many exchanges of the browser's account are taken to have gone over
	// it. A tunnel with none was opened in stock, or by the browser for itself.
	Exchanges int       `json:"exchanges"`
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended"`
	Failure   string    `json:"failure,omitempty"`
	Detail    string    `json:"detail,omitempty"`
}

// RecorderName is who recorded a page, Wire or Browser.
func RecorderName(p *browser.Page) string {
	if p.Recorder == browser.RecorderBrowser {
		return string(browser.RecorderBrowser)
	}
	return "Wire"
}

func (w *pageWriter) witness() witness {
	p := w.page
	out := witness{Recorder: RecorderName(p), RetryOf: p.RetryOf, Refusal: p.Refusal(), Challenge: p.Challenge}
	exchanges := make(map[int64]int)
	for i := range p.Exchanges {
		if c := p.Exchanges[i].Conn; c != nil {
			exchanges[c.ID]++
		}
	}
	for i := range p.Tunnels {
		t := &p.Tunnels[i]
		info := tunnelInfo{Host: t.Host, Sent: t.Sent, Received: t.Received, Started: t.Started.UTC(), Ended: t.Ended.UTC(), Failure: t.Failure, Detail: t.Detail}
		if c := t.Conn; c != nil {
			info.Proxy, info.Exchanges = c.Proxy, exchanges[c.ID]
			if c.Remote.IsValid() {
				info.Remote = c.Remote.String()
			}
		}
		out.Tunnels = append(out.Tunnels, info)
	}
	return out
}
