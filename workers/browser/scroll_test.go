package browser

import (
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// growing is a list that grows five times when its end comes into view.
const growing = `<div id=l></div><script>
let n = 0, busy = false;
async function more() { if (busy || n >= 5) return; busy = true; await fetch('/more?page=' + n); n++;
  for (let i = 0; i < 30; i++) { const d = document.createElement('div'); d.style.height = '100px'; d.innerText = 'item ' + n + '.' + i; l.append(d); } busy = false; check(); }
function check() { if (scrollY + innerHeight > document.documentElement.scrollHeight - 200) more(); }
addEventListener('scroll', check); more();</script>`

// TestScrollWaitsForFrames: a page learns where it was scrolled to when a frame is drawn. On a
// machine that is busy that may take longer than a page has to be quiet.
func TestScrollWaitsForFrames(t *testing.T) {
	t.Parallel()
	s := newStay(t, newPool(t), StayOptions{})
	proc := s.chrome.proc
	gpu := ofType(family(proc.cmd.Process.Pid, proc.profile), "gpu-process")
	if len(gpu) == 0 {
		t.Fatal("there is no process that draws")
	}
	signal := func(what syscall.Signal) {
		for _, pid := range gpu {
			if err := syscall.Kill(pid, what); err != nil {
				t.Error(err)
			}
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	site := serve(t, map[string]any{
		"/": growing,
		"/more": func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "page=1" {
				signal(syscall.SIGSTOP)
				wg.Go(func() {
					time.Sleep(3 * time.Second)
					signal(syscall.SIGCONT)
				})
			}
		},
	})
	p := visit(t, s, site.URL, long)
	if text := read(t, p.TextFile); !strings.Contains(text, "item 5.29") {
		t.Errorf("the list ends with %q; actions %+v, limits %+v", text[max(0, len(text)-20):], p.Actions, p.Limits)
	}
}

// TestScrollWaitsAfterItsSteps: the frame that was owed brought something new, and the pass after
// it went to the end of that. What this asks for has had no time to come.
func TestScrollWaitsAfterItsSteps(t *testing.T) {
	t.Parallel()
	s := scrolling{wait: quietScripted}
	for i, pass := range []struct {
		at   scrolled
		owed bool
		end  bool
	}{
		{at: scrolled{Height: 6016, End: true, Steps: 4}},
		{at: scrolled{Height: 9016, Drawn: true}, owed: true},
		{at: scrolled{Height: 9016, Drawn: true, End: true, Steps: 4}},
		{at: scrolled{Height: 9016, Drawn: true, End: true}, end: true},
	} {
		s.owed = pass.owed
		s.take(pass.at)
		if end := s.atEnd(pass.at, quietScripted); end != pass.end {
			t.Errorf("after pass %d, %+v: at the end %t, want %t", i, pass.at, end, pass.end)
		}
	}
}
