package frontier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/trace"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// holdTab is the longest pause between two pages of a host for which a tab is held, with
// what the host has stored in it, as long as nobody else wants one; which is looked at
// every lookAgain.
const (
	holdTab   = 30 * time.Second
	lookAgain = 200 * time.Millisecond
)

// maxPage is the largest page in bytes, for a run that says nothing of it: one of an older
// version. It fits into a chunk.
const maxPage = int64(4e9)

// hostVisit is the stay of a bundle at one host.
type hostVisit struct {
	*bundleRun
	host  frontier.BundleHost
	delay time.Duration
	ready time.Time
	stay  Tab
	given *profile.Profile // what the stay began with
	left  bool             // no further page of the host is visited by this bundle
	chunk int              // the generation of the chunk that the stay's cache belongs to
	span  trace.Span       // of the page that is visited, nil while none is

	consultedMu sync.Mutex
	consulted   []browser.RobotsUse // for the page that is visited
}

// visitHost visits the pages of a host one after another. first is the index of its
// first page in the bundle.
func (b *bundleRun) visitHost(ctx, visits context.Context, h frontier.BundleHost, first int) (err error) {
	v := &hostVisit{bundleRun: b, host: h, delay: h.Delay, ready: h.Ready}
	if b.attempt > 1 { // who was here before, and until when, is not known
		v.ready = b.Now().Add(h.Delay)
	} else {
		v.Metrics.fetched(h.Ready, b.Now())
	}
	defer func() { err = errors.Join(err, v.leave()) }()
	defer func() { b.restUntil(v.ready) }()
	if turn, err := v.awaitTurn(visits); err != nil || !turn {
		return v.unlessEnding(visits, err)
	}
	for i, page := range h.Pages {
		switch {
		case b.done[page.FP]:
		case b.reached(page.FP): // also when the host is left: its content is archived
			err = v.duplicate(visits, page)
		case !v.left:
			err = v.next(ctx, visits, page, first+i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next visits a page when its time has come, or leaves the host.
func (v *hostVisit) next(ctx, visits context.Context, page frontier.BundlePage, index int) error {
	if err := v.commitIfDue(ctx); err != nil {
		return err
	}
	if v.ready.Sub(v.Now()) > timeBox-time.Since(v.started) {
		v.left = true // the host asks for a longer pause than the bundle lasts
		return nil
	}
	if err := v.rest(visits); err != nil {
		return err
	}
	if why := v.stopReason(visits); why != "" {
		v.lease.ask(why)
		v.left = true
		return nil
	}
	return v.visit(visits, page, index)
}

// duplicate books a page that a redirect of another led to.
func (v *hostVisit) duplicate(ctx context.Context, page frontier.BundlePage) error {
	return v.conclude(ctx, frontier.Outcome{FP: page.FP, Status: frontier.Skipped, Reason: string(workflows.ReasonDuplicate)})
}

// rest waits until the host may be asked again. The host finds the visitor who was there
// before, with cookies and cache, unless another host waits for the tab.
func (v *hostVisit) rest(ctx context.Context) error {
	defer v.waits(waitDelay)()
	for v.stay != nil && v.ready.After(v.Now()) {
		if v.ready.Sub(v.Now()) > holdTab || v.Tabs.Wanted() {
			if err := v.leave(); err != nil {
				return err
			}
			break
		}
		next := v.Now().Add(lookAgain)
		if v.ready.Before(next) {
			next = v.ready
		}
		if !v.pause(ctx, next) {
			return nil
		}
	}
	v.pause(ctx, v.ready)
	return nil
}

func (v *hostVisit) leave() error {
	if v.stay == nil {
		return nil
	}
	err := v.stay.Close()
	v.stay = nil
	return err
}

// visit brings about the outcome of one page.
func (v *hostVisit) visit(ctx context.Context, page frontier.BundlePage, index int) error {
	track := new(browser.Tracker)
	ctx, end := v.traced(ctx, page, index, track)
	defer end()
	defer v.lease.follow(index, track)()
	track.Enter(browser.PhaseQueued)
	if v.deaths[index] >= poisonDeaths {
		return v.giveUp(ctx, page, v.deaths[index])
	}
	if v.reached(page.FP) {
		return v.duplicate(ctx, page)
	}
	v.consulted = nil
	delay, refusal := v.askRobots(ctx, page.URL)
	if ctx.Err() != nil {
		return nil // that it was not answered is our own doing, and no outcome
	}
	if refusal != nil {
		if worthRetrying[string(refusal.Reason)] && v.cutOff(ctx) {
			v.left = true
			return nil
		}
		return v.turnedAway(ctx, page, refusal)
	}
	v.delay = max(v.delay, delay)
	if err := v.arrive(ctx, page); err != nil {
		return v.unlessEnding(ctx, err)
	}
	leave, begun := v.quarantine(ctx, index)
	defer leave()
	if why := v.stopReason(ctx); why != "" || !begun { // it may have waited
		v.lease.ask(why)
		return nil
	}
	if !v.claim.lasts() {
		v.lease.ask("another run may be at the host soon")
		return nil
	}
	v.lease.begin(index)
	defer v.lease.end(index)
	if v.attempt > 1 { // an attempt died before: what is loaded now must be known
		if err := v.lease.insist(ctx); err != nil {
			return v.unlessEnding(ctx, err)
		}
		if why := v.stopReason(ctx); why != "" { // that took its time
			v.lease.ask(why)
			return nil
		}
	}
	return v.capture(ctx, page, index, track)
}

// giveUp books a page that attempts die of, at once: the next such page must not take along
// what this one has cost two attempts to find out.
func (v *hostVisit) giveUp(ctx context.Context, page frontier.BundlePage, deaths int) error {
	err := v.conclude(ctx, frontier.Outcome{
		FP: page.FP, Status: frontier.Failed, Reason: string(workflows.ReasonPoison),
		Detail: fmt.Sprintf("%d attempts ended while this page was being loaded", deaths),
	})
	if err != nil {
		return err
	}
	return v.commit(ctx)
}

// quarantine has a page that was being loaded when an attempt died visited alone: with no
// other page of its bundle, and with no other such page of the worker. So the next death
// tells which one it was. leave ends it; ok is false when the bundle has to end first.
func (v *hostVisit) quarantine(ctx context.Context, index int) (leave func(), ok bool) {
	if v.deaths[index] == 0 {
		v.company.RLock()
		return v.company.RUnlock, true
	}
	for !v.suspects.TryLock() {
		if !v.pause(ctx, v.Now().Add(lookAgain)) {
			return func() {}, false
		}
	}
	v.company.Lock()
	return func() { v.company.Unlock(); v.suspects.Unlock() }, true
}

// turnedAway books a page that robots.txt keeps us from. A site that asks with it to be left
// alone, or whose robots.txt is not to be had, is left alone with its other pages too.
func (v *hostVisit) turnedAway(ctx context.Context, page frontier.BundlePage, why *RobotsFailure) error {
	o := notArchived(page, string(why.Reason), why.Detail)
	o.Ended, o.RetryAfter = v.Now(), why.RetryAfter
	v.left = o.Leave(page.URL)
	v.tell(ctx, o)
	return v.conclude(ctx, o)
}

// unlessEnding passes an error on, but for one that the end of the attempt, or of the bundle,
// brought about.
func (v *hostVisit) unlessEnding(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, browser.ErrNotBegun) {
		return nil
	}
	return err
}

// arrive takes a tab. It must not hold the chunk meanwhile: who has the tab may wait for
// the chunk.
func (v *hostVisit) arrive(ctx context.Context, page frontier.BundlePage) (err error) {
	given := v.profileFor(page.URL)
	if v.stay != nil && v.given != given { // one of the pages is of a host that the profile is not for
		if err := v.leave(); err != nil {
			return err
		}
	}
	if v.stay != nil {
		return nil
	}
	v.given = given
	v.stay, err = v.Tabs.Tab(ctx, v.stayOptions(given))
	if trouble := troubleOf(err); trouble != nil {
		v.setTrouble(trouble)
	}
	v.chunk = -1
	return err
}

// refresh empties the tab's cache when a new chunk was begun: every chunk stands alone.
func (v *hostVisit) refresh(ctx context.Context) error {
	generation := v.generation()
	fresh := v.chunk < 0 || v.chunk == generation
	v.chunk = generation
	if fresh {
		return nil
	}
	return v.stay.ClearCache(ctx)
}

// capture loads the page and takes it into the chunk.
func (v *hostVisit) capture(ctx context.Context, page frontier.BundlePage, index int, track *browser.Tracker) error {
	dir := filepath.Join(v.dir, "page-"+strconv.Itoa(index))
	defer os.RemoveAll(dir) // the bundle's folder is removed in the end
	earlier := v.earlier(ctx, page.URL)
	release := v.hold() // no new chunk is begun while a page is being loaded
	defer func() { release() }()
	if err := v.refresh(ctx); err != nil {
		return v.unlessEnding(ctx, err)
	}
	why := browser.Why{Seed: page.Seed, Depth: page.Depth, Via: string(page.Via), Tries: page.Tries}
	p, err := v.stay.Capture(ctx, v.order(page, filepath.Join(dir, "first"), track))
	if !errors.Is(err, browser.ErrNotBegun) {
		v.ready = v.Now().Add(v.delay) // also when it was cut off
	}
	if err != nil {
		return v.unlessEnding(ctx, fmt.Errorf("capture a page: %w", err))
	}
	if v.cutOff(ctx) { // also a page that came lacks what it asked for last
		v.ready, v.left = v.Now().Add(v.delay), true
		return nil
	}
	o := v.expired(page, p, outcomeOf(page, p))
	o.Ended = v.Now()
	o.Delay = v.asked()
	v.ready = o.Ended.Add(v.delay)
	v.left = o.Leave(page.URL)
	v.tell(ctx, o)
	var others []*browser.Page
	if p.Refusal() != "" {
		release()
		p, o, others, err = v.again(ctx, page, filepath.Join(dir, "second"), p, o, track)
		release = v.hold()
		if err != nil {
			return err
		}
		if v.cutOff(ctx) {
			v.left = true
			return nil
		}
	}
	track.Enter(browser.PhaseStoring)
	p.Robots, p.Earlier = v.robotsOf(), earlier
	for _, c := range append([]*browser.Page{p}, others...) {
		c.Why = why
	}
	archived, err := v.take(p, o, nil, others...)
	v.tellTrace(taken(o, archived))
	v.account(ctx, p, others, page, track)
	if err == nil && archived {
		v.reach(p.FinalURL, page.URL)
	}
	return err
}

// account counts a page that was captured with all its captures, and tells of those that are
// not complete.
func (v *hostVisit) account(ctx context.Context, p *browser.Page, others []*browser.Page, page frontier.BundlePage, track *browser.Tracker) {
	captures := append([]*browser.Page{p}, others...)
	v.Metrics.captured(captures, track)
	for _, c := range captures {
		v.tellWithheld(ctx, c, page)
		if why := c.Incomplete(); why != "" {
			v.Logger.WarnContext(ctx, "a page is incomplete", "run", v.in.Job.Run, "bundle", v.in.Bundle.ID, "page", page.FP, "superseded", c.Superseded, "why", why)
		}
	}
}

// tellWithheld tells of pictures that were dropped. Which address they have, the page's record
// says.
func (v *hostVisit) tellWithheld(ctx context.Context, p *browser.Page, page frontier.BundlePage) {
	for i := range p.Exchanges {
		if e := &p.Exchanges[i]; e.Withheld() {
			v.Logger.WarnContext(ctx, "a picture was dropped before it was written", "run", v.in.Job.Run, "bundle", v.in.Bundle.ID, "page", page.FP, "reason", e.Failure, "why", e.Detail)
		}
	}
}

// asked is the delay that the host itself asks for.
func (v *hostVisit) asked() time.Duration {
	if v.delay > v.bundle.Delay {
		return v.delay
	}
	return 0
}

// conclude books an outcome that needed no page load. When it came about is now, unless it is
// said: who was told of it must not hear of another time.
func (v *hostVisit) conclude(_ context.Context, o frontier.Outcome) error {
	if o.Ended.IsZero() {
		o.Ended = v.Now()
	}
	v.tellTrace(o)
	defer v.hold()()
	_, err := v.take(nil, o, v.robotsOf())
	return err
}

// askRobots says why robots.txt keeps us from an address, nil when it may be visited, and
// what pause it asks for.
func (v *hostVisit) askRobots(ctx context.Context, address string) (delay time.Duration, refusal *RobotsFailure) {
	rules, failure, use := v.Robots.For(v.in.Job.Spec).rules(ctx, address)
	defer func() { v.consult(use, address) }()
	if failure != nil {
		return 0, failure
	}
	u, err := urls.Split(address)
	if err != nil {
		return 0, &RobotsFailure{Reason: workflows.ReasonInvalidURL}
	}
	decision := rules.Decide(u.Target)
	if use.Rule = decision.Rule; !decision.Allowed {
		return 0, &RobotsFailure{Reason: workflows.ReasonRobotsDisallowed, Detail: "robots.txt does not allow it"}
	}
	return rules.Delay, nil
}

// consult notes a robots.txt that was asked for the page, for its record.
func (v *hostVisit) consult(use browser.RobotsUse, address string) {
	v.consultedMu.Lock()
	defer v.consultedMu.Unlock()
	if use.Address = address; use.URL != "" {
		v.consulted = append(v.consulted, use)
	}
}

// robotsOf are those that were asked so far.
func (v *hostVisit) robotsOf() []browser.RobotsUse {
	v.consultedMu.Lock()
	defer v.consultedMu.Unlock()
	return slices.Clone(v.consulted)
}

// admit says why a document is not asked for that a page redirects to. A page may lead to
// any host, as a link may, but neither to what is excluded nor past a robots.txt.
func (v *hostVisit) admit(ctx context.Context, address string) *browser.Refusal {
	canonical, err := urls.Canonicalize(address)
	if err != nil {
		return &browser.Refusal{Reason: string(workflows.ReasonInvalidURL), Detail: "it leads to no web address"}
	}
	if rule := v.exclude.Match(canonical); rule != "" {
		return &browser.Refusal{Reason: string(workflows.ReasonOutOfScope), Detail: "it leads to what " + rule + " excludes"}
	}
	if _, refusal := v.askRobots(ctx, address); refusal != nil {
		return &browser.Refusal{Reason: string(refusal.Reason), Detail: refusal.Detail}
	}
	return nil
}

// reach notes that a redirect led to an address, whose content is archived with it.
func (b *bundleRun) reach(final, requested string) {
	canonical, err := urls.Canonicalize(final)
	if err != nil || canonical == requested {
		return
	}
	b.finalsMu.Lock()
	defer b.finalsMu.Unlock()
	b.finals[frontier.FingerprintOf(canonical)] = true
}

func (b *bundleRun) reached(fp frontier.Fingerprint) bool {
	b.finalsMu.Lock()
	defer b.finalsMu.Unlock()
	return b.finals[fp]
}

// worthRetrying are the failures that another time may not have.
var worthRetrying = map[string]bool{
	browser.ReasonDNSFailed: true, browser.ReasonConnectFailed: true, browser.ReasonConnectionReset: true,
	browser.ReasonBrowserCrashed: true, browser.ReasonDiskFull: true, browser.ReasonAborted: true,
	string(workflows.ReasonRobotsUnreachable): true,
}

// notArchived is the outcome of a page that was not asked for, or did not come.
func notArchived(page frontier.BundlePage, reason, detail string) frontier.Outcome {
	o := frontier.Outcome{FP: page.FP, Status: frontier.Failed, Reason: reason, Detail: detail, Retry: worthRetrying[reason]}
	switch workflows.Reason(reason) {
	case workflows.ReasonRobotsDisallowed, workflows.ReasonOutOfScope, workflows.ReasonInvalidURL:
		o.Status = frontier.Skipped
	}
	return o
}

// outcomeOf is a captured page in the frontier's words.
func outcomeOf(page frontier.BundlePage, p *browser.Page) frontier.Outcome {
	if p.Outcome.State != browser.Archived {
		o := notArchived(page, p.Outcome.Reason, p.Outcome.Detail)
		o.Final, o.RetryAfter = p.FinalURL, p.Outcome.RetryAfter
		return o
	}
	o := frontier.Outcome{FP: page.FP, Status: frontier.Archived, Final: p.FinalURL, Detail: p.Outcome.Detail, RetryAfter: p.Outcome.RetryAfter}
	if p.Busy() {
		o.Reason, o.Detail = frontier.ReasonHostBusy, fmt.Sprintf("it answers %d %s", p.Status, http.StatusText(p.Status))
		if page.Tries+1 < frontier.MaxTries {
			o.Status, o.Retry = frontier.Failed, true
			return o
		}
	}
	if p.Challenge != "" {
		o.Detail = strings.TrimSpace(o.Detail + " it is answered by a challenge to visitors (" + p.Challenge + ")")
	}
	for _, l := range p.Links {
		switch l.Kind {
		case browser.LinkAnchor, browser.LinkArea, browser.LinkWindow, browser.LinkAway:
			o.Links = append(o.Links, l.URL)
		case browser.LinkMailto, browser.LinkTel:
			o.Leads = append(o.Leads, l.URL)
		}
	}
	return o
}

// scarceDisk says what is running out where a folder is; empty when nothing is, or when that
// is not known.
func scarceDisk(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Bsize <= 0 {
		return ""
	}
	switch {
	case s.Bavail < minFreeDisk/uint64(s.Bsize):
		return "the disk of a worker is nearly full"
	case s.Files > 0 && s.Ffree < minFreeFiles: // not every file system counts them
		return "the disk of a worker has hardly room for further files (inodes)"
	}
	return ""
}
