package browser

import (
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopper is a site with a page that does not know that it is to be stopped: when it asks
// for /stop, stop is called, and answered after it.
func stopper(t *testing.T, stop func()) string {
	return serve(t, map[string]any{
		"/":      `<title>Soon stopped</title><p>Soon stopped</p><script>fetch('/stop').then(() => document.title = 'on')</script>`,
		"/stop":  func(http.ResponseWriter, *http.Request) { stop() },
		"/loop":  `<p>Before the loop</p><script>for(;;);</script>`,
		"/after": `<p>All is well</p>`,
	}).URL
}

// long are bounds that no page of these tests may have to wait for.
func long(v *Visit) { v.LoadTimeout, v.Timeout = defaultLoadTimeout, time.Minute }

// inTime is how long a page may take that makes no progress.
const inTime = quietLimit + defaultLoadTimeout/2 + 8*time.Second

func stop(t *testing.T, pids ...int) {
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Errorf("stop process %d: %v", pid, err)
		}
	}
}

// TestStoppedBrowser: a Chrome that is alive and does not answer costs its pages little
// time, is replaced, and leaves nothing.
func TestStoppedBrowser(t *testing.T) {
	t.Parallel()
	var causes []string
	var mu sync.Mutex
	pool := newPool(t, func(o *Options) {
		o.Replaced = func(cause string) {
			mu.Lock()
			defer mu.Unlock()
			causes = append(causes, cause)
		}
	})
	first, second := newStay(t, pool, StayOptions{}), newStay(t, pool, StayOptions{})
	if first.chrome != second.chrome {
		t.Fatal("the stays do not share a Chrome")
	}
	proc := first.chrome.proc
	left := family(proc.cmd.Process.Pid, proc.profile)
	site := stopper(t, sync.OnceFunc(func() { stop(t, proc.cmd.Process.Pid) }))
	var wg sync.WaitGroup
	for _, s := range []*Stay{first, second} {
		wg.Go(func() {
			began := time.Now()
			p := visit(t, s, site+"/", long)
			took := time.Since(began)
			if p.Outcome.State != Failed || p.Outcome.Reason != ReasonBrowserCrashed || p.Outcome.Detail != errStuck.Error() {
				t.Errorf("outcome %+v, want %s", p.Outcome, ReasonBrowserCrashed)
			}
			if took > inTime {
				t.Errorf("the page took %s", took)
			}
			if len(p.Exchanges) == 0 {
				t.Error("what was captured is lost")
			}
			if p := visit(t, s, site+"/after"); p.Outcome.State != Archived {
				t.Errorf("the page after it: %+v", p.Outcome)
			}
		})
	}
	wg.Wait()
	gone(t, left)
	removed(t, proc.profile)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(causes, []string{CauseStuck}) {
		t.Errorf("the causes of a replacement are %v", causes)
	}
}

// TestStoppedRenderer: a renderer that does not answer fails its page, and does not stay.
func TestStoppedRenderer(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	s := newStay(t, pool, StayOptions{})
	var stopped []procStat
	proc := s.chrome.proc
	site := stopper(t, sync.OnceFunc(func() {
		list := family(proc.cmd.Process.Pid, proc.profile)
		pids := renderers(list)
		for _, st := range list {
			if slices.Contains(pids, st.pid) {
				stopped = append(stopped, st)
			}
		}
		stop(t, pids...)
	}))
	began := time.Now()
	p := visit(t, s, site+"/", long)
	if took := time.Since(began); took > inTime {
		t.Errorf("the page took %s", took)
	}
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonPageTimeout || len(p.Exchanges) != 2 {
		t.Errorf("outcome %+v with %d exchanges, want %s with 2", p.Outcome, len(p.Exchanges), ReasonPageTimeout)
	}
	if p := visit(t, s, site+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
	if len(stopped) == 0 {
		t.Fatal("there was no renderer to stop")
	}
	gone(t, stopped)
}

// TestLoopIsNoticed: a page whose main thread is kept busy is given up long before its
// time is over, and where it was is known.
func TestLoopIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStay(t, newPool(t), StayOptions{})
	site := stopper(t, func() {})
	track := new(Tracker)
	began := time.Now()
	p := visit(t, s, site+"/loop", long, func(v *Visit) { v.Track = track })
	if took := time.Since(began); took > inTime {
		t.Errorf("the page took %s", took)
	}
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonPageTimeout || len(p.Exchanges) != 1 {
		t.Errorf("outcome %+v with %d exchanges", p.Outcome, len(p.Exchanges))
	}
	if spent := track.Spent(); spent[PhaseNavigating]+spent[PhaseLoading] < quietLimit {
		t.Errorf("its time was spent so: %v", spent)
	}
	if p := visit(t, s, site+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

// TestSlowServerIsNoHang: silence alone ends no page.
func TestSlowServerIsNoHang(t *testing.T) {
	t.Parallel()
	const wait = quietLimit + 3*time.Second
	site := serve(t, map[string]any{
		"/": `<p id=p>waits</p><script>fetch('/slow').then(r => r.text()).then(v => p.innerText = v)</script><img src="/slow">`,
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
		},
	})
	s := newStay(t, newPool(t), StayOptions{})
	if p := visit(t, s, site.URL, long); p.Outcome.State != Archived || p.Timings.Load < wait {
		t.Errorf("%+v, loaded after %s", p.Outcome, p.Timings.Load)
	}
}

func TestTracker(t *testing.T) {
	t.Parallel()
	var none *Tracker
	none.Enter(PhaseLoading) // follows nothing
	track := new(Tracker)
	if at := track.Standing(); at != (Standing{}) || len(track.Spent()) > 0 {
		t.Errorf("a new one is at %+v", at)
	}
	track.Enter(PhaseQueued)
	time.Sleep(2 * time.Millisecond)
	track.Enter(PhaseLoading)
	sign := time.Now().Add(time.Hour)
	track.follow(func() time.Time { return sign })
	at := track.Standing()
	if at.Phase != PhaseLoading || !at.Active.Equal(sign) || !at.Since.Before(sign) {
		t.Errorf("it is at %+v", at)
	}
	if spent := track.Spent(); len(spent) != 2 || spent[PhaseQueued] < 2*time.Millisecond {
		t.Errorf("spent %v", spent)
	}
	steps := track.Steps()
	if len(steps) != 2 || steps[0].Phase != PhaseQueued || steps[1].Phase != PhaseLoading || !steps[0].Ended.Equal(steps[1].Began) || steps[1].Ended.Before(steps[1].Began) {
		t.Errorf("its steps are %+v", steps)
	}
	for range 2 * maxSteps {
		track.Enter(PhaseQueued)
	}
	if n := len(track.Steps()); n > maxSteps+1 {
		t.Errorf("%d steps are noted", n)
	}
}
