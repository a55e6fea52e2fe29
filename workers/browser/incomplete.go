package browser

import "fmt"

// Incomplete says what is missing of an archived page that should be there: what the
// browser asked for and the recorder knows nothing of, what our own limits cut off or left
// out, a document that was still loading when its time was over, and a frame that crashed.
// It is empty for a complete page. What a server did not send, what was refused by the
// rules, and what was still open when a loaded page was left do not count.
func (p *Page) Incomplete() string {
	if p.Outcome.State != Archived {
		return ""
	}
	if lost := p.Completeness.Expected - p.Completeness.Matched; lost > 0 {
		return fmt.Sprintf("%d of %d requests that the browser made were not recorded", lost, p.Completeness.Expected)
	}
	for _, l := range p.Limits {
		switch l.Name {
		case LimitBody, LimitPage, LimitHeld, LimitLedger, LimitNoDocument, LimitLoad, LimitFrame, LimitNotJudged:
			return l.Detail
		}
	}
	return ""
}
