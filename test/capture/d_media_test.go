package capture

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// wav is a second of a tone: a file that every browser plays.
func wav() string {
	const rate = 8000
	var b strings.Builder
	b.WriteString("RIFF")
	head := binary.LittleEndian.AppendUint32(nil, 36+rate*2)
	head = append(head, "WAVEfmt "...)
	head = binary.LittleEndian.AppendUint32(head, 16)
	for _, v := range []uint16{1, 1, rate, 0, rate * 2, 0, 2, 16} {
		head = binary.LittleEndian.AppendUint16(head, v)
	}
	head = append(head, "data"...)
	b.Write(binary.LittleEndian.AppendUint32(head, rate*2))
	for i := range rate {
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(int16(8000*math.Sin(float64(i)/5)))))
	}
	return b.String()
}

// ranges serves a file with ranges, one or several (RFC 9110 section 14).
func ranges(mime, body string) handler {
	return func(_ *site, x *wire.Exchange) {
		var from, to int
		want := x.Header.Get("Range")
		if strings.Contains(want, ",") {
			part := func(a, b int) string {
				return fmt.Sprintf("--sep\r\nContent-Type: %s\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n", mime, a, b, len(body), body[a:b+1])
			}
			x.Answer("206 Partial Content", "multipart/byteranges; boundary=sep", part(0, 3)+part(8, 11)+"--sep--\r\n")
			return
		}
		n, _ := fmt.Sscanf(want, "bytes=%d-%d", &from, &to) // no range is 0 of 2
		switch {
		case n == 0:
			x.Answer("200 OK", mime, body, "Accept-Ranges: bytes", `ETag: "r"`)
			return
		case from >= len(body):
			x.Answer("416 Range Not Satisfiable", mimeText, "", fmt.Sprintf("Content-Range: bytes */%d", len(body)))
			return
		case n == 1 || to >= len(body):
			to = len(body) - 1
		}
		x.Answer("206 Partial Content", mime, body[from:to+1], fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to, len(body)), "Accept-Ranges: bytes", `ETag: "r"`)
	}
}

// media are group D.
func media() []testCase {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return []testCase{
		{
			name: "D ranges", text: "206:26",
			serve: routes{"file": ranges(mimeText, letters), "": shows(`
				const get = async range => { const r = await fetch('file', {headers: {Range: range}, cache: 'no-store'}); return r.status + ':' + (await r.text()).length };
				show([await get('bytes=0-'), await get('bytes=5-9'), await get('bytes=0-25'), await get('bytes=0-3,8-11'), await get('bytes=100-')].join(' '))`)},
			lines: "GET www: Document 200 record" + strings.Repeat("\nGET www:file Fetch 206 record", 4) + "\nGET www:file Fetch 416 record",
			check: func(t *testing.T, r *result) {
				var got []string
				for _, rec := range r.about(warc.Response, r.site.base[www]+r.c.folder()+"file") {
					got = append(got, warc.HTTPField(rec.Head, "Content-Range"))
				}
				if len(got) != 5 {
					t.Errorf("ranges %q", got)
				}
			},
		},
		{
			name: "D audio with ranges",
			serve: routes{"tone.wav": ranges("audio/wav", wav()), "": html(`<p id=p></p><audio id=a src=tone.wav preload=auto></audio><script>
				a.oncanplaythrough = () => { p.textContent = 'a tone of ' + a.duration + ' s' }; a.onerror = () => { p.textContent = 'cannot play' }</script>`)},
			lines: "GET www: Document 200 record\nGET www:tone.wav Media 206 record (?)\n?GET www:tone.wav Media 206 record (?)",
			text:  "a tone of 1 s",
		},
		{
			name: "D pictures for the screen",
			text: "pictures",
			serve: routes{"pixel": file(mimeGIF, pixel), "": html(`<img src=pixel?src srcset="pixel?1x 1x, pixel?2x 2x"><picture><source srcset=pixel?wide media="(min-width: 10px)"><img src=pixel?narrow></picture>
				<img loading=lazy src=pixel?lazy style="margin-top:3000px"><div style="background:url(pixel?css)">pictures</div><svg><image href=pixel?svg /></svg><input type=image src=pixel?input><video poster=pixel?poster></video>`)},
			lines: `GET www: Document 200 record
				GET www:pixel?1x Image 200 record
				GET www:pixel?wide Image 200 record
				GET www:pixel?lazy Image 200 record
				GET www:pixel?css Image 200 record
				GET www:pixel?svg Image 200 record
				GET www:pixel?input Image 200 record
				GET www:pixel?poster Image 200 record`,
		},
		{
			name: "D fonts and tracks",
			text: "in a font",
			serve: routes{"font.woff2": file("font/woff2", "not really a font"), "style.css": file(mimeCSS, "@font-face{font-family:F;src:url(font.woff2)} p{font-family:F} @import url(more.css);"),
				"tone.wav": ranges("audio/wav", wav()), "cues.vtt": file("text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"),
				"": html(`<link rel=stylesheet href=style.css><p>in a font</p><video src=tone.wav preload=none><track default kind=captions src=cues.vtt></video><script>document.querySelector('track').track.mode = 'showing'</script>`)},
			lines: `GET www: Document 200 record
				GET www:style.css Stylesheet 200 record
				GET www:font.woff2 Font 200 record (?)
				GET www:cues.vtt TextTrack 200 record (?)
				GET www:tone.wav Media 206 record`,
		},
		{
			name: "D media source and blob",
			text: "segments:",
			serve: routes{"part": file(mimeBin, "not a segment"), "": html(`<p id=p></p><video id=v></video><script>(async () => {
				const s = new MediaSource(); v.src = URL.createObjectURL(s); await new Promise(r => s.onsourceopen = r);
				let t = MediaSource.isTypeSupported('video/webm; codecs="vp8"') ? 'webm' : 'no webm';
				await (await fetch('part?1')).arrayBuffer(); await (await fetch('part?2')).arrayBuffer(); p.textContent = 'segments: ' + t })()</script>`)},
			lines:  "GET www: Document 200 record\nGET www:part?1 Fetch 200 record\nGET www:part?2 Fetch 200 record",
			limits: []string{"Media"}, // nothing of it can be played
		},
		{
			name:  "D protected media",
			from:  tls,
			serve: routes{"": html(`<p id=p></p><script>navigator.requestMediaKeySystemAccess('com.widevine.alpha', [{initDataTypes: ['cenc'], videoCapabilities: [{contentType: 'video/mp4; codecs="avc1.42E01E"'}]}]).then(() => p.textContent = 'keys', e => p.textContent = 'no keys: ' + e.name)</script>`)},
			lines: "GET tls: Document 200 record",
			text:  "no keys: NotSupportedError",
			note:  "Debian's Chromium has no content decryption module: the page is told so, as by any browser without one.",
		},
	}
}
