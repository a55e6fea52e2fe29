package frontier

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newState(t testing.TB, spec Spec) *State {
	t.Helper()
	s := New(mustRules(t, spec))
	if err := s.Add(spec.Seeds); err != nil {
		t.Fatal(err)
	}
	return s
}

// archive brings back every page of a bundle.
func archive(t testing.TB, s *State, b Bundle, now time.Time, links ...string) {
	t.Helper()
	r := Result{Bundle: b.ID}
	for _, h := range b.Hosts {
		for _, p := range h.Pages {
			r.Outcomes = append(r.Outcomes, Outcome{FP: p.FP, Status: Archived, Ended: now, Links: links})
		}
	}
	apply(t, s, b.ID, now, r.Outcomes...)
}

func apply(t testing.TB, s *State, bundle string, now time.Time, outcomes ...Outcome) {
	t.Helper()
	if err := s.Apply(bundle, []Result{{Bundle: bundle, Outcomes: outcomes}}, now); err != nil {
		t.Fatal(err)
	}
	if err := s.Recount(); err != nil {
		t.Fatal(err)
	}
}

func counts(c Counts) Counts {
	for _, m := range []*map[string]int64{&c.Failed, &c.Skipped, &c.Ignored} {
		if *m == nil {
			*m = map[string]int64{}
		}
	}
	return c
}

func TestRedirectIsNotFetchedAgain(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		seeds  []string
		want   Counts
	}{
		"Unknown": {"the address is new", []string{"https://a.example/old"},
			Counts{Discovered: 2, Archived: 1, Skipped: map[string]int64{"Duplicate": 1}}},
		"Queued": {"it waits in the queue", []string{"https://a.example/old", "https://a.example/new", "https://a.example/more"},
			Counts{Discovered: 3, Queued: 1, Archived: 1, Skipped: map[string]int64{"Duplicate": 1}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newState(t, Spec{Scope: "Host", Seeds: tc.seeds})
			now := time.Unix(1000, 0)
			b := s.Choose(now, 1, "x")[0]
			apply(t, s, b.ID, now, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Archived, Final: "https://a.example/new", Ended: now})
			if diff := cmp.Diff(counts(tc.want), s.Counts()); diff != "" {
				t.Errorf("%s: books (-want +got):\n%s", tc.reason, diff)
			}
			for _, b := range s.Choose(now, 1, "y") {
				if got := b.Hosts[0].Pages[0].URL; got != "https://a.example/more" {
					t.Errorf("%s: %s is handed out", tc.reason, got)
				}
			}
		})
	}
}

