package capture

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// silence is a second of MPEG audio: frames of 26 ms without sound, 128 kbit/s, 44.1 kHz.
func silence() string {
	frame := append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...)
	return string(bytes.Repeat(frame, 39))
}

// encrypted is a text as AES-128 of HLS has it (RFC 8216 section 5.2): CBC with PKCS7 padding and the number of the segment for a vector.
func encrypted(key, text string, number byte) string {
	pad := aes.BlockSize - len(text)%aes.BlockSize
	plain := append([]byte(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		panic(err)
	}
	vector := make([]byte, aes.BlockSize)
	vector[len(vector)-1] = number
	cipher.NewCBCEncrypter(block, vector).CryptBlocks(plain, plain)
	return string(plain)
}

// player is a page with the least of a player: next gives it one segment after the other.
func player(script string) handler {
	return html(`<p id=p></p><audio id=a></audio><script>
		const get = async u => { const r = await fetch(u); if (!r.ok) throw u; return r };
		const play = async segments => {
			const s = new MediaSource(); a.src = URL.createObjectURL(s); await new Promise(r => s.onsourceopen = r);
			const b = s.addSourceBuffer('audio/mpeg'); let n = 0;
			for await (const data of segments) { b.appendBuffer(data); await new Promise((r, f) => { b.onupdateend = r; b.onerror = f }); n++ }
			s.endOfStream(); p.textContent = n + ' segments, ' + Math.round(a.buffered.end(0)) + ' s' };
		` + script + `.catch(e => { p.textContent = 'cannot play: ' + e })</script>`)
}

// hls plays a list until its end comes, and asks again while it does not.
const hls = `play((async function* () {
	const media = (await (await get('main.m3u8')).text()).split('\n').find(l => l && l[0] !== '#'), seen = new Set(); let key;
	for (;;) {
		const list = (await (await get(media)).text()).split('\n'); let number = 0;
		for (const l of list) {
			const k = l.match(/^#EXT-X-KEY:METHOD=AES-128,URI="(.*)"/);
			if (k) key ??= await crypto.subtle.importKey('raw', await (await get(k[1])).arrayBuffer(), 'AES-CBC', false, ['decrypt']);
			if (!l || l[0] === '#') continue;
			const iv = new Uint8Array(16); iv[15] = number++;
			if (seen.has(l)) continue;
			seen.add(l); const data = await (await get(l)).arrayBuffer();
			yield key ? await crypto.subtle.decrypt({name: 'AES-CBC', iv}, key, data) : data;
		}
		if (list.includes('#EXT-X-ENDLIST')) return;
		await new Promise(r => setTimeout(r, 200));
	}
})())`

// players are the streaming protocols of group D, with players that are written for them: what a player asks for is plain HTTP.
func players() []testCase {
	const mimeHLS = "application/vnd.apple.mpegurl"
	const key = "sixteen letters."
	main := file(mimeHLS, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=128000\nmedia.m3u8\n")
	segment := file("audio/mpeg", silence())
	segments := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "#EXTINF:1,\nseg%d.mp3\n", i)
		}
		return b.String()
	}
	const head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
	return []testCase{
		{
			name: "D HLS on demand",
			serve: routes{"": player(hls), "main.m3u8": main, "media.m3u8": file(mimeHLS, head+segments(0, 3)+"#EXT-X-ENDLIST\n"),
				"seg0.mp3": segment, "seg1.mp3": segment, "seg2.mp3": segment},
			lines: `GET www: Document 200 record
				GET www:main.m3u8 Fetch 200 record
				GET www:media.m3u8 Fetch 200 record
				GET www:seg0.mp3 Fetch 200 record
				GET www:seg1.mp3 Fetch 200 record
				GET www:seg2.mp3 Fetch 200 record`,
			text: "3 segments, 3 s",
		},
		{
			name: "D HLS live",
			serve: routes{"": player(hls), "main.m3u8": main, "media.m3u8": func(s *site, x *wire.Exchange) {
				n := min(s.count(x.Target, 1), 2)
				list := head + fmt.Sprintf("#EXT-X-MEDIA-SEQUENCE:%d\n", n) + segments(n, n+2)
				if n == 2 {
					list += "#EXT-X-ENDLIST\n"
				}
				x.Answer("200 OK", mimeHLS, list, "Cache-Control: no-store")
			}, "seg0.mp3": segment, "seg1.mp3": segment, "seg2.mp3": segment, "seg3.mp3": segment},
			lines: `GET www: Document 200 record
				GET www:main.m3u8 Fetch 200 record
				GET www:media.m3u8 Fetch 200 record
				GET www:media.m3u8 Fetch 200 record
				GET www:media.m3u8 Fetch 200 record
				GET www:seg0.mp3 Fetch 200 record
				GET www:seg1.mp3 Fetch 200 record
				GET www:seg2.mp3 Fetch 200 record
				GET www:seg3.mp3 Fetch 200 record`,
			check: func(t *testing.T, r *result) {
				textIs("4 segments, 4 s")(t, r)
				if n := len(r.responses(r.site.base[www] + r.c.folder() + "media.m3u8")); n != 3 {
					t.Errorf("%d states of the list are kept, want 3", n)
				}
			},
			note: "Every state of the list is kept. In the replay a list is what it was at one time.",
		},
		{
			name: "D HLS encrypted", from: tls,
			serve: routes{"": player(hls), "main.m3u8": main, "key": file(mimeBin, key),
				"media.m3u8": file(mimeHLS, head+"#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n"+segments(0, 2)+"#EXT-X-ENDLIST\n"),
				"seg0.mp3":   file(mimeBin, encrypted(key, silence(), 0)), "seg1.mp3": file(mimeBin, encrypted(key, silence(), 1))},
			lines: `GET tls: Document 200 record
				GET tls:main.m3u8 Fetch 200 record
				GET tls:media.m3u8 Fetch 200 record
				GET tls:key Fetch 200 record
				GET tls:seg0.mp3 Fetch 200 record
				GET tls:seg1.mp3 Fetch 200 record`,
			text: "2 segments, 2 s",
		},
		{
			name: "D DASH",
			serve: routes{"": player(`play((async function* () {
					const mpd = new DOMParser().parseFromString(await (await get('stream.mpd')).text(), 'text/xml');
					const t = mpd.querySelector('SegmentTemplate'), n = +t.getAttribute('endNumber');
					for (let i = +t.getAttribute('startNumber'); i <= n; i++) yield await (await get(t.getAttribute('media').replace('$Number$', i))).arrayBuffer();
				})())`),
				"stream.mpd": file("application/dash+xml", `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType="audio/mpeg"><Representation id="1" bandwidth="128000">`+
					`<SegmentTemplate media="part-$Number$.mp3" startNumber="1" endNumber="3"/></Representation></AdaptationSet></Period></MPD>`),
				"part-1.mp3": segment, "part-2.mp3": segment, "part-3.mp3": segment},
			lines: `GET www: Document 200 record
				GET www:stream.mpd Fetch 200 record
				GET www:part-1.mp3 Fetch 200 record
				GET www:part-2.mp3 Fetch 200 record
				GET www:part-3.mp3 Fetch 200 record`,
			text: "3 segments, 3 s",
		},
	}
}
