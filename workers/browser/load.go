package browser

// Load is how much a pool has to do, and what it takes for that.
type Load struct {
	// Browsers are the Chromes that run, those that are being replaced among them.
	Browsers int
	// Stays are the visitors that stay at a host, Waiting those that wait for a tab.
	Stays, Waiting int
	// Busy are the pages that are worked on, of at most Tabs at a time.
	Busy, Tabs int
	// Bytes are the memory that the processes of all Chromes hold. What they share counts for each.
	Bytes int64
}

// Load tells how much the pool has to do. The processes are looked for among all of the machine, which takes some
// milliseconds for each Chrome.
func (p *Pool) Load() Load {
	load := Load{Stays: len(p.slots), Waiting: int(p.waiting.Load()), Busy: p.turns.taken(p.opts.Tabs), Tabs: p.opts.Tabs}
	var running []*chrome
	p.mu.Lock()
	for c := range p.chromes {
		if !c.lost() {
			running = append(running, c)
		}
	}
	p.mu.Unlock()
	load.Browsers = len(running)
	for _, c := range running {
		load.Bytes += residentBytes(c.proc.cmd.Process.Pid, c.proc.profile)
	}
	return load
}

// taken is how many of all turns are somebody's.
func (t *turns) taken(all int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return all - t.free
}
