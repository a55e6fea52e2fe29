package capture

// savedByPages are what of groups H and G a page has made itself and wants saved.
func savedByPages() []testCase {
	return []testCase{
		{
			name: "H a download of a blob",
			serve: routes{"data": file(mimeText, "kept"), "": html(`still here<script>(async () => {
				const b = await (await fetch('data')).blob(), a = document.createElement('a'); a.href = URL.createObjectURL(b); a.download = 'b.txt'; document.body.append(a); a.click() })()</script>`)},
			lines: "GET www: Document 200 record\nGET www:data Fetch 200 record",
			text:  "still here",
			note:  "What the blob is made of is recorded. The file itself no server has sent, and it is not kept.",
		},
		{
			name: "G background fetch", from: tls,
			serve: routes{"": html(`<p id=p></p><script>(async () => {
					const r = await navigator.serviceWorker.register('sw.js'); await navigator.serviceWorker.ready;
					let t; try { t = await Promise.race([r.backgroundFetch.fetch('id', ['large'], {title: 'x'}).then(() => 'begun'), new Promise(d => setTimeout(() => d('under way'), 300))]) } catch (e) { t = e.name }
					p.textContent = 'background fetch: ' + t })()</script>`),
				"sw.js": file(mimeJS, `oninstall = () => skipWaiting(); onactivate = e => e.waitUntil(clients.claim())`), "large": file(mimeBin, "fetched in the background")},
			lines: `GET tls: Document 200 record
				GET tls:sw.js Script 200 record
				?GET tls:large Fetch 200 record
				?GET tls:large Unseen 200 record`,
			check: textIs("background fetch:"),
			note:  "The replay has one service worker, its own.",
		},
	}
}
