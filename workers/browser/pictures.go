package browser

import (
	"fmt"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// The names of the limits by which pictures are missing of a page: see
// recorder.Options.Pictures. The exchanges say which.
const (
	// LimitKnownIllegal: a picture is in the list of known illegal ones.
	LimitKnownIllegal = ReasonKnownIllegalImage
	// LimitNotJudged: a picture could not be compared with that list.
	LimitNotJudged = ReasonImageNotJudged
	// LimitImagesOff: the order leaves pictures out.
	LimitImagesOff = ReasonImagesOff
)

// withheld tells how many pictures were dropped.
func withheld(lines []Line) []Limit {
	n := map[string]int{}
	for i := range lines {
		n[lines[i].Reason]++
	}
	var out []Limit
	for _, l := range []Limit{
		{LimitKnownIllegal, "%d pictures are in the list of known illegal images and were dropped"},
		{LimitNotJudged, "%d pictures could not be compared with the list of known illegal images and were dropped"},
		{LimitImagesOff, "%d pictures were left out, as the order says"},
	} {
		if n[l.Name] > 0 {
			out = append(out, Limit{l.Name, fmt.Sprintf(l.Detail, n[l.Name])})
		}
	}
	return out
}

// depositOf starts the body of an answer. What is to be shown as a picture is one, whatever
// its media type. The caller holds the lock.
func (k *intercept) depositOf(p *takenPause) (*recorder.Deposit, error) {
	k.bodies++
	kind := p.header("Content-Type")
	if p.picture() {
		kind = "image/*"
	}
	return k.session.NewResponseDeposit(fmt.Sprintf("browser-%06d", k.bodies), p.Status, kind, p.header("Content-Range"))
}

// picture reports whether the answer is to be shown as a picture, or says that it is one.
func (p *takenPause) picture() bool {
	kind := strings.ToLower(strings.TrimSpace(p.header("Content-Type")))
	return p.ResourceType == "Image" || strings.HasPrefix(kind, "image/")
}

// flows reports whether a body may reach the page while it comes, although pictures are
// judged: of sound and film nobody waits for the end, and what is too large to be held is
// judged only before it is kept.
func (p *takenPause) flows(length int64) bool {
	if p.picture() {
		return false
	}
	kind := strings.ToLower(strings.TrimSpace(p.header("Content-Type")))
	return length > maxDocument || strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "text/event-stream")
}

// judge takes a body whole, while the page waits for it, and reports whether the page must
// not have it.
func (k *intercept) judge(s *session, a *answer) (spent bool) {
	if a.length() > maxDocument {
		k.giveUp(a, "it is too large to be held")
	} else {
		spent = k.fetch(s, a)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if a.picture() || !spent && k.ctx.Err() == nil { // else the page does not get it anyway
		a.judged()
	}
	return spent || !a.whole || a.withheld != nil
}

// judged withholds what could not be had whole: it may be a picture, whatever it says that it is,
// and the page could fetch it by a script. The caller holds the lock.
func (a *answer) judged() {
	if a.whole || a.withheld != nil {
		return
	}
	a.withheld = &recorder.Withheld{
		Reason: ReasonImageNotJudged, Detail: "a picture could not be compared with the list of known illegal images: " + a.noBody,
	}
}
