package portal

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A view is a page of the portal as somebody sees it.
type view struct {
	// name is that of its picture in the docs.
	name string
	// who looks; nobody has to log in at the local portal.
	who, path string
	// asking has it looked at where a purpose is asked for.
	asking bool
	// ready is what has to be there; then act is done, and undo when the view was seen.
	ready     string
	act, undo func(*person)
	// shots are the pictures of it in the docs: wide, dark, narrow.
	shots string
}

// views are all pages. A page that is new belongs here.
func (w *world) views() []view {
	snapshot := "/snapshots/" + w.summer.ID
	return []view{
		{name: "find", who: ann, path: searchPath(number), ready: ".hit mark", shots: "wide dark narrow"},
		{name: "find-all", who: ann, path: "/", ready: ".hit"},
		{name: "find-nothing", who: ann, path: searchPath("kingfisher"), ready: ".empty"},
		{name: "snapshot", who: ann, path: snapshot, ready: "[data-load] .verdict", shots: "wide narrow"},
		{name: "snapshot-shown", who: ann, path: snapshot, ready: "[data-load] .verdict", shots: "wide dark", act: func(p *person) {
			p.follow("[name=show]")
			p.await("the picture", `document.querySelector("[data-load] .verdict") !== null && ![...document.images].some((i) => !i.complete)`)
		}, undo: func(p *person) { p.follow("[name=hide]") }},
		{name: "snapshot-requests", who: ann, path: snapshot, ready: "[data-load] .verdict", act: func(p *person) {
			look[bool](p, `document.querySelectorAll("details").forEach((d) => { d.open = true }) === undefined`)
		}},
		{name: "timeline", who: ann, path: "/timeline?url=" + url.QueryEscape(w.summer.URL), ready: "tr.hit", shots: "wide"},
		{name: "timeline-gone", who: ann, path: "/timeline?url=" + rooms + "/bike/3", ready: "tr.hit"},
		{name: "compare", who: ann, path: "/compare?a=" + w.spring.ID + "&b=" + w.summer.ID, ready: "del", shots: "wide narrow", act: func(p *person) {
			look[bool](p, `document.querySelector("#text").scrollIntoView() === undefined`)
		}},
		{name: "compare-pictures", who: ann, path: "/compare?a=" + w.spring.ID + "&b=" + w.summer.ID, ready: ".pictures img", act: func(p *person) {
			p.follow("[name=show]")
			p.await("the pictures", `![...document.images].some((i) => !i.complete)`)
		}, undo: func(p *person) { p.follow("[name=hide]") }},
		{name: "replay", who: ann, path: "/snapshots/" + w.spring.ID + "/replay", ready: "iframe"},
		{name: "replay-shown", who: ann, path: "/snapshots/" + w.spring.ID + "/replay", ready: "iframe", shots: "wide", act: func(p *person) {
			p.click(".veil button")
			p.replayed(handle)
		}, undo: func(p *person) { p.click(".tools button") }},
		{name: "verify", who: ann, path: snapshot + "/verify", ready: "tbody tr", shots: "wide"},
		{name: "crawls", who: ann, path: "/crawls", ready: "tbody tr", shots: "wide"},
		{name: "run", who: ann, path: w.summer.run(), ready: "tbody tr", shots: "wide"},
		{name: "cases", who: ann, path: "/cases", ready: "tbody tr", shots: "wide"},
		{name: "case", who: ann, path: theCase, ready: ".incase", shots: "wide dark"},
		{name: "case-capture", who: ann, path: theCase + "/captures/" + w.summer.ID, ready: "[name=note]", shots: "wide"},
		{name: "case-history", who: ann, path: theCase + "/history", ready: "tbody tr"},
		{name: "case-keep", who: ann, path: theCase + "/keep", ready: "[name=until]"},
		{name: "case-erase", who: ann, path: theCase + "/erase", ready: "[name=why]"},
		{name: "case-handover", who: eve, path: theCase + "/handover", ready: "[name=to]", shots: "wide"},
		{name: "case-new", who: ann, path: "/cases/new", ready: "[name=title]"},
		{name: "case-add", who: ann, path: "/cases/add?id=" + w.spring.ID, ready: "[name=title]"},
		{name: "watches", who: ann, path: "/watches", ready: ".notice", shots: "wide"},
		{name: "watches-none", who: vera, path: "/watches", ready: ".empty"},
		{name: "watch-new", who: ann, path: "/watches/new?url=" + url.QueryEscape(w.summer.URL), ready: "[name=kind]"},
		{name: "live", who: ann, path: "/live", ready: "tbody tr", shots: "wide"},
		{name: "live-job", who: ann, path: "/live/" + theNorth + "/autumn", ready: ".facts", shots: "wide"},
		{name: "preferences", who: ann, path: "/crawls", ready: ".preferences", act: func(p *person) { p.click(".preferences summary") }},
		{name: "purpose", who: ann, path: snapshot, asking: true, ready: "main [name=purpose]", shots: "wide"},
		{name: "refused", who: nic, path: "/", ready: "main h1", shots: "wide"},
		{name: "nowhere", who: ann, path: "/nowhere", ready: "main h1"},
	}
}

