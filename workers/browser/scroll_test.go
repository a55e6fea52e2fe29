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
