package browser

import (
	"fmt"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// The names of the limits for which something is missing of a page.
const (
	// LimitBody: a body was longer than Visit.MaxBody.
	LimitBody = "BodyBytes"
	// LimitPage: all bodies together were longer than Visit.MaxBytes.
	LimitPage = "PageBytes"
	// LimitLedger: the page asked for more than the ledger has lines for.
	LimitLedger = "Ledger"
	// LimitNoDocument: nothing of the document went over the wire, as when a service
	// worker made it up. Whoever writes the page's records finds that.
	LimitNoDocument = "NoDocument"
	// LimitLoad: the document was not complete when its time to load was over, and was
	// captured as far as it was there.
	LimitLoad = "LoadTimeout"
	// LimitHeld: a body that the browser has to hold while it is taken was too large for
	// that, see RecorderBrowser.
	LimitHeld = "HeldBody"
	// LimitFrame: the renderer of a frame in another process crashed.
	LimitFrame = "FrameCrashed"
)

// cutOff tells which bodies the visit's limits have cut off. Each is marked in its own
// record too, as WARC-Truncated: length.
func (v *Visit) cutOff(exchanges []recorder.Exchange) []Limit {
	body, page := 0, 0
	look := func(b recorder.Body) {
		switch {
		case b.Truncated != recorder.TruncatedLength:
		case v.MaxBody > 0 && b.Size >= v.MaxBody:
			body++
		default:
			page++
		}
	}
	for i := range exchanges {
		e := &exchanges[i]
		look(e.Request.Body)
		if e.Response != nil {
			look(e.Response.Body)
		}
		if e.Frames != nil {
			look(e.Frames.Sent)
			look(e.Frames.Received)
		}
	}
	var out []Limit
	if body > 0 {
		out = append(out, Limit{LimitBody, fmt.Sprintf("%d bodies were cut off after %d bytes, the limit of one", body, v.MaxBody)})
	}
	if page > 0 {
		out = append(out, Limit{LimitPage, fmt.Sprintf("%d bodies were cut off because the page had reached its limit of %d bytes", page, v.MaxBytes)})
	}
	return out
}
