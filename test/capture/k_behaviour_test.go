package capture

import (
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// textIs checks the text that was taken of the page.
func textIs(want string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		for _, rec := range r.records {
			if strings.HasPrefix(rec.TargetURI, "urn:text:") {
				if got := strings.Join(strings.Fields(string(rec.text)), " "); !strings.Contains(got, want) {
					t.Errorf("the text is %.500q, want %q in it", got, want)
				}
				return
			}
		}
		t.Error("there is no text")
	}
}

// behaviour is group K.
func behaviour() []testCase {
	items := func(_ *site, x *wire.Exchange) {
		x.Answer("200 OK", mimeText, "item of page "+x.Target[strings.Index(x.Target, "?")+1:])
	}
	return []testCase{
		{
			name: "K infinite scroll with an end",
			text: "item of page 1",
			serve: routes{"items": items, "": html(`<div id=l></div><script>let n = 0, busy = false; const more = async () => { if (busy || n >= 8) return; busy = true;
				const d = document.createElement('p'); d.style.height = '700px'; d.textContent = await (await fetch('items?' + ++n)).text(); l.append(d); busy = false; fill() };
				const fill = () => { if (innerHeight + scrollY > document.body.scrollHeight - 300) more() }; onscroll = fill; fill()</script>`)},
			lines: "GET www: Document 200 record" + each(9, "\n?GET www:items?%d Fetch 200 record"),
			check: textIs("item of page 8"),
		},
		{
			name: "K a page without end",
			text: "1 2 3 4 5",
			serve: routes{"items": items, "": html(`<div id=l></div><script>let n = 0; const more = async () => { const d = document.createElement('p'); d.style.height = '500px'; n++; d.textContent = n; l.append(d); };
				for (let i = 0; i < 5; i++) more(); onscroll = () => { if (innerHeight + scrollY > document.body.scrollHeight - 300) more() }</script>`)},
			lines:  "GET www: Document 200 record",
			limits: []string{"Scroll", "Screenshot"},
			visit:  func(v *browser.Visit) { v.Screenshot = browser.ScreenshotFull },
		},
		{
			name:  "K routes of a script",
			serve: routes{"": html(`<p id=p>start</p><script>history.pushState({}, '', 'route/two'); location.hash = '#part'; p.textContent = location.pathname + location.hash</script>`)},
			lines: "GET www: Document 200 record",
			text:  "/k/routes-of-a-script/route/two#part",
			check: func(t *testing.T, r *result) {
				if !strings.HasSuffix(r.page.FinalURL, "/route/two#part") {
					t.Errorf("final address %s", r.page.FinalURL)
				}
			},
		},
		{
			name: "K shadow roots",
			text: "in a dialog",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<div id=o></div><div id=c></div><dialog open>in a dialog</dialog><script>
				o.attachShadow({mode: 'open'}).innerHTML = '<p>in the open</p><img src=pixel?open><a href=linked>x</a>'; c.attachShadow({mode: 'closed'}).innerHTML = '<p>in the dark</p><img src=pixel?closed>'</script>`)},
			lines: `GET www: Document 200 record
				GET www:pixel?open Image 200 record
				GET www:pixel?closed Image 200 record`,
			check: textIs("in the open"),
			note:  "What is in a closed root is in the picture and in the replay, and its requests are recorded. It is not in the derived text: scripts cannot look inside.",
		},
		{
			name:  "K dialogs",
			serve: routes{"": html(`<p id=p></p><script>alert(1); const a = confirm(2), b = prompt(3); for (let i = 0; i < 20; i++) alert(i); onbeforeunload = e => { e.preventDefault(); return 'stay' }; p.textContent = 'confirm ' + a + ', prompt ' + b; print()</script>`)},
			lines: "GET www: Document 200 record",
			check: textIs("confirm false, prompt null"),
			note:  "Every dialog is closed with no; that is logged. In the replay the viewer answers.",
		},
		{
			name: "K permissions",
			from: tls,
			serve: routes{"": html(`<p id=p></p><script>(async () => { const t = [];
				t.push(await Notification.requestPermission()); t.push(await new Promise(r => navigator.geolocation.getCurrentPosition(() => r('here'), e => r('no place'))));
				t.push(await navigator.mediaDevices?.getUserMedia({audio: true, video: true}).then(() => 'seen', e => 'unseen')); p.textContent = t.join(', ') })()</script>`)},
			lines: "GET tls: Document 200 record",
			text:  "denied, no place, unseen",
		},
		{
			name:  "K timers that never idle",
			text:  "busy",
			serve: routes{"beat": file(mimeText, "x", "Cache-Control: no-store"), "": html(`<p>busy</p><script>setInterval(() => { document.title = Date.now() }, 10); setInterval(() => fetch('beat'), 150); const f = () => requestAnimationFrame(f); f()</script>`)},
			lines: "GET www: Document 200 record\n" + strings.Repeat("?GET www:beat Fetch 200 record (?)\n", 60) + strings.Repeat("?GET www:beat Fetch not captured: there was no answer: Aborted\n", 3) + "?GET www:beat Unseen 200 record",
			check: func(t *testing.T, r *result) {
				if r.page.Timings.Settled > 6*time.Second {
					t.Errorf("settled after %s", r.page.Timings.Settled)
				}
			},
		},
		{
			name:  "K traps for debuggers",
			text:  "nobody is looking",
			serve: routes{"": html(`<p id=p></p><script>for (let i = 0; i < 100; i++) debugger; setInterval(() => { debugger }, 20); const t = performance.now(); debugger; p.textContent = performance.now() - t < 100 ? 'nobody is looking' : 'somebody is looking'</script>`)},
			lines: "GET www: Document 200 record",
			check: textIs("nobody is looking"),
		},
		{
			name: "K a page that changes the language",
			serve: routes{"": html(`<a href=linked>a link</a><p>the text</p><script>
				for (const n of ['JSON', 'Promise', 'Map', 'Set', 'Array', 'fetch', 'URL', 'document.querySelectorAll']) try { eval(n + ' = undefined') } catch {}
				for (const m of ['map', 'forEach', 'push', 'join', 'filter']) Array.prototype[m] = () => { throw new Error('trapped') };
				Element.prototype.querySelectorAll = Document.prototype.querySelectorAll = Node.prototype.appendChild = () => { throw new Error('trapped') };
				Date.now = () => 0; performance.now = () => 0; window.setTimeout = () => {}</script>`)},
			lines: "GET www: Document 200 record",
			check: func(t *testing.T, r *result) {
				textIs("a link")(t, r)
				if len(r.page.Links) != 1 {
					t.Errorf("links %v", r.page.Links)
				}
			},
			note: "In the replay the page breaks the replay's own script, too.",
		},
		{
			name:  "K document.open",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<script>setTimeout(() => { document.open(); document.write('<p>written anew</p><img src=pixel>'); document.close() }, 100)</script>old`)},
			lines: "GET www: Document 200 record\nGET www:pixel Image 200 record",
			check: textIs("written anew"),
			note:  "ReplayWeb.page goes on to show the document from before.",
		},
		{
			name:   "K a million nodes",
			serve:  routes{"": html(`<div id=d></div><script>let h = ''; for (let i = 0; i < 1000000; i++) h += '<i></i>'; d.innerHTML = h; document.body.append('a million')</script>`)},
			lines:  "GET www: Document 200 record",
			limits: []string{"Behaviors"},
			visit:  func(v *browser.Visit) { v.LoadTimeout, v.Timeout = 3*time.Minute, 5*time.Minute },
			check:  textIs("a million"),
			note:   "Left out of the replay for the time that it takes.",
		},
		{
			name: "K drawings and components",
			text: "own element",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<canvas id=c></canvas><x-own></x-own><div style="content-visibility:auto;contain-intrinsic-size:5000px"><img src=pixel?hidden>deep</div><script>c.getContext('2d').fillText('x', 5, 5); c.getContext('webgl');
				customElements.define('x-own', class extends HTMLElement { connectedCallback() { this.innerHTML = '<img src=pixel?own>own element' } })</script><style media=print>@page{margin:0} p{background:url(pixel?print)}</style>`)},
			lines: `GET www: Document 200 record
				GET www:pixel?hidden Image 200 record
				GET www:pixel?own Image 200 record`,
			check: textIs("own element"),
		},
	}
}
