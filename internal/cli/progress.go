package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Progress shows how far something has come: a line that is rewritten on a
// terminal, and nothing elsewhere. The zero value shows nothing.
type Progress struct {
	// W takes the line; nil shows nothing.
	W io.Writer
	// Total is how many there are in all.
	Total int
	// Now is the clock, default time.Now.
	Now func() time.Time

	mu      sync.Mutex
	started time.Time
	done    int
	failed  int
	bytes   int64
	width   int
}

// Start begins to count.
func (p *Progress) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Now == nil {
		p.Now = time.Now
	}
	p.started = p.Now()
	p.draw()
}

// Add counts one more that is done.
func (p *Progress) Add(ok bool, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.bytes += bytes
	if !ok {
		p.failed++
	}
	p.draw()
}

// Println writes a line above the progress line.
func (p *Progress) Println(w io.Writer, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(w, line)
	p.draw()
}

// Stop removes the line.
func (p *Progress) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.W = nil
}

func (p *Progress) clear() {
	if p.W != nil && p.width > 0 {
		fmt.Fprintf(p.W, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}

func (p *Progress) draw() {
	if p.W == nil {
		return
	}
	p.clear()
	line := p.line()
	p.width = len(line)
	fmt.Fprint(p.W, line)
}

func (p *Progress) line() string {
	line := fmt.Sprintf("%d of %d pages", p.done, p.Total)
	if p.failed > 0 {
		line += fmt.Sprintf(", %d failed", p.failed)
	}
	line += ", " + Bytes(p.bytes)
	if took := p.Now().Sub(p.started); p.done > 0 && took > 0 {
		rate := float64(p.done) / took.Seconds()
		left := time.Duration(float64(p.Total-p.done) / rate * float64(time.Second))
		line += fmt.Sprintf(", %.1f pages/s, %s left", rate, left.Round(time.Second))
	}
	return line
}

// Bytes writes a number of bytes for people, in powers of 1024.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 && unit < 4 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit])
}
