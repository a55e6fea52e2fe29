package browser

import "crawlfleet.dev/crawlfleet/internal/urls"

// While a behaviour clicks, and from then on (see capture.hold), what would lead the page
// away is most likely its doing, and is refused. A page's own ways elsewhere are not: they
// were begun before, or were announced (a refresh), or come later.

// actingOutputs is what is done to a page when its text, DOM and picture are taken: these
// are of one document, or of none.
const actingOutputs = "outputs"

// stir has the page count as busy from now on: something was done to it.
func (a *account) stir() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.quietFrom = a.now()
}

// setActing says which behaviour is being done to the page, "" when none is. It returns
// what was said before.
func (a *account) setActing(name string) (before string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, a.acting = a.acting, name
	return before
}

// held reports whether the main frame is kept from asking for a document because a
// behaviour of ours leads to it, and notes that.
func (a *account) held(request, address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.acting == "" || !a.document.committed || a.leaving || a.scheduled[urls.WithoutFragment(address)] {
		return false
	}
	a.refused[request] = ReasonNavigationBlocked
	if a.acting == actingOutputs {
		a.away = address
	}
	a.act("refused", a.acting+": a document was not asked for: the page would have been left")
	a.unturn(address)
	return true
}

// schedule notes that the page has announced to go elsewhere, or to ask anew.
func (a *account) schedule(ev scheduledNavigation) {
	if ev.FrameID == a.main && (ev.Reason == "metaTagRefresh" || ev.Reason == "httpHeaderRefresh") && len(a.scheduled) < 100 {
		a.scheduled[urls.WithoutFragment(ev.URL)] = true
	}
}

// scheduledNavigation is Page.frameScheduledNavigation.
type scheduledNavigation struct {
	FrameID string `json:"frameId"`
	Reason  string `json:"reason"`
	URL     string `json:"url"`
}
