package capture

import (
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// zstdUnasked is what of group C a server sends that does not listen.
func zstdUnasked() []testCase {
	const said = "encoded with zstd"
	return []testCase{{
		name: "C coding zstd that was not asked for", from: tls,
		serve: routes{"": coded("zstd", said)},
		lines: "GET tls: Document 200 record",
		check: func(t *testing.T, r *result) {
			textIs(said)(t, r)
			list := r.about(warc.Response, r.page.URL)
			if len(list) != 1 || string(list[0].text) != string(encode("zstd", []byte(document(said)))) {
				t.Errorf("%d records, or another body", len(list))
			}
		},
		note: "The recorder takes zstd out of what Chrome asks for. Of a server that sends it all the same the record has what was sent, and Chrome shows it; ReplayWeb.page cannot.",
	}}
}
