package browser

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPipeBreaks: when the connection to a Chrome ends and its process lives on, the pages
// under way keep what was captured and say why they failed, and the Chrome is ended and
// replaced as one that died.
func TestPipeBreaks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		end    func(*testing.T, *process)
		detail string
	}{
		"Closed": {"Our ends are closed.", func(t *testing.T, p *process) {
			if err := p.conn.transport.Close(); err != nil {
				t.Error(err)
			}
		}, "file already closed"},
		"ClosedAndStopped": {"So are they of a Chrome that would not notice.", func(t *testing.T, p *process) {
			stop(t, p.cmd.Process.Pid)
			if err := p.conn.transport.Close(); err != nil {
				t.Error(err)
			}
		}, "file already closed"},
		"Garbage": {"What comes is not the protocol.", func(t *testing.T, p *process) {
			w, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/4", p.cmd.Process.Pid), os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			if _, err := io.WriteString(w, "this is no message\x00"); err != nil {
				t.Error(err)
			}
		}, "invalid character"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var causes []string
			pool := newPool(t, func(o *Options) {
				o.Replaced = func(cause string) {
					mu.Lock()
					defer mu.Unlock()
					causes = append(causes, cause)
				}
			})
			asked := make(chan struct{}, 2)
			site := serve(t, map[string]any{
				"/": `<p>Soon alone</p><img src="/wait">`,
				"/wait": func(_ http.ResponseWriter, r *http.Request) {
					asked <- struct{}{}
					<-r.Context().Done()
				},
				"/after": `<p>All is well</p>`,
			}).URL
			first, second := newStay(t, pool, StayOptions{}), newStay(t, pool, StayOptions{})
			proc := first.chrome.proc
			if second.chrome.proc != proc {
				t.Fatal("the stays do not share a Chrome")
			}
			left := family(proc.cmd.Process.Pid, proc.profile)
			go func() {
				<-asked
				<-asked
				tc.end(t, proc)
			}()
			var wg sync.WaitGroup
			for _, s := range []*Stay{first, second} {
				wg.Go(func() {
					began := time.Now()
					p := visit(t, s, site+"/", long)
					if took := time.Since(began); took > inTime {
						t.Errorf("%s: the page took %s", tc.reason, took)
					}
					if p.Outcome.State != Failed || p.Outcome.Reason != ReasonBrowserCrashed ||
						!strings.HasPrefix(p.Outcome.Detail, errLost.Error()+": ") || !strings.Contains(p.Outcome.Detail, tc.detail) {
						t.Errorf("%s: outcome %+v", tc.reason, p.Outcome)
					}
					if len(p.Exchanges) != 2 || len(p.Ledger) != 2 {
						t.Errorf("%s: %d exchanges and %d ledger lines were kept, want 2 and 2", tc.reason, len(p.Exchanges), len(p.Ledger))
					}
					if p := visit(t, s, site+"/after"); p.Outcome.State != Archived {
						t.Errorf("%s: the page after it: %+v", tc.reason, p.Outcome)
					}
				})
			}
			wg.Wait()
			if first.chrome.proc == proc {
				t.Errorf("%s: the Chrome was not replaced", tc.reason)
			}
			gone(t, left)
			removed(t, proc.profile)
			if st, ok := readStat(proc.cmd.Process.Pid); ok && st.ppid == os.Getpid() {
				t.Errorf("%s: it was not reaped: %+v", tc.reason, st)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(causes) != 1 || causes[0] != CauseCrashed {
				t.Errorf("%s: the causes of a replacement are %v", tc.reason, causes)
			}
		})
	}
}
