package archive

import (
	"errors"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// robotsInfo says in a page's record by which robots.txt it was visited (RFC 9309).
type robotsInfo struct {
	URL     string    `json:"url"`
	Fetched time.Time `json:"fetched"`
	// Address is the page, or what it redirected to; Rule the line that allowed it, empty
	// when no line speaks of it.
	Address string `json:"address"`
	Rule    string `json:"rule,omitempty"`
	// Record is the ID of the record with the answer, empty when none came.
	Record string `json:"record,omitempty"`
}

// AddRobots writes a robots.txt, with the redirects that led to it, unless the chunk has it
// already: every chunk stands alone. When it fails the chunk is as it was before.
func (c *Chunk) AddRobots(u browser.RobotsUse) error {
	if c.closed || c.ended {
		return errors.New("chunk: closed")
	}
	if _, there := c.robots[robotsKey(u)]; there || len(u.Exchanges) == 0 {
		return nil
	}
	before := c.Size()
	w := newPageWriter(c, &browser.Page{Exchanges: u.Exchanges})
	for i := range u.Exchanges {
		if err := w.exchange(&u.Exchanges[i], nil); err != nil {
			return errors.Join(fmt.Errorf("chunk: %s: %w", u.URL, err), c.rollBack(before))
		}
	}
	if err := c.buf.Flush(); err != nil {
		return errors.Join(fmt.Errorf("chunk: %s: %w", u.URL, err), c.rollBack(before))
	}
	w.keep()
	c.history.travelled(u.Exchanges)
	c.robots[robotsKey(u)] = w.refs[len(w.refs)-1].Response
	return nil
}

func robotsKey(u browser.RobotsUse) string {
	return u.URL + " " + u.Fetched.UTC().Format(time.RFC3339Nano)
}

// robots are what the page's record says of its robots.txt.
func (w *pageWriter) robots() []robotsInfo {
	var out []robotsInfo
	for _, u := range w.page.Robots {
		out = append(out, robotsInfo{URL: u.URL, Fetched: u.Fetched.UTC(), Address: u.Address, Rule: u.Rule, Record: w.chunk.robots[robotsKey(u)]})
	}
	return out
}

// newPageWriter makes a writer for records that belong together.
func newPageWriter(c *Chunk, p *browser.Page) *pageWriter {
	return &pageWriter{
		chunk: c, page: p, index: cdxj.NewIndexer(warcName),
		originals: make(map[string]original), filled: make(caches), conns: make(map[int64]connection), answers: make(map[string]string),
	}
}
