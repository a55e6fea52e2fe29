package portal

import (
	"os"
	"testing"
)

// part is a part of the test.
type part struct {
	name string
	run  func(*testing.T)
}

// TestPortal is everything that needs the stack; the parts go on from what those before them left.
func TestPortal(t *testing.T) {
	w := build(t)
	parts := []part{
		{"Find", w.find},
		{"See", w.see},
		{"API", w.api},
		{"Crawlctl", w.crawlctl},
		{"Custody", w.custody},
		{"Cases", w.cases},
		{"Rights", w.rights},
		{"Locally", w.locally},
		{"Running", w.running},
		{"Accessible", w.accessible},
		{"Verify", w.verify}, // it damages the archive, so it is the last
	}
	if os.Getenv(screenshotsTo) != "" {
		parts = []part{{"Cases", w.cases}, {"Running", w.running}, {"Screenshots", w.screenshots}}
	}
	for _, p := range parts {
		t.Run(p.name, p.run)
	}
	if foreign := w.gate.Foreign(); len(foreign) > 0 {
		t.Errorf("Chrome asked others than the portal and the provider: %q", foreign)
	}
	if w.gate.Passed(w.open) == 0 {
		t.Error("Chrome never asked the portal")
	}
}
