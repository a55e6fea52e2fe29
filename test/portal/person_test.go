package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"crawlfleet.dev/crawlfleet/test/viewer"
)

// patience bounds what a page may take, on a machine that is busy.
const patience = 30 * time.Second

// A person sits at a browser of their own: nothing is shared with the others, as in private windows.
type person struct {
	*testing.T
	world *world
	// portal is the one that they use.
	portal string
	tab    context.Context
}

// visitor opens a browser to a portal.
func (w *world) visitor(t *testing.T, portal string) *person {
	t.Helper()
	tab, closeTab := chromedp.NewContext(w.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	if err := chromedp.Do(tab); err != nil { // not bound to the time of the first step
		t.Fatal(err)
	}
	p := &person{T: t, world: w, portal: portal, tab: tab}
	p.do(chromedp.EmulateViewport(1280, 800))
	return p
}

// login opens a browser and logs in.
func (w *world) login(t *testing.T, portal, name string) *person {
	t.Helper()
	p := w.visitor(t, portal)
	p.open("/crawls")
	p.enter(name)
	p.await("the page that was asked for", `location.pathname === "/crawls"`)
	return p
}

// reload loads the page again.
var reload = chromedp.Reload()

// noScript has the browser run no script of a page; what the test evaluates still is.
func (p *person) noScript() {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		p.Fatal(err)
	}
}

// with is the person in another part of the test.
func (p *person) with(t *testing.T) *person {
	same := *p
	same.T = t
	return &same
}

// enter fills in the provider's form.
func (p *person) enter(name string) {
	p.Helper()
	p.await("the provider's form", `document.querySelector("#user") !== null`)
	p.fill("#user", name)
	p.fill("#password", password)
	p.follow("form button")
}

func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%v; the page is %s", err, p.where())
	}
}

// look evaluates JavaScript in the page, and waits for what it promises.
func look[T any](p *person, script string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%.300s: %v", script, err)
	}
	return v
}

// await waits until an expression is true; a page that is being replaced has none.
func (p *person) await(what, script string) {
	p.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.tab, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		cancel()
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			p.Fatalf("%s does not come: %v; the page is %s", what, err, p.where())
		}
	}
}

// where says what the browser shows, for people.
func (p *person) where() string {
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + ": " + document.body?.innerText`))
	if err != nil {
		return err.Error()
	}
	return viewer.Normalize(s)
}

// open opens a path of the portal.
func (p *person) open(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.portal + path))
}

// follow clicks on what leads to another page and waits for that.
func (p *person) follow(selector string) {
	p.Helper()
	p.leave(func() { p.click(selector) })
}

// leave does what leads to another page and waits until that is there.
func (p *person) leave(act func()) {
	p.Helper()
	look[bool](p, `window.isLeft = true`)
	act()
	p.await("the next page", `!window.isLeft && document.readyState === "complete"`)
}

func (p *person) click(selector string) {
	p.Helper()
	if !look[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%s); e?.click(); return e !== null; })()`, quoted(selector))) {
		p.Fatalf("there is no %s on %s", selector, p.where())
	}
}

func (p *person) fill(selector, value string) {
	p.Helper()
	if !look[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%s); if (e) e.value = %s; return e !== null; })()`, quoted(selector), quoted(value))) {
		p.Fatalf("there is no %s on %s", selector, p.where())
	}
}

// press presses keys, one after the other.
func (p *person) press(keys string) {
	p.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// texts are the visible texts of all elements.
func (p *person) texts(selector string) []string {
	p.Helper()
	all := look[[]string](p, fmt.Sprintf(`[...document.querySelectorAll(%s)].map((e) => e.innerText)`, quoted(selector)))
	for i := range all {
		all[i] = viewer.Normalize(all[i])
	}
	return all
}

func (p *person) text() string {
	p.Helper()
	return viewer.Normalize(look[string](p, `document.body.innerText`))
}

// sees fails unless the page shows all parts.
func (p *person) sees(parts ...string) {
	p.Helper()
	text := p.text()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			p.Errorf("%q is not on %s", part, p.where())
		}
	}
}

// seesNone fails when the page, its source included, has one of the parts.
func (p *person) seesNone(parts ...string) {
	p.Helper()
	source := look[string](p, `document.documentElement.outerHTML`)
	for _, part := range parts {
		if strings.Contains(source, part) {
			p.Errorf("%q is on %s", part, p.where())
		}
	}
}

// archived is what is visible of the archived page when all of it is there, in the frame within ReplayWeb.page's own.
const archived = `(() => {
	const frames = (root) => [...root.querySelectorAll("*")].flatMap((e) => [
		...(e.shadowRoot ? frames(e.shadowRoot) : []), ...(e.tagName === "IFRAME" && e.contentDocument ? [e.contentWindow, ...frames(e.contentDocument)] : []),
	]);
	const page = frames(document).find((w) => w.location.href.includes("mp_/"))?.document;
	return page?.readyState === "complete" ? page.body.innerText : "";
})()`

// replayed waits until a text is replayed in the page's frame, which is of another origin and in a process of its own, and
// returns all that is shown.
func (p *person) replayed(want string) (text string) {
	p.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if text = p.inFrame(); strings.Contains(text, want) {
			return text
		}
	}
	p.Fatalf("%q is not replayed: %q", want, text)
	return ""
}

func (p *person) inFrame() string {
	p.Helper()
	targets, err := chromedp.Targets(p.tab)
	if err != nil {
		p.Fatal(err)
	}
	i := slices.IndexFunc(targets, func(i *target.Info) bool {
		return i.Type == "iframe" && strings.HasPrefix(i.URL, replayOf(p.portal)+"/r/")
	})
	if i < 0 {
		return ""
	}
	frame, detach := chromedp.NewContext(p.tab, chromedp.WithTargetID(targets[i].TargetID), chromedp.WithDetachOnCancel())
	defer detach()
	ctx, cancel := context.WithTimeout(frame, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](archived))
	if err != nil {
		return err.Error() // it is being replaced
	}
	return viewer.Normalize(text)
}

// search types into the one box, as people do.
func (p *person) search(query string) {
	p.Helper()
	p.fill("header.site input[type=search]", query)
	p.follow("header.site form.search button")
}

// searchPath is the address of a search.
func searchPath(query string, more ...string) string {
	v := url.Values{"q": {query}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return "/?" + v.Encode()
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return string(b)
}
