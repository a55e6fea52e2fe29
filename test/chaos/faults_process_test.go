package chaos

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// busyWait is how long is waited for a worker to be busy: near the end of a crawl none may be any more.
const busyWait = 2 * time.Second

// busy is the index of the worker to strike: the one whose request was the moment, or one that is
// loading a page, or has an open bundle at least; the first one when none has.
func (c *crawl) busy(t *testing.T) int {
	t.Helper()
	if c.victim >= 0 {
		return c.victim
	}
	for deadline := time.Now().Add(busyWait); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, pattern := range []string{"worker-*/bundle-*/page-*", "worker-*/bundle-*"} {
			for i := range c.fleet.Workers {
				if len(glob(t, filepath.Join(c.folder(i), pattern))) > 0 {
					return i
				}
			}
		}
	}
	return 0
}

func killWorker(t *testing.T, c *crawl) { c.killAgain(t, c.fleet.Workers[c.busy(t)]) }

// killAgain kills processes and starts them again.
func (l *lane) killAgain(t *testing.T, processes ...*harness.Process) {
	t.Helper()
	for _, p := range processes {
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	for _, p := range processes {
		l.fleet.StartAgain(t, p)
	}
}

func stopWorker(t *testing.T, c *crawl) {
	p := c.fleet.Workers[c.busy(t)]
	noError(t, p.Stop())
	c.fleet.StartAgain(t, p)
}

// freeze stops a process for a while; its children go on.
func freeze(t *testing.T, p *harness.Process, length time.Duration) {
	t.Helper()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(length)
	noError(t, p.Signal(syscall.SIGCONT))
}

func freezeWorker(t *testing.T, c *crawl) { freeze(t, c.fleet.Workers[c.busy(t)], leaseOver) }

// browsers are the Chromes of a worker that is loading pages; there must be one.
func (c *crawl) browsers(t *testing.T) []harness.Browser {
	t.Helper()
	list, err := harness.Browsers(c.folder(c.busy(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("the worker has no browser")
	}
	return list
}

func killBrowser(t *testing.T, c *crawl) {
	for _, b := range c.browsers(t) {
		noError(t, syscall.Kill(b.PID, syscall.SIGKILL))
	}
}

func freezeBrowser(t *testing.T, c *crawl) {
	list := c.browsers(t)
	for _, b := range list {
		noError(t, b.Signal(syscall.SIGSTOP))
	}
	// One that no page was being loaded in is not missed before somebody wants it.
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if syscall.Kill(list[0].PID, 0) != nil {
			break
		}
	}
	for _, b := range list {
		noError(t, b.Signal(syscall.SIGCONT))
	}
}

func killOperators(t *testing.T, c *crawl) { c.killAgain(t, c.operators...) }

func killLeader(t *testing.T, c *crawl) {
	p := c.leader(t)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	c.otherLeads(t, p)
	c.fleet.StartAgain(t, p)
}

func freezeLeader(t *testing.T, c *crawl) {
	p := c.leader(t)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.otherLeads(t, p)
	noError(t, p.Signal(syscall.SIGCONT))
	// It finds that the lease is another's, and ends, for a cluster to start it again.
	for deadline := time.Now().Add(30 * time.Second); p.Running(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the operator that lost its lease goes on")
		}
	}
	c.fleet.StartAgain(t, p)
}

// leaseTaken is what an operator logs when it leads.
const leaseTaken = "Successfully acquired lease"

// leads tells whether an operator took the lease in its present life.
func leads(p *harness.Process) bool {
	log := p.Tail(1 << 20)
	return p.Running() && strings.Contains(log[max(0, strings.LastIndex(log, "--- ")):], leaseTaken)
}

// leader waits for an operator to lead.
func (l *lane) leader(t *testing.T) *harness.Process {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		for _, p := range l.operators {
			if leads(p) {
				return p
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no operator leads")
		}
	}
}

// otherLeads waits until another operator leads than this one.
func (l *lane) otherLeads(t *testing.T, than *harness.Process) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, p := range l.operators {
			if p != than && leads(p) {
				return
			}
		}
	}
	t.Fatal("no other operator takes over")
}

func killPart(part string) func(*testing.T, *crawl) {
	return func(t *testing.T, c *crawl) {
		if err := c.fleet.KillPart(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
}

func freezePart(part string, length time.Duration) func(*testing.T, *crawl) {
	return func(t *testing.T, c *crawl) {
		thaw, err := c.fleet.FreezePart(part)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(length)
		noError(t, thaw())
	}
}

func killStack(t *testing.T, c *crawl) {
	if err := c.fleet.Stack.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.fleet.StartStack(t.Context()); err != nil {
		t.Fatal(err)
	}
}