// TestRedirectToReturned: the address that a redirect led to was handed out before and
// came back.
func TestRedirectToReturned(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/new", "https://b.example/old"}})
	now := time.Unix(1000, 0)
	out := s.Choose(now, 2, "x")
	apply(t, s, out[0].ID, now) // nothing was visited
	apply(t, s, out[1].ID, now, Outcome{FP: out[1].Hosts[0].Pages[0].FP, Status: Archived, Final: "https://a.example/new", Ended: now})
	if c := s.Counts(); c.Skipped["Duplicate"] != 1 || !s.Idle() {
		t.Errorf("books: %+v", c)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/"}})
	now := time.Unix(1000, 0)
	for try := range len(retries) + 1 {
		b := s.Choose(now, 1, fmt.Sprint(try))
		if len(b) != 1 {
			t.Fatalf("try %d: no bundle", try)
		}
		apply(t, s, b[0].ID, now, Outcome{
			FP: b[0].Hosts[0].Pages[0].FP, Status: Failed, Reason: "DNSFailed", Detail: "no such host", Retry: true, Ended: now,
		})
		if try == len(retries) {
			break
		}
		if h, ok := s.Hindered(); !ok || h.Host != "a.example" || h.Reason != "DNSFailed" || h.Detail != "no such host" || !h.Seed || h.Try != try+2 || !h.Next.Equal(s.NextDue()) {
			t.Errorf("try %d: hindered %v: %+v", try, ok, h)
		}
		if got := s.Choose(now, 1, "early"); len(got) != 0 {
			t.Errorf("try %d: handed out at once", try)
		}
		next := s.NextDue()
		if wait := next.Sub(now); wait != retries[try] {
			t.Errorf("try %d: due after %v, want %v", try, wait, retries[try])
		}
		now = next
	}
	if c := s.Counts(); c.Failed["DNSFailed"] != 1 || !s.Idle() {
		t.Errorf("after the last try: %+v", c)
	}
}

// TestHindered: a host that goes away in the middle leaves most of its pages in the queue.
func TestHindered(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/1", "https://a.example/2", "https://b.example/"}})
	now := time.Unix(1000, 0)
	miss := func(b Bundle) {
		t.Helper()
		apply(t, s, b.ID, now, Outcome{
			FP: b.Hosts[0].Pages[0].FP, Status: Failed, Reason: "ConnectFailed", Detail: "connection refused", Retry: true, Ended: now,
		})
	}
	out := s.Choose(now, 2, "x")
	if _, ok := s.Hindered(); ok {
		t.Error("hindered while pages are being visited")
	}
	miss(out[0])
	apply(t, s, out[1].ID, now) // b.example was not visited
	if _, ok := s.Hindered(); ok {
		t.Error("hindered while b.example can be visited")
	}
	miss(s.Choose(now, 1, "y")[0])
	if h, ok := s.Hindered(); !ok || h.Host != "a.example" || h.Detail != "connection refused" {
		t.Errorf("hindered %v: %+v, with a page in the queue of a host that was not reached", ok, h)
	}
	if s.Counts().Queued == 0 {
		t.Error("nothing is in the queue: this shows nothing")
	}
}

// TestOutage: a host that is away for long is asked ever less often, then its pages are
// given up; another name of the same owner is not.
func TestOutage(t *testing.T) {
	t.Parallel()
	var seeds []string
	for i := range 200 {
		seeds = append(seeds, fmt.Sprintf("https://dead.a.example/%d", i))
	}
	s := newState(t, Spec{Scope: "Domain", Seeds: append(seeds, "https://www.a.example/"), Delay: time.Second})
	start := time.Unix(1000, 0)
	now, loads := start, 0
	for step := 0; !s.Idle(); step++ {
		for _, b := range s.Choose(now, 4, fmt.Sprint(step)) {
			for _, p := range b.Hosts[0].Pages {
				loads++
				o := Outcome{FP: p.FP, Status: Failed, Reason: "ConnectFailed", Retry: true, Ended: now}
				if p.URL == "https://www.a.example/" {
					o.Status, o.Reason = Archived, ""
				}
				apply(t, s, b.ID, now, o)
			}
		}
		if next := s.NextDue(); next.After(now) {
			now = next
		}
	}
	c := s.Counts()
	if c.Archived != 1 || c.Failed["ConnectFailed"] != 200 {
		t.Errorf("books: %+v", c)
	}
	if took := now.Sub(start); took < maxOutage || took > 2*maxOutage || loads > 30 {
		t.Errorf("given up after %v and %d page loads", took, loads)
	}
}

// TestPageTroubleIsNotTheHosts: a page that crashes the browser is put aside, the others
// go on.
func TestPageTroubleIsNotTheHosts(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/1", "https://a.example/2"}})
	now := time.Unix(1000, 0)
	b := s.Choose(now, 1, "x")[0]
	apply(t, s, b.ID, now, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Failed, Reason: "BrowserCrashed", Retry: true, Ended: now})
	next := s.Choose(now, 1, "y")
	if len(next) != 1 || next[0].Hosts[0].Pages[0].URL != "https://a.example/2" {
		t.Errorf("handed out: %+v", next)
	}
}

