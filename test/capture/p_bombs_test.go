package capture

import (
	"archive/zip"
	"bytes"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// bomb is a ZIP file of n MB of nothing.
func bomb(n int) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("zeros") // buffers do not fail
	for range n {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	return b.String()
}

// bombs are what of group P is dangerous to who opens it, and ways around the recorder.
func bombs() []testCase {
	archive := bomb(200)
	return []testCase{
		{
			name:  "P an archive bomb",
			serve: routes{"": file("application/zip", archive, `Content-Disposition: attachment; filename="a.zip"`)},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			check: func(t *testing.T, r *result) {
				if list := r.about(warc.Response, r.page.URL); len(list) != 1 || string(list[0].text) != archive || !r.page.Download {
					t.Errorf("%d records, download %v", len(list), r.page.Download)
				}
			},
			note: "200 MB in a file of 200 KB, recorded as it came: nothing in the fleet unpacks what it downloads.",
		},
		{
			name: "P WebRTC to a private address", from: tls,
			serve: routes{"": html(`<p id=p></p><script>(async () => {
				const servers = ['stun:10.0.0.1:3478', 'stun:169.254.169.254:80', 'turn:10.0.0.1:3478?transport=tcp', 'turns:192.168.1.1:443?transport=tcp'];
				const c = new RTCPeerConnection({iceServers: servers.map(urls => ({urls, username: 'a', credential: 'b'}))}); let n = 0;
				c.createDataChannel('x'); c.onicecandidate = e => { if (e.candidate?.candidate) n++ };
				await c.setLocalDescription(await c.createOffer());
				try { await c.setRemoteDescription({type: 'answer', sdp: c.localDescription.sdp.replace('actpass', 'active')}); await c.addIceCandidate({candidate: 'candidate:1 1 tcp 1 10.0.0.1 80 typ host tcptype passive', sdpMid: '0'}) } catch {}
				await new Promise(r => setTimeout(r, 300)); p.textContent = n + ' candidates, ' + c.iceConnectionState })()</script>`)},
			lines: "GET tls: Document 200 record",
			check: textIs("0 candidates"),
			note:  "Chrome may use no UDP for it, and the proxy leads to no private address. In the replay the viewer is another Chrome.",
		},
	}
}
