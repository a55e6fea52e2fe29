package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// banner is a dialog about cookies with the given buttons. What was clicked is in the title.
func banner(buttons string) string {
	return `<title>nothing</title><link rel=icon href=data:,><p>The page</p><div id=b style="position:fixed;bottom:0;left:0;right:0;height:120px;background:#eee">
<p>We use cookies to improve your experience.</p>` + buttons + `</div><script>
document.querySelectorAll('#b button, #b a').forEach(e => e.addEventListener('click', () => { document.title += ' ' + e.dataset.t; b.remove() }))</script>`
}

// TestConsent: what rejects is clicked before what closes, and what accepts never.
func TestConsent(t *testing.T) {
	t.Parallel()
	accept := `<button data-t=accepted>Accept all</button>`
	pages := map[string]struct {
		reason, page, title, action string
		limit                       string
	}{
		"/reject": {"Rejecting comes before accepting and closing.", banner(accept + `<button data-t=closed aria-label=Close>×</button><button data-t=rejected>Reject all</button>`), "nothing rejected", "a dialog was rejected", ""},
		"/close":  {"Where nothing rejects, it is closed.", banner(accept + `<button data-t=closed aria-label=Close>×</button>`), "nothing closed", "a dialog was closed", ""},
		"/accept": {"Where there is nothing but to accept, it is left.", banner(accept + `<button data-t=settings>Settings</button>`), "nothing", "a dialog was left open", ""},
		"/polish": {"Other languages are known.", banner(`<button data-t=accepted>Akceptuję</button><button data-t=rejected>Odrzuć wszystkie</button>`), "nothing rejected", "rejected", ""},
		"/thai":   {"So are languages without spaces.", banner(`<button data-t=accepted>ยอมรับ</button><button data-t=rejected>ปฏิเสธทั้งหมด</button>`), "nothing rejected", "rejected", ""},
		"/link":   {"A link that leads away is none that closes.", banner(accept + `<a data-t=left href="/elsewhere">Reject all</a>`), "nothing", "left open", ""},
		"/submit": {"What submits a form is left.", banner(`<form action=/elsewhere><button data-t=sent>Reject all</button></form>` + accept), "nothing", "left open", ""},
		"/onetrust": {"A known dialog is told by name.", `<title>nothing</title><link rel=icon href=data:,><div id=onetrust-banner-sdk style="position:fixed;top:0;height:99px"><p>x</p><button id=onetrust-accept-btn-handler onclick="document.title='accepted'">OK</button>
			<button id=onetrust-reject-all-handler onclick="document.title+=' rejected'; this.parentNode.remove()">Nope</button></div>`, "nothing rejected", "OneTrust was rejected", ""},
		"/usercentrics": {"Also in a shadow root.", `<title>nothing</title><link rel=icon href=data:,><div id=usercentrics-root></div><script>
			const r = document.getElementById('usercentrics-root').attachShadow({mode: 'open'}); r.innerHTML = '<div style="position:fixed;top:0"><button data-testid=uc-accept-all-button>Ja</button><button data-testid=uc-deny-all-button>Nein</button></div>';
			r.querySelector('[data-testid=uc-deny-all-button]').onclick = () => { document.title += ' rejected'; r.host.remove() }</script>`, "nothing rejected", "Usercentrics was rejected", ""},
		"/late": {"One that comes late is closed as well.", `<title>nothing</title><link rel=icon href=data:,><p>x</p><script>setTimeout(() => { document.body.insertAdjacentHTML('beforeend', '<div role=dialog style="position:fixed;top:0">Cookies! <button onclick="document.title+=\' rejected\'; this.parentNode.remove()">Decline</button></div>') }, 200)</script>`, "nothing rejected", "a dialog was rejected", ""},
		"/age": {"An age gate is not passed, whatever else it asks.", `<title>nothing</title><link rel=icon href=data:,><p>Behind</p><div style="position:fixed;inset:0;background:#000;color:#fff"><h1>Are you 18 or over?</h1><p>This site uses cookies.</p>
			<button onclick="document.title='entered'">I am over 18</button><button onclick="location.href='/elsewhere'">Decline</button><button aria-label=Close onclick="document.title='closed'">×</button></div>`, "nothing", "", "AgeGate"},
		"/agepage": {"A page that is nothing but an age gate is told as one.", `<title>nothing</title><link rel=icon href=data:,><h1>Adults only</h1><p>You must be at least 18 years old to enter.</p><a href="/elsewhere">Enter</a>`, "nothing", "", "AgeGate"},
		"/none":    {"A page without any has nothing done to it.", `<title>nothing</title><link rel=icon href=data:,><p>We write about cookies. <button onclick="document.title='clicked'">Reject all</button></p>`, "nothing", "", ""},
	}
	routes := map[string]any{"/elsewhere": `<title>elsewhere</title>`,
		"/frame/{$}": `<title>nothing</title><link rel=icon href=data:,><p>The page</p><iframe id=sp_message_iframe_1 src="/frame/dialog" style="position:fixed;bottom:0"></iframe><script>addEventListener('message', e => { document.title += ' ' + e.data; document.querySelector('iframe').remove() })</script>`,
		"/frame/dialog": `<div>We and our partners use cookies<button class="message-component sp_choice_type_11" onclick="parent.postMessage('accepted', '*')">Yes</button>
			<button title="Reject All" class="message-component sp_choice_type_13" onclick="parent.postMessage('rejected', '*')">Reject All</button></div>`,
	}
	for path, p := range pages {
		routes[path] = p.page
	}
	pages["/frame/"] = struct{ reason, page, title, action, limit string }{"One in a frame is found there.", "", "nothing rejected", "rejected", ""}
	site := serve(t, routes)
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	for path, tc := range pages {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			t.Parallel()
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL+path)
			if p.Title != tc.title || p.FinalURL != site.URL+path {
				t.Errorf("%s\nit ended with %q at %s, want %q; actions %+v", tc.reason, p.Title, p.FinalURL, tc.title, p.Actions)
			}
			if said := actions(p, "consent"); (tc.action == "") != (len(said) == 0) || !strings.Contains(strings.Join(said, "\n"), tc.action) {
				t.Errorf("%s\nactions %q, want %q", tc.reason, said, tc.action)
			}
			if hasLimit(p, "AgeGate") != (tc.limit == "AgeGate") {
				t.Errorf("%s\nlimits %+v", tc.reason, p.Limits)
			}
		})
	}
	t.Run("Disabled", func(t *testing.T) {
		t.Parallel()
		p := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/reject", func(v *Visit) { v.NoConsent = true })
		if p.Title != "nothing" || len(actions(p, "consent")) != 0 {
			t.Errorf("title %q, actions %+v", p.Title, p.Actions)
		}
	})
}