// audience are the people of the views at their browsers.
type audience map[string]*person

func (a audience) of(t *testing.T, w *world, v view) *person {
	t.Helper()
	portal := w.open
	if v.asking {
		portal = w.asking
	}
	if p := a[portal+v.who]; p != nil {
		return p.with(t)
	}
	p := w.visitor(t, portal)
	p.open("/login?return=" + url.QueryEscape("/assets/icon.svg"))
	p.enter(v.who)
	a[portal+v.who] = p
	return p
}

// shows opens a view and waits until it is as it stays.
func (p *person) shows(v view) {
	p.Helper()
	p.open(v.path)
	p.await(v.name, `document.querySelector(`+quoted(v.ready)+`) !== null && ![...document.images].some((i) => !i.complete && i.loading !== "lazy")`)
	if v.act != nil {
		v.act(p)
	}
}

// leaves undoes what would be remembered.
func (p *person) leaves(v view) {
	if v.undo != nil {
		v.undo(p)
	}
}

// dress sets how wide the window is, and whether people like it dark.
func (p *person) dress(width, height int64, scheme string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.Fatal(err)
	}
}

// axeDir has the pinned axe-core.
const axeDir = "axe"

// axe is axe-core; npm fetches what is locked.
func axe(t *testing.T) string {
	t.Helper()
	file := filepath.Join(axeDir, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(file); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = axeDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in test/portal/axe (needs Node.js and npm: `make node`): %v\n%s", err, out)
		}
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// audit runs axe-core in the page with all rules of WCAG 2.2, levels A and AA.
const audit = `(async () => {
	const found = await axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
	return found.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? '')).join(' | '));
})()`

// accessible checks every page, light and dark, wide and narrow.
func (w *world) accessible(t *testing.T) {
	source := axe(t)
	people := audience{}
	for n, v := range w.views() {
		p := people.of(t, w, v)
		if n == 0 {
			p.auditIsReal(v, source)
		}
		for _, size := range []struct{ width, height int64 }{{1280, 800}, {360, 740}} {
			for _, scheme := range []string{"light", "dark"} {
				p.dress(size.width, size.height, scheme)
				p.shows(v)
				look[bool](p, source+"; true")
				for _, violation := range p.violations() {
					t.Errorf("%s, %d wide, %s: %s", v.name, size.width, scheme, violation)
				}
				p.leaves(v)
			}
		}
		p.dress(320, 640, "light")
		p.shows(v)
		if wide := look[int](p, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("%s: is %d wide where there are 320 pixels: %s", v.name, wide, look[string](p, tooWide))
		}
		p.leaves(v)
		p.dress(1280, 800, "light")
		p.focused(v)
	}
}

// auditIsReal has axe-core find what was spoilt on purpose.
func (p *person) auditIsReal(v view, source string) {
	p.Helper()
	p.shows(v)
	look[bool](p, source+`; document.querySelector("main").insertAdjacentHTML("beforeend", "<img src='/assets/icon.svg'><p id=pale>pale</p>"); pale.style.color = "#ccc"; true`)
	if found := strings.Join(p.violations(), "\n"); !strings.Contains(found, "image-alt") || !strings.Contains(found, "color-contrast") {
		p.Errorf("axe-core finds no fault where there are two: %s", found)
	}
}

// tooWide names what makes a page too wide.
const tooWide = `[...document.querySelectorAll("main *, header *, footer *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 4).map((e) => e.tagName + "." + e.className).join(", ")`

func (p *person) violations() []string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](audit, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("axe-core: %v", err)
	}
	return found
}

// focused goes through a page with the tabulator and looks whether it can be seen where one is.
func (p *person) focused(v view) {
	p.Helper()
	p.shows(v)
	defer p.leaves(v)
	const most = 25
	for range most {
		p.press("\t")
		at := look[string](p, `(() => {
			const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
			if (e === document.body || e.tagName === "IFRAME") return "";
			if (e.type === "date" && !e.matches(":focus-visible")) return "ok, the button inside has a ring of its own";
			const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 && b.width > 0 && b.bottom > 0 && b.top < innerHeight && b.right > 0 && b.left < innerWidth;
			return (seen ? "ok " : "unseen ") + e.outerHTML.slice(0, 120);
		})()`)
		if at == "" {
			return
		}
		if !strings.HasPrefix(at, "ok") {
			p.Errorf("%s: the focus cannot be seen at %s", v.name, at)
		}
	}
}