func TestPoliteness(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	cases := map[string]struct {
		reason string
		o      Outcome
		want   time.Duration // from the end of the page load
	}{
		"Delay":      {"the job's delay", Outcome{Status: Archived}, 2 * time.Second},
		"CrawlDelay": {"the longer one that the host asks for", Outcome{Status: Archived, Delay: 10 * time.Second}, 10 * time.Second},
		"Shorter":    {"but no shorter one", Outcome{Status: Archived, Delay: time.Second}, 2 * time.Second},
		"Capped":     {"and not for ever", Outcome{Status: Archived, Delay: time.Hour}, time.Minute},
		"RetryAfter": {"Retry-After", Outcome{Status: Archived, RetryAfter: 90 * time.Second}, 90 * time.Second},
		"RetryMax":   {"within bounds", Outcome{Status: Archived, RetryAfter: 9000 * time.Hour}, 24 * time.Hour},
		"Failed":     {"a page that failed was a page load too", Outcome{Status: Failed, Reason: "RendererCrashed"}, 2 * time.Second},
		"TimedOut":   {"a host that does not answer rests, five seconds from when that is known", Outcome{Status: Failed, Reason: "PageTimeout"}, 10 * time.Second},
		"Skipped":    {"nothing was loaded", Outcome{Status: Skipped, Reason: "RobotsDisallowed"}, -10 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/1", "https://a.example/2"}, Delay: 2 * time.Second})
			b := s.Choose(start, 1, "x")[0]
			ended, now := start.Add(10*time.Second), start.Add(15*time.Second)
			tc.o.FP, tc.o.Ended = b.Hosts[0].Pages[0].FP, ended
			apply(t, s, b.ID, now, tc.o)
			next := s.Choose(now.Add(25*time.Hour), 1, "y")
			if len(next) != 1 || len(next[0].Hosts) != 1 {
				t.Fatalf("%s: %+v", tc.reason, next)
			}
			ready := next[0].Hosts[0].Ready
			if ready.IsZero() {
				ready = start
			}
			if got := ready.Sub(ended); got != tc.want {
				t.Errorf("%s: ready %v after the end, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

// TestPauseIsNotCutShort: rows hold milliseconds, and page loads end between them.
func TestPauseIsNotCutShort(t *testing.T) {
	t.Parallel()
	const delay = 300 * time.Millisecond
	for _, past := range []time.Duration{0, 1, 500 * time.Microsecond, time.Millisecond - 1} {
		s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/1", "https://a.example/2"}, Delay: delay})
		start := time.Unix(1000, 0)
		b := s.Choose(start, 1, "x")[0]
		ended := start.Add(time.Second + past)
		apply(t, s, b.ID, ended, Outcome{FP: b.Hosts[0].Pages[0].FP, Status: Archived, Ended: ended})
		pause := s.Choose(ended.Add(time.Minute), 1, "y")[0].Hosts[0].Ready.Sub(ended)
		if pause < delay || pause >= delay+time.Millisecond {
			t.Errorf("%v past the millisecond the pause is %v, want %v", past, pause, delay)
		}
	}
}

// TestReturnedHostRests: when a bundle comes back without an outcome, nobody knows
// whether the page was being loaded a moment ago.
func TestReturnedHostRests(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/1"}, Delay: 30 * time.Second})
	now := time.Unix(1000, 0)
	b := s.Choose(now, 1, "x")[0]
	now = now.Add(time.Minute)
	apply(t, s, b.ID, now)
	if got := s.Choose(now, 1, "y"); len(got) != 0 {
		t.Errorf("handed out at once: %+v", got)
	}
	if due := s.NextDue(); due != now.Add(30*time.Second-leastHorizon).UTC() {
		t.Errorf("due %v after its return", due.Sub(now))
	}
}

// TestBundlesGrow: the first bundle of a host has one page; later ones more, but no more
// than fit into the time of a bundle.
func TestBundlesGrow(t *testing.T) {
	t.Parallel()
	var seeds []string
	for i := range 200 {
		seeds = append(seeds, fmt.Sprintf("https://a.example/%d", i))
	}
	for name, c := range map[string]struct {
		scope string
		hops  int
		delay time.Duration
		want  []int
	}{
		"AtOnce":    {"Host", 0, 0, []int{1, 20, 20}},
		"Pauses":    {"Host", 0, 5 * time.Second, []int{1, 10, 10}},
		"Long":      {"Host", 0, 10 * time.Minute, []int{1, 1, 1}},
		"NoLinks":   {"Page", 0, 0, []int{20, 20}},
		"FewLinks":  {"Page", 1, 0, []int{1, 20}},
		"LongPages": {"Page", 0, 10 * time.Minute, []int{1, 1}},
	} {
		delay, want := c.delay, c.want
		s := newState(t, Spec{Scope: c.scope, ExtraHops: c.hops, Seeds: seeds, Delay: delay})
		now := time.Unix(1000, 0)
		var got []int
		for i := range want {
			b := s.Choose(now, 3, fmt.Sprint(i))
			if len(b) != 1 {
				t.Fatalf("%s: %d bundles of one host", name, len(b))
			}
			got = append(got, b[0].Pages())
			archive(t, s, b[0], now)
			now = now.Add(delay)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: pages of bundles (-want +got):\n%s", name, diff)
		}
	}
}

// TestManyHosts: few hosts get a bundle each, many share them.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	for hosts, want := range map[int][]int{3: {1, 1, 1}, 8: {2, 2, 2, 2}, 200: {20, 20, 20, 20}} {
		var seeds []string
		for i := range hosts {
			seeds = append(seeds, fmt.Sprintf("https://h%d.example/", i))
		}
		s := newState(t, Spec{Scope: "Host", Seeds: seeds})
		var got []int
		for _, b := range s.Choose(time.Unix(1000, 0), 4, "x") {
			got = append(got, len(b.Hosts))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d hosts: hosts of bundles (-want +got):\n%s", hosts, diff)
		}
	}
}

// TestNoHostStarves: a host whose turn it is is not passed over for new ones for ever.
func TestNoHostStarves(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Custom", Include: []string{"."}, Seeds: []string{"https://old.example/1", "https://old.example/2"}})
	now := time.Unix(1000, 0)
	n := 0
	for step := range 30 {
		b := s.Choose(now, 1, fmt.Sprint(step))[0]
		if b.Hosts[0].Pages[0].URL == "https://old.example/2" {
			return
		}
		var links []string
		for range 3 {
			n++
			links = append(links, fmt.Sprintf("https://n%d.example/", n))
		}
		now = now.Add(time.Second)
		archive(t, s, b, now, links...)
	}
	t.Error("the second page of the first host was not handed out")
}

func TestFinish(t *testing.T) {
	t.Parallel()
	var seeds []string
	for i := range 50 {
		seeds = append(seeds, fmt.Sprintf("https://h%d.example/%d", i%7, i))
	}
	s := newState(t, Spec{Scope: "Host", Seeds: seeds})
	now := time.Unix(1000, 0)
	out := s.Choose(now, 3, "x")
	apply(t, s, out[0].ID, now, Outcome{FP: out[0].Hosts[0].Pages[0].FP, Status: Failed, Reason: "DNSFailed", Retry: true, Ended: now})
	apply(t, s, out[1].ID, now)
	s.Finish("Cancelled")
	if c := s.Counts(); c.Leased != int64(out[2].Pages()) || c.Queued+c.Delayed != 0 {
		t.Errorf("books with a bundle out: %+v", c)
	}
	archive(t, s, out[2], now, "https://h1.example/new")
	s.Finish("Cancelled")
	c := s.Counts()
	if !s.Idle() || c.Skipped["Cancelled"] != c.Discovered-c.Archived || s.Recount() != nil {
		t.Errorf("books: %+v", c)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	good := FingerprintOf("https://a.example/")
	cases := map[string]struct {
		reason string
		r      Result
	}{
		"OtherBundle": {"a result of another bundle", Result{Bundle: "other"}},
		"Unknown":     {"a page that nobody knows", Result{Bundle: "x-0", Outcomes: []Outcome{{FP: FingerprintOf("https://b.example/"), Status: Archived}}}},
		"NotFinal":    {"a status that is none", Result{Bundle: "x-0", Outcomes: []Outcome{{FP: good, Status: Queued}}}},
		"NoReason":    {"a failure without a reason", Result{Bundle: "x-0", Outcomes: []Outcome{{FP: good, Status: Failed}}}},
		"NoFP":        {"no fingerprint", Result{Bundle: "x-0", Outcomes: []Outcome{{FP: "zz", Status: Archived}}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/"}})
			s.Choose(time.Unix(1000, 0), 1, "x")
			if err := s.Apply("x-0", []Result{tc.r}, time.Unix(1001, 0)); err == nil {
				t.Errorf("%s: taken", tc.reason)
			}
		})
	}
}

// TestIgnored: links that lead outside are counted, with the reason, and are no pages of
// the crawl.
func TestIgnored(t *testing.T) {
	t.Parallel()
	depth := 1
	s := newState(t, Spec{Scope: "Host", Depth: &depth, Seeds: []string{"https://a.example/"}})
	now := time.Unix(1000, 0)
	b := s.Choose(now, 1, "x")[0]
	archive(t, s, b, now, "https://b.example/", "mailto:a@example.org", "javascript:void(0)", "http://", "https://a.example/1", "https://a.example/1#x",
		"https://a.example/x/x/x/x")
	b = s.Choose(now, 1, "y")[0]
	archive(t, s, b, now, "https://a.example/2", "https://b.example/")
	want := counts(Counts{
		Discovered: 3, Archived: 2, Skipped: map[string]int64{"TrapRepeatedSegment": 1},
		Ignored: map[string]int64{"OutOfScope": 2, "UnsupportedScheme": 2, "InvalidURL": 1, "DepthLimit": 1},
	})
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("books (-want +got):\n%s", diff)
	}
	var logged []string
	if err := s.Log(func(p Page) bool { logged = append(logged, p.URL+" "+p.Reason); return true }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://a.example/x/x/x/x TrapRepeatedSegment"}, logged); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for i := range 20_000 {
		n := SlotOf(fmt.Sprintf("h%d.example", i))
		if n < 0 || n >= Slots {
			t.Fatalf("slot %d", n)
		}
		used[n] = true
	}
	if len(used) < Slots*9/10 {
		t.Errorf("20,000 hosts are in %d slots", len(used))
	}
	if got := []int{SlotOf("example.org"), SlotOf("example.com")}; !slices.Equal(got, []int{0xfab, 0x379}) {
		t.Errorf("slots of known hosts are %#x: they may never change", got)
	}
}

// TestReady: hosts count that a step had no slots for, not those whose turn has not come.
func TestReady(t *testing.T) {
	t.Parallel()
	seeds := []string{"https://a.example/1", "https://b.example/1", "https://c.example/1", "https://d.example/1", "https://e.example/1"}
	now := time.Unix(1000, 0)
	s := newState(t, Spec{Scope: "Page", Seeds: seeds, Delay: time.Minute})
	expect := func(reason string, at time.Time, most, want int) {
		t.Helper()
		if got := s.Ready(at, most); got != want {
			t.Errorf("%s: %d hosts are ready, want %d", reason, got, want)
		}
	}
	expect("all wait", now, 100, 5)
	expect("no more than asked for", now, 3, 3)
	bundles := s.Choose(now, 2, "x") // one host each of the first, since all five fit into two
	out := 0
	for _, b := range bundles {
		out += len(b.Hosts)
	}
	expect("those in bundles do not count", now, 100, 5-out)
	for _, b := range bundles {
		for _, h := range b.Hosts {
			apply(t, s, b.ID, now, Outcome{FP: h.Pages[0].FP, Status: Archived, Ended: now})
		}
	}
	expect("nothing is left of them", now, 100, 5-out)
}

// TestReadyWithinALimit: what the limit on pages does not let be visited asks for nobody.
func TestReadyWithinALimit(t *testing.T) {
	t.Parallel()
	s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/1", "https://b.example/1", "https://c.example/1"}, Pages: 2})
	now := time.Unix(1000, 0)
	if got := s.Ready(now, 100); got != 2 {
		t.Errorf("%d hosts are ready, want 2", got)
	}
	s.Choose(now, 2, "x")
	if got := s.Ready(now, 100); got != 0 {
		t.Errorf("%d hosts are ready when the limit is reached, want 0", got)
	}
}
