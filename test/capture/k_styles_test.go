package capture

// idleAndStyles are what of group K no script asks for, or one that waits for quiet.
func idleAndStyles() []testCase {
	return []testCase{
		{
			name:  "K requestIdleCallback",
			serve: routes{"data": file(mimeText, "fetched when idle"), "": html(`<p id=p></p><script>requestIdleCallback(() => requestIdleCallback(async () => { p.textContent = await (await fetch('data')).text() }))</script>`)},
			lines: "GET www: Document 200 record\nGET www:data Fetch 200 record",
			text:  "fetched when idle",
		},
		{
			name: "K what a browser has questions about",
			serve: routes{
				"": html(`<form action=login method=post><input name=user autocomplete=username><input type=password name=p autocomplete=current-password><input name=cc autocomplete=cc-number></form>
					<p lang=de>Dies ist ein Text in einer anderen Sprache, lang genug, dass man sie erkennen kann.</p><a id=a href=setup.exe download>setup</a><script>a.click()</script>`),
				"setup.exe": file("application/vnd.microsoft.portable-executable", "MZ and no more", "Content-Disposition: attachment"),
			},
			lines: `GET www: Document 200 record
				GET www:setup.exe Download 200 record`,
			text: "Dies ist ein Text",
			note: "Passwords, cards, languages, programs: a browser likes to ask its maker. Nothing of that is the page's, and nothing of it is in the file.",
		},
		{
			name: "K content of style sheets alone",
			text: "target",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<style>
				p::before { content: 'said by a style sheet' } #c:checked ~ div { background: url(pixel?checked) } #t:target { background: url(pixel?target) } details[open] { background: url(pixel?open) }
				p:hover { background: url(pixel?hover) } p { background: image-set(url(pixel?set) 1x, url(pixel?set2) 2x); list-style: url(pixel?list) } @supports (display: grid) { body { background: url(pixel?supports) } }
				</style><input type=checkbox checked id=c><div>checked</div><div id=t>target</div><details open><summary>s</summary>open</details><p></p>`)},
			lines: `GET www: Document 200 record
				GET www:pixel?checked Image 200 record
				GET www:pixel?open Image 200 record
				GET www:pixel?list Image 200 record
				GET www:pixel?set Image 200 record
				GET www:pixel?supports Image 200 record`,
			check: textIs("checked"),
			note:  "What a style sheet wants for a state that the page is not in, such as :hover and :target, is not asked for.",
		},
		{
			name:  "K navigator.webdriver",
			text:  "webdriver:",
			serve: routes{"": html(`<p id=p></p><script>p.textContent = 'webdriver: ' + navigator.webdriver</script>`)},
			lines: "GET www: Document 200 record",
			check: textIs("webdriver: true"),
			note:  "The fleet hides nothing: a page that asks is told that it is an automatic browser.",
		},
		{
			name: "K detectors of developer tools",
			text: "tools are seen by:",
			serve: routes{"": html(`<p id=p></p><script>const seen = []; const e = document.createElement('div'), err = new Error();
				Object.defineProperty(e, 'id', {get() { seen.push('element'); return 'x' }}); Object.defineProperty(err, 'stack', {get() { seen.push('stack'); return '' }});
				console.log(e); console.dir(e); console.table([e]); console.log(err); console.debug(err); console.clear();
				if (outerWidth - innerWidth > 160 || outerHeight - innerHeight > 160) seen.push('size');
				p.textContent = 'tools are seen by: ' + (seen.join(' ') || 'nothing')</script>`)},
			lines: "GET www: Document 200 record",
			check: textIs("tools are seen by: nothing"),
			note:  "Tricks with what a console would show, and the window's size.",
		},
	}
}