// actions are the details of the actions of a name.
func actions(p *Page, name string) []string {
	var out []string
	for _, a := range p.Actions {
		if a.Name == name {
			out = append(out, a.Detail)
		}
	}
	return out
}

// TestExpand: folds are opened and buttons for more clicked, in many languages, and
// nothing that leads away, sends or writes.
func TestExpand(t *testing.T) {
	t.Parallel()
	labels := []string{"Load more", "Show 10 more results", "Meer laden", "Toon meer advertenties", "Mehr anzeigen", "Weitere laden", "Voir plus", "Afficher plus d’annonces", "Ver más", "Cargar más",
		"Ver mais", "Carregar mais", "Mostra altro", "Carica altri", "Pokaż więcej", "Załaduj więcej", "Vezi mai multe", "Încarcă mai mult", "Виж още", "Зареди още", "Továbbiak betöltése", "Több megjelenítése",
		"Daha fazla göster", "DAHA FAZLA YÜKLE", "Показать ещё", "Загрузить ещё 20", "Показати ще", "Завантажити більше", "عرض المزيد", "تحميل المزيد", "加载更多", "查看更多内容", "Xem thêm", "Tải thêm tin", "ดูเพิ่มเติม", "โหลดเพิ่มเติม"}
	var buttons strings.Builder
	for i, l := range labels {
		fmt.Fprintf(&buttons, `<div><button onclick="this.outerHTML='<p>opened-%d.</p>'">%s</button></div>`, i, l)
	}
	trap := func(t *testing.T) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was asked for", r.Method, r.URL) }
	}
	site := serve(t, map[string]any{
		"/languages": `<link rel=icon href=data:,>` + buttons.String(),
		"/folds": `<link rel=icon href=data:,><details><summary>One</summary><p>in the fold</p></details><details name=g><summary>A</summary><p>first of a group</p></details><details name=g><summary>B</summary><p>second of a group</p></details>
			<button aria-expanded=false aria-controls=c onclick="c.hidden = false; this.ariaExpanded = 'true'">Question</button><p id=c hidden>the answer</p>
			<nav><button aria-expanded=false onclick="document.title='menu'">Menu</button><details><summary>x</summary>menu</details></nav><button aria-haspopup=menu aria-expanded=false onclick="document.title='menu'">Share</button>`,
		"/list": `<link rel=icon href=data:,><ul id=l></ul><button onclick="more()">Показать ещё</button><script>let n = 0; async function more() { const t = await (await fetch('/items?page=' + ++n)).text();
			for (const x of t.split(' ')) if (x) { const li = document.createElement('li'); li.textContent = x; l.append(li) } }; more()</script>`,
		"/items": func(w http.ResponseWriter, r *http.Request) {
			var n int
			if _, err := fmt.Sscan(r.URL.Query().Get("page"), &n); err == nil && n <= 5 {
				fmt.Fprintf(w, "item-%d-a item-%d-b", n, n)
			}
		},
		"/traps": `<link rel=icon href=data:,><a href="/gone">Load more</a><a href="mailto:a@example.org" role=button>Show more</a><a href="tel:+15550100" role=button>Show more</a><a href="/gone" download role=button>See more</a>
			<form action=/gone><button>Load more</button><button type=button onclick="location='/gone'">Show more</button><input type=submit value="Show more"></form><button form=f>Load more</button><form id=f action=/gone></form>
			<a href="/gone"><button>Load more</button></a><button disabled onclick="location='/gone'">Load more</button><details open><summary>x</summary>y</details>`,
		"/gone":      trap(t),
		"/navigates": `<title>stays</title><link rel=icon href=data:,><button onclick="location.href='/gone'">Load more</button>`,
		"/later":     `<title>stays</title><link rel=icon href=data:,><button onclick="setTimeout(() => location.assign('/gone'), 150)">Load more</button>`,
		"/fetched":   `<title>stays</title><link rel=icon href=data:,><button onclick="fetch('/items').then(() => { location = '/gone' })">Load more</button>`,
		"/slow":      `<title>stays</title><link rel=icon href=data:,><button onclick="setTimeout(() => location.assign('/gone'), 450)">Load more</button><script>addEventListener('scroll', () => { for (const t = Date.now(); Date.now() < t + 200;); })</script><div style="height:2000px"></div>`,
		"/twice":     `<title>stays</title><link rel=icon href=data:,><button onclick="location.href='/gone'">Load more</button><button onclick="setTimeout(() => location.assign('/gone'), 100)">Show more</button>`,
		"/anchors":   `<title>stays</title><link rel=icon href=data:,><a id=a href=/gone></a><button onclick="a.click()">Load more</button>`,
		"/forms":     `<title>stays</title><link rel=icon href=data:,><form id=f action=/gone></form><form id=g action=/gone method=post></form><button onclick="f.submit()">Load more</button><button onclick="f.requestSubmit()">Show more</button><button onclick="g.submit()">See more</button>`,
		"/opens":     `<title>stays</title><link rel=icon href=data:,><button onclick="window.open('/gone')">Load more</button>`,
		"/back":      `<title>stays</title><link rel=icon href=data:,><button onclick="history.back()">Load more</button>`,
		"/reloads":   `<title>stays</title><link rel=icon href=data:,><button onclick="location.reload()">Load more</button>`,
		"/route":     `<title>stays</title><link rel=icon href=data:,><p id=p>home</p><button onclick="history.pushState({}, '', '/other'); p.textContent = 'other'">Load more</button><script>onpopstate = () => { p.textContent = 'home again' }</script>`,
		"/endless":   `<link rel=icon href=data:,><button onclick="document.body.append(document.createElement('p'))">Load more</button>`,
		"/hangs":     `<link rel=icon href=data:,><p>Hung</p><button onclick="for(;;);">Load more</button>`,
	})
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	all := func(t *testing.T, p *Page, want ...string) {
		t.Helper()
		text := read(t, p.TextFile)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("the text lacks %q: %q", w, text)
			}
		}
	}
	stays := func(actionWanted bool) func(*testing.T, *Page) {
		return func(t *testing.T, p *Page) {
			t.Helper()
			if p.Title != "stays" || len(p.Redirects) != 0 || hasAction(p, "refused") != actionWanted {
				t.Errorf("title %q at %s by way of %v, actions %+v", p.Title, p.FinalURL, p.Redirects, p.Actions)
			}
		}
	}
	tests := map[string]struct {
		reason string
		check  func(*testing.T, *Page)
	}{
		"/languages": {"What there is more of is found in each language.", func(t *testing.T, p *Page) {
			text := read(t, p.TextFile)
			for i, l := range labels {
				if !strings.Contains(text, fmt.Sprintf("opened-%d.", i)) {
					t.Errorf("%q was not clicked", l)
				}
			}
		}},
		"/folds": {"Folds are opened, menus are not.", func(t *testing.T, p *Page) {
			all(t, p, "in the fold", "second of a group", "the answer")
			if p.Title == "menu" || !slices.Equal(actions(p, "expand"), []string{"3 folds opened, 1 toggles and 0 buttons for more clicked"}) {
				t.Errorf("title %q, actions %+v", p.Title, p.Actions)
			}
		}},
		"/list": {"A list is loaded to its end.", func(t *testing.T, p *Page) {
			all(t, p, "item-1-a", "item-5-b")
			if hasLimit(p, "Expand") {
				t.Errorf("limits %+v", p.Limits)
			}
		}},
		"/traps": {"Nothing is clicked that leads away, sends or writes.", func(t *testing.T, p *Page) {
			if hasAction(p, "expand") || hasAction(p, "refused") {
				t.Errorf("actions %+v", p.Actions)
			}
		}},
		"/navigates": {"A click that would leave the page does not.", stays(true)},
		"/later":     {"Nor one that would a little later.", stays(true)},
		"/fetched":   {"Nor one that would when an answer has come.", stays(true)},
		"/twice":     {"Nor two that would.", stays(true)},
		"/anchors":   {"Nor one that clicks a link.", stays(false)},
		"/forms":     {"Nor one that submits a form.", stays(true)},
		"/reloads":   {"Nor one that loads the page anew.", stays(true)},
		"/opens":     {"A window is not opened.", stays(false)},
		"/slow":      {"Nor one that would when all seems to be over.", stays(true)},
		"/back":      {"The empty page before is not gone back to.", stays(false)},
		"/route": {"Another route of the page is left again.", func(t *testing.T, p *Page) {
			all(t, p, "home again")
			if !hasLimit(p, "Expand") || !strings.HasSuffix(p.FinalURL, "/route") {
				t.Errorf("at %s, limits %+v", p.FinalURL, p.Limits)
			}
		}},
		"/endless": {"A list without end is bounded.", func(t *testing.T, p *Page) {
			if !hasLimit(p, "Expand") || p.Timings.Settled > maxExpand+10*time.Second {
				t.Errorf("settled after %s, limits %+v", p.Timings.Settled, p.Limits)
			}
		}},
	}
	for path, tc := range tests {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			t.Parallel()
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL+path)
			if want := (Outcome{State: Archived}); p.Outcome != want {
				t.Errorf("%s\noutcome %+v", tc.reason, p.Outcome)
			}
			if tc.check(t, p); t.Failed() {
				t.Log(tc.reason)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		p := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/hangs")
		if p.Outcome.Reason != ReasonPageTimeout {
			t.Errorf("outcome %+v", p.Outcome)
		}
	})
	t.Run("Disabled", func(t *testing.T) {
		t.Parallel()
		p := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/folds", func(v *Visit) { v.NoExpand = true })
		if strings.Contains(read(t, p.TextFile), "in the fold") || hasAction(p, "expand") {
			t.Errorf("actions %+v", p.Actions)
		}
	})
}

// TestSlowListIsNoPoller: a list that comes piece by piece, with pauses, is waited for to
// its end: what makes the page grow is no poller.
func TestSlowListIsNoPoller(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/": `<div id=l></div><script>let n = 0, busy = false; const more = async () => { if (busy || n >= 9) return; busy = true;
			const d = document.createElement('p'); d.style.height = '250px'; d.textContent = await (await fetch('/items?' + ++n)).text(); l.append(d); await new Promise((done) => setTimeout(done, 150)); busy = false; fill() };
			const fill = () => { if (innerHeight + scrollY > document.body.scrollHeight - 300) more() }; onscroll = fill; fill()</script>`,
		"/items": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(quietScripted + 200*time.Millisecond)
			fmt.Fprint(w, "item "+r.URL.RawQuery)
		},
	})
	p := visit(t, newStay(t, newPool(t), StayOptions{}), site.URL, func(v *Visit) { v.Text = true })
	if text := read(t, p.TextFile); !strings.Contains(text, "item 9") {
		t.Errorf("the text is %q", text)
	}
}
