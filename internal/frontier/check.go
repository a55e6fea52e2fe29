package frontier

import (
	"errors"
	"fmt"
	"maps"
)

// ErrBooks means that the books do not balance.
var ErrBooks = errors.New("the books do not balance")

// Check compares the books with the tables that are in memory: the queues of the hosts that
// changed since the manifest, and the pages that are leased or put aside. It returns the error
// that cut a step short, when there is one.
func (s *State) Check() error {
	if s.err != nil {
		return s.err
	}
	for key := range s.changed.hosts {
		if err := s.checkHost(s.hosts[key]); err != nil {
			return err
		}
	}
	var leased int64
	for bundle, pages := range s.leased {
		for _, p := range pages {
			if p.Status == Leased && p.Bundle == bundle {
				leased++
			}
		}
	}
	c := s.counts
	if delayed := int64(len(s.later)); s.checked != c.Queued || delayed != c.Delayed || leased != c.Leased {
		return fmt.Errorf("%w: queued, delayed and leased are %d, %d and %d, booked %d, %d and %d",
			ErrBooks, s.checked, delayed, leased, c.Queued, c.Delayed, c.Leased)
	}
	return c.check()
}

// checkHost adds up the pages in the queues.
func (s *State) checkHost(h *host) error {
	if h.stored < 0 {
		return fmt.Errorf("%w: host %q has %d pages in the queue", ErrBooks, h.key, h.stored)
	}
	s.checked += h.queued() - h.checked
	h.checked = h.queued()
	return nil
}

// checkAll is Check for all hosts, those too that nothing was noted of.
func (s *State) checkAll() error {
	for _, h := range s.hosts {
		if err := s.checkHost(h); err != nil {
			return err
		}
	}
	return s.Check()
}

// check adds up the books.
func (c Counts) check() error {
	sum := c.Queued + c.Delayed + c.Leased + c.Archived
	for _, books := range []map[string]int64{c.Failed, c.Skipped} {
		for _, n := range books {
			sum += n
		}
	}
	if c.Incomplete > c.Archived {
		return fmt.Errorf("%w: %d archived pages, %d of them incomplete", ErrBooks, c.Archived, c.Incomplete)
	}
	if c.Compared.Sum() > c.Archived {
		return fmt.Errorf("%w: %d archived pages, compared %+v", ErrBooks, c.Archived, c.Compared)
	}
	if sum != c.Discovered {
		return fmt.Errorf("%w: %d discovered, %d accounted for", ErrBooks, c.Discovered, sum)
	}
	return nil
}

// Recount reads every row that is stored and compares the books with them: each URL is
// in the seen table once, those that are open are in the queue or held, and no other.
// It takes time and memory in proportion to all that was discovered.
func (s *State) Recount() error {
	if err := s.checkAll(); err != nil {
		return err
	}
	open := map[fp]bool{}
	counted := Counts{Failed: map[string]int64{}, Skipped: map[string]int64{}}
	unknown := 0
	err := s.eachSeen(func(key fp, f fate) {
		counted.Discovered++
		switch {
		case f == fateOpen:
			open[key] = true
		case f == fateArchived:
			counted.Archived++
		case int(f-fateReasons) < len(s.reasons):
			name := s.reasons[f-fateReasons]
			books := counted.Failed
			if Status(name[:1]) == Skipped {
				books = counted.Skipped
			}
			books[name[2:]]++
		default:
			unknown++
		}
	})
	if err != nil {
		return err
	}
	c := s.counts
	if unknown > 0 || counted.Discovered != c.Discovered || counted.Archived != c.Archived ||
		!maps.Equal(counted.Failed, c.Failed) || !maps.Equal(counted.Skipped, c.Skipped) {
		return fmt.Errorf("%w: the seen table holds %+v and %d others, booked %+v", ErrBooks, counted, unknown, c)
	}
	return s.recountOpen(open)
}

// recountOpen compares the pages that are open with the queue and with those held.
func (s *State) recountOpen(open map[fp]bool) error {
	stored := map[string]int64{}
	visit := func(r row) error {
		waits, err := s.waiting(r)
		if err != nil || !waits {
			return err
		}
		p, err := readQueueRow(r)
		if err != nil {
			return err
		}
		if !open[p.key] {
			return fmt.Errorf("%w: page %s is in the queue twice", ErrBooks, p.FP)
		}
		delete(open, p.key)
		stored[p.host]++
		return nil
	}
	if err := s.eachQueued(visit); err != nil {
		return err
	}
	for _, h := range s.hosts {
		if stored[h.key] != h.stored {
			return fmt.Errorf("%w: the queue holds %d pages of host %q, booked %d", ErrBooks, stored[h.key], h.key, h.stored)
		}
	}
	for _, p := range s.held {
		if !open[p.key] {
			return fmt.Errorf("%w: page %s is held and done, or queued", ErrBooks, p.FP)
		}
		delete(open, p.key)
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: %d pages are neither queued nor held nor done", ErrBooks, len(open))
	}
	return nil
}

// eachQueued calls visit for every row of the queue, those too that are read.
func (s *State) eachQueued(visit func(row) error) error {
	for _, run := range s.queue.runs {
		if !s.loadQueue(run) {
			return s.err
		}
		if err := run.seg.scan(s.codec, visit); err != nil {
			return err
		}
	}
	for key, list := range s.queue.recent {
		for _, e := range list {
			if err := visit(row{key: queueKey(key, e.order), value: e.value}); err != nil {
				return err
			}
		}
	}
	return nil
}
