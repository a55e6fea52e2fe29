package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// shiftOne sets the clock of a worker off until the crawl has ended.
func shiftOne(by time.Duration) func(*testing.T, *crawl) {
	return func(t *testing.T, c *crawl) {
		right, err := harness.ShiftClock(c.fleet.Workers[c.busy(t)].PID(), by)
		if err != nil {
			t.Fatal(err)
		}
		c.mend = append(c.mend, right)
	}
}

// shiftAll sets the clocks of all workers off until that is told, or the crawl has ended.
func shiftAll(t *testing.T, c *crawl) {
	for _, p := range c.fleet.Workers {
		right, err := harness.ShiftClock(p.PID(), 20*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { noError(t, right()) }()
	}
	c.fleet.WaitUntil(t, c.job.Name, "it is stalled for ClocksDiffer", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
		s := harness.Condition(job, "Stalled")
		return s.Status == "True" && s.Reason == "ClocksDiffer" || harness.Condition(job, "Finished").Status == "True"
	})
}

// fillDisk takes all of the room on the workers' disk for a while.
func fillDisk(t *testing.T, c *crawl) {
	name := filepath.Join(c.disk, "full")
	defer func() { noError(t, os.Remove(name)) }()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		_, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC): // until somebody else gives some back
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			t.Fatal(err)
		}
	}
}
