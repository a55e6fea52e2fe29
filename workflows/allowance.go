package workflows

// The pages that an order allows are shared out among several shards: each has an
// allowance, and all of them together are never more than the order's. A shard that could
// use more says so; what an idle one does not use is taken back.

// grant is the allowance of a shard and its number, nil for no bound.
func (r *run) grant(shard int) (*int64, int64) {
	pages := r.job.Spec.Limits.Pages
	if pages <= 0 {
		return nil, 0
	}
	m := r.shards[shard]
	if m.grant == 0 {
		m.granted, m.grant = min(max(1, pages/int64(4*len(r.shards))), r.free()), 1
	}
	granted := m.granted
	return &granted, m.grant
}

// has is how many pages a shard may visit, or has: as long as it has not said that it
// keeps to a new allowance, the larger one counts.
func (m *member) has() int64 {
	kept := m.last.Used
	if m.last.Allowance != nil {
		kept = max(kept, *m.last.Allowance)
	}
	if m.last.Grant != m.grant {
		kept = max(kept, m.granted)
	}
	return kept
}

// free is how many pages no shard has.
func (r *run) free() int64 {
	free := r.job.Spec.Limits.Pages
	for _, m := range r.shards {
		free -= m.has()
	}
	return max(free, 0)
}

// allow gives a shard another allowance.
func (m *member) allow(pages int64) {
	if m.granted != pages {
		m.granted = pages
		m.grant++
		m.told = -1
	}
}

// share gives shards that could use more what is free, and takes back what idle ones do
// not use. It returns true when the limit is reached: some shard could use more, and
// nothing is left or will come free.
func (r *run) share() bool {
	var hungry []*member
	pending := false // something may come free, or is on its way
	for _, m := range r.shards {
		switch {
		case m.last.Hungry && m.last.Grant == m.grant:
			hungry = append(hungry, m)
			pending = pending || m.last.Counts.Leased > 0
		case !m.last.Idle || m.last.Grant != m.grant:
			pending = true
		}
	}
	if len(hungry) == 0 {
		return false
	}
	free := r.free()
	if free == 0 {
		return !r.reclaim() && !pending
	}
	portion := max(1, free/int64(2*len(hungry)))
	for _, m := range hungry {
		n := min(portion, free)
		if n > 0 {
			m.allow(m.has() + n)
		}
		free -= n
	}
	return false
}

// reclaim takes back what idle shards do not use, and tells whether there is something.
func (r *run) reclaim() bool {
	any := false
	for _, m := range r.shards {
		if m.last.Idle && m.last.Grant == m.grant && m.has() > m.last.Used {
			m.allow(m.last.Used)
			any = true
		}
	}
	return any
}
