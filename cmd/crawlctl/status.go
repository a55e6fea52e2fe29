package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
)

// status is a line on a terminal that says how far something is, and nothing elsewhere.
type status struct {
	w     io.Writer // nil shows nothing
	width int
	last  time.Time
}

func newStatus(stderr io.Writer) *status {
	if !telemetry.IsTerminal(stderr) {
		return &status{}
	}
	return &status{w: stderr}
}

// show writes the line anew, ten times a second at most.
func (s *status) show(format string, args ...any) {
	if s.w == nil || time.Since(s.last) < 100*time.Millisecond {
		return
	}
	s.clear()
	line := cli.OneLine(fmt.Sprintf(format, args...))
	s.width, s.last = len(line), time.Now()
	fmt.Fprint(s.w, line)
}

// clear removes the line.
func (s *status) clear() {
	if s.w != nil && s.width > 0 {
		fmt.Fprintf(s.w, "\r%s\r", strings.Repeat(" ", s.width))
		s.width = 0
	}
}
