package capture

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// longTone is a sound of the given size, a quarter of an hour for 15 MB.
func longTone(size int) string {
	head := []byte(wav()[:44])
	binary.LittleEndian.PutUint32(head[4:], uint32(size-8))
	binary.LittleEndian.PutUint32(head[40:], uint32(size-44))
	body := make([]byte, size-44)
	for i := range body {
		body[i] = byte(i * 31 >> 3)
	}
	return string(head) + string(body)
}

// ifUnchanged honours If-Range (RFC 9110 section 13.1.5): of what has changed all is sent.
func ifUnchanged(mime, body string) handler {
	part := ranges(mime, body)
	return func(s *site, x *wire.Exchange) {
		if tag := x.Header.Get("If-Range"); tag != "" && tag != `"r"` {
			x.Answer("200 OK", mime, body, "Accept-Ranges: bytes", `ETag: "r"`)
			return
		}
		part(s, x)
	}
}

// rangesAndSeeking are what of group D is about parts of files.
func rangesAndSeeking() []testCase {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	const size = 15 << 20
	return []testCase{
		{
			name: "D If-Range",
			serve: routes{"file": ifUnchanged(mimeText, letters), "": shows(`
				const get = async tag => { const r = await fetch('file', {headers: {Range: 'bytes=0-3', 'If-Range': tag}, cache: 'no-store'}); return r.status + ':' + await r.text() };
				show(await get('"r"') + ' ' + await get('"old"'))`)},
			lines: `GET www: Document 200 record
				GET www:file Fetch 206 record
				GET www:file Fetch 200 record`,
			check: textIs("206:abcd 200:" + letters),
			note:  "ReplayWeb.page answers such requests with 404.",
		},
		{
			name: "D a range in the query",
			serve: routes{"file": func(_ *site, x *wire.Exchange) {
				var from, to int
				if _, err := fmt.Sscanf(x.Target[strings.Index(x.Target, "?")+1:], "range=%d-%d", &from, &to); err != nil || to >= len(letters) {
					x.Answer("400 Bad Request", mimeText, "no range")
					return
				}
				x.Answer("200 OK", mimeText, letters[from:to+1])
			}, "": shows(`let t = ''; for (const r of ['0-3', '4-9', '20-25']) t += await (await fetch('file?range=' + r)).text() + ' '; show(t)`)},
			lines: `GET www: Document 200 record
				GET www:file?range=0-3 Fetch 200 record
				GET www:file?range=4-9 Fetch 200 record
				GET www:file?range=20-25 Fetch 200 record`,
			text: "abcd efghij uvwxyz",
		},
		{
			name: "D seeking in a file of 15 MB",
			serve: routes{"tone.wav": ranges("audio/wav", longTone(size)), "": html(`<p id=p></p><audio id=a src=tone.wav preload=auto></audio><script>
				a.oncanplay = () => { a.oncanplay = null; a.onseeked = () => { p.textContent = 'at ' + a.currentTime + ' of ' + Math.round(a.duration) + ' s' }; a.currentTime = 900 }; a.onerror = () => { p.textContent = 'cannot play' }</script>`)},
			lines: "GET www: Document 200 record\nGET www:tone.wav Media 206 record (?)" + strings.Repeat("\n?GET www:tone.wav Media 206 record (?)", 8) + strings.Repeat("\n?GET www:tone.wav Unseen 206 record", 3), // asked for when the page is left
			check: func(t *testing.T, r *result) {
				textIs(fmt.Sprintf("at 900 of %d s", (size-44+8000)/16000))(t, r)
				if n := len(r.site.seen(r.c)); n < 3 {
					t.Errorf("the file was asked for %d times, seeking should ask anew", n-1)
				}
			},
			note: "Sound, because the suite makes its media itself: to the recorder a container is bytes like any other. Not played in the replay, which has the parts that were asked for and no others.",
		},
		{
			name: "D a video of a blob",
			serve: routes{"": html(`<canvas id=c width=64 height=64></canvas><video id=v muted></video><p id=p></p><script>(async () => {
				const g = c.getContext('2d'), parts = [], m = new MediaRecorder(c.captureStream(20), {mimeType: 'video/webm;codecs=vp8'}); let n = 0;
				const draw = setInterval(() => { g.fillStyle = n++ % 2 ? 'red' : 'blue'; g.fillRect(0, 0, 64, 64) }, 40);
				m.ondataavailable = e => parts.push(e.data); m.start(); await new Promise(r => setTimeout(r, 600)); m.stop(); await new Promise(r => m.onstop = r); clearInterval(draw);
				v.src = URL.createObjectURL(new Blob(parts, {type: 'video/webm'})); await new Promise((r, f) => { v.onloadeddata = r; v.onerror = () => f(v.error.message) });
				p.textContent = 'a video of ' + v.videoWidth + ' by ' + v.videoHeight })().catch(e => { p.textContent = 'no video: ' + e })</script>`)},
			lines: "GET www: Document 200 record",
			text:  "a video of 64 by 64",
			note:  "Made by the page itself: nothing is asked for, and nothing more is recorded than the page.",
		},
	}
}
