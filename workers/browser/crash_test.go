package browser

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFrameCrash: a page whose frame of another origin crashed is archived as incomplete,
// is not waited for in vain, and leaves the tab in order. The headless shell isolates no
// sites: there such a frame goes with its page.
func TestFrameCrash(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	wait := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}
	frame := serve(t, map[string]any{"/frame": `<p>Soon gone</p><script src="/wait"></script>`, "/wait": wait})
	elsewhere := strings.Replace(frame.URL, "127.0.0.1", "localhost", 1)
	page := `<p>Stays</p><iframe src="` + elsewhere + `/frame?key=secret"></iframe>`
	site := serve(t, map[string]any{"/": page, "/after": `<p>All is well</p>`})
	s := newStay(t, newPool(t), StayOptions{Engine: EngineChromium})
	go func(tab *tab) {
		<-asked
		for !crash(tab) && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}(s.tab)
	p := visit(t, s, site.URL+"/")
	if p.Outcome.State != Archived || !strings.Contains(read(t, p.TextFile), "Stays") {
		t.Errorf("outcome %+v", p.Outcome)
	}
	want := Limit{LimitFrame, "the renderer of a frame crashed: " + elsewhere + "/frame"}
	if !slices.Equal(p.Limits, []Limit{want}) || p.Incomplete() != want.Detail {
		t.Errorf("limits %+v, incomplete %q", p.Limits, p.Incomplete())
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived || p.Incomplete() != "" || len(p.Limits) > 0 {
		t.Errorf("the page after it: %+v, limits %+v", p.Outcome, p.Limits)
	}
}

// crash has the renderer of a tab's frame crash, and reports whether there was one whose
// document is there: until then it is another process that would.
func crash(t *tab) bool {
	a := t.account()
	if a == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.children {
		a.mu.Lock()
		f := a.frames[c.target]
		there := f != nil && strings.HasSuffix(f.URL, "/frame?key=secret")
		a.mu.Unlock()
		if there {
			c.session.post("Page.crash", nil)
			return true
		}
	}
	return false
}

// A frame's address is told without what may be personal in it, or content.
func TestWhereabouts(t *testing.T) {
	t.Parallel()
	a := newAccount(time.Now, "main", "")
	for address, want := range map[string]string{
		"https://a.example/path?name=x#y": "https://a.example/path",
		"data:text/html,<p>content</p>":   "data:",
		"blob:https://a.example/0123":     "blob:",
		"about:srcdoc":                    "about:",
		"":                                "its address is not known",
		"https://a.example/%zz?name=x":    "https://a.example/%zz",
		"https://a.example/" + strings.Repeat("x", 600): "https://a.example/" + strings.Repeat("x", 482),
	} {
		a.frames["f"] = &Frame{ID: "f", URL: address}
		if got := a.whereabouts("f"); got != want {
			t.Errorf("whereabouts of %q: %q, want %q", address, got, want)
		}
	}
	if got := a.whereabouts("another"); got != "its address is not known" {
		t.Errorf("of an unknown frame: %q", got)
	}
}
