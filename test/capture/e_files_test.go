package capture

import (
	"net/http"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// files are the uploads of group E that come from files: Chrome keeps large ones on disk and sends them from there.
func files() []testCase {
	taken := func(_ *site, x *wire.Exchange) {
		text := "not whole"
		if body := string(x.ReadBody()); strings.Contains(body, `filename="a.bin"`) && strings.Count(body, "0123456789") == 40_000 {
			text = "taken in whole"
		}
		x.Answer("200 OK", mimeText, text)
	}
	return []testCase{
		{
			name: "E a file of an input", from: tls,
			text: "taken in whole",
			serve: routes{"take": taken, "": html(`<form id=f><input type=file name=file id=i></form><p id=p></p><script>(async () => {
				const d = new DataTransfer(); d.items.add(new File(['0123456789'.repeat(40000)], 'a.bin')); i.files = d.files;
				p.textContent = await (await fetch('take', {method: 'POST', body: new FormData(f)})).text() })()</script>`)},
			lines: "GET tls: Document 200 record\nPOST tls:take Fetch 200 record",
			check: textIs("taken in whole"),
		},
		{
			name: "E a blob of 8 MB",
			serve: routes{"take": func(_ *site, x *wire.Exchange) {
				text := "not whole"
				if len(x.ReadBody()) == 8<<20 {
					text = "taken in whole"
				}
				x.Answer("200 OK", mimeText, text)
			}, "": shows(`
				const parts = []; for (let i = 0; i < 8; i++) parts.push(new Uint8Array(1 << 20).fill(i));
				show(await (await fetch('take', {method: 'POST', body: new Blob(parts)})).text())`)},
			lines: "GET www: Document 200 record\nPOST www:take Fetch 200 record",
			check: both(textIs("taken in whole"), func(t *testing.T, r *result) {
				for _, p := range r.exchanges() {
					if strings.HasPrefix(string(p.request.Head), http.MethodPost) && p.request.size != 8<<20 {
						t.Errorf("%d bytes of the request are recorded", p.request.size)
					}
				}
			}),
			note: "ReplayWeb.page finds a POST by its body, which takes it too long for one of this size.",
		},
	}
}
