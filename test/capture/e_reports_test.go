package capture

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// reports are what a browser says of a page on its own.
func reports() []testCase {
	return []testCase{
		{
			name: "E reporting API", from: tls,
			serve: routes{"echo": echo, "": html(`<p id=p></p><script>
				new ReportingObserver(l => { p.textContent = l.map(r => r.type + ' ' + r.body.effectiveDirective).join() }, {buffered: true}).observe()</script><img src='{two}/nothing.gif'>`,
				`Reporting-Endpoints: default="{tls}/e/reporting-api/echo", csp="{tls}/e/reporting-api/echo"`,
				`Report-To: {"group":"nel","max_age":600,"endpoints":[{"url":"{tls}/e/reporting-api/echo"}]}`,
				`NEL: {"report_to":"nel","max_age":600,"success_fraction":1}`,
				"Content-Security-Policy: img-src 'self' data:; report-to csp")},
			lines: `GET tls: Document 200 record
				GET {two}/nothing.gif Image not captured: blocked: csp
				?POST tls:echo Unseen 200 record`,
			check: textIs("csp-violation img-src"),
			note:  "Chrome delivers such reports a minute later, when the page has been left: the recorder then refuses them, and counts them. Those of report-uri are sent at once.",
		},
	}
}

// repeated are the rest of group F: what the archive keeps once.
func repeated() []testCase {
	long := func(text string) string { return strings.Repeat(text, 400) }
	return []testCase{
		{
			name: "F content that changes and comes back",
			serve: routes{"": shows(`let t = ''; for (const i of [1, 2, 3]) t += (await (await fetch('data', {cache: 'no-store'})).text())[0]; show('saw ' + t)`),
				"data": func(s *site, x *wire.Exchange) {
					n := s.count(x.Target, 1)
					x.Answer("200 OK", mimeText, long([]string{"a", "b"}[n%2]))
				}},
			lines: "GET www: Document 200 record" + strings.Repeat("\nGET www:data Fetch 200 record", 3),
			check: func(t *testing.T, r *result) {
				textIs("saw aba")(t, r)
				address := r.site.base[www] + r.c.folder() + "data"
				full, again := r.responses(address), r.revisits(address)
				if len(full) != 2 || len(again) != 1 || string(r.resolve(t, again[0]).text) != long("a") {
					t.Errorf("%d answers, %d revisits", len(full), len(again))
				}
			},
			note: "In the replay an address has the content of one time.",
		},
		{
			name: "F compression dictionaries", from: two,
			serve: routes{"": html(`<p id=p></p><link rel=compression-dictionary href=dictionary><script>(async () => {
				await new Promise(r => setTimeout(r, 500)); const t = await (await fetch('data')).text(); p.textContent = t })()</script>`),
				"dictionary": file(mimeText, "a dictionary", `Use-As-Dictionary: match="/f/compression-dictionaries/*"`, "Cache-Control: max-age=600"),
				"data": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeText, "may be coded as "+x.Header.Get("Accept-Encoding"), "Vary: Accept-Encoding, Available-Dictionary")
				}},
			lines: `GET two: Document 200 record
				?GET two:dictionary Other 200 record
				?GET two:dictionary Unseen 200 record
				GET two:data Fetch 200 record`,
			text: "may be coded as gzip, deflate, br",
			note: "No replay tool can decode dcb and dcz, so the recorder does not pass on that Chrome can. (Chrome uses dictionaries only with certificates of a public authority, which the recorder's is not.)",
		},
		{
			name: "F signed exchanges",
			serve: routes{"": html(`<link rel=prefetch href=page.sxg><iframe src=page.sxg></iframe>unsigned`),
				"page.sxg": file("application/signed-exchange;v=b3", "sxg1-b3\x00not signed by anybody", "X-Content-Type-Options: nosniff")},
			lines: `GET www: Document 200 record
				GET www:page.sxg Document 200 record (?)
				?GET www:page.sxg Prefetch 200 record (?)
				?GET www:page.sxg Other 200 record (?)`,
			text: "unsigned",
			note: "Recorded as the file that it is. That Chrome shows one as if it came from the signer cannot be had on one machine: it takes a certificate of a public authority that is issued for signing.",
		},
	}
}
