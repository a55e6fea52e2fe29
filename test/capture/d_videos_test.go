package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// element is one of EBML (RFC 8794 section 5): an id, a size in eight bytes, and what is in it.
func element(id string, parts ...string) string {
	body := strings.Join(parts, "")
	size := binary.BigEndian.AppendUint64(nil, uint64(len(body))|1<<56)
	return id + string(size) + body
}

func unsigned(id string, n int) string {
	return element(id, string(binary.BigEndian.AppendUint64(nil, uint64(n))))
}

// webm is a video of pictures that are shown for a second each, in VP8 and with an index to seek by (RFC 9559).
func webm(width, height int, frames []string) string {
	head := element("\x1a\x45\xdf\xa3", unsigned("\x42\x86", 1), unsigned("\x42\xf7", 1), unsigned("\x42\xf2", 4), unsigned("\x42\xf3", 8),
		element("\x42\x82", "webm"), unsigned("\x42\x87", 4), unsigned("\x42\x85", 2))
	duration := string(binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(len(frames)*1000))))
	about := element("\x15\x49\xa9\x66", unsigned("\x2a\xd7\xb1", 1_000_000), element("\x44\x89", duration), element("\x4d\x80", "suite"), element("\x57\x41", "suite")) +
		element("\x16\x54\xae\x6b", element("\xae", unsigned("\xd7", 1), unsigned("\x73\xc5", 1), unsigned("\x83", 1), element("\x86", "V_VP8"),
			element("\xe0", unsigned("\xb0", width), unsigned("\xba", height))))
	clusters := make([]string, len(frames))
	for i, f := range frames {
		clusters[i] = element("\x1f\x43\xb6\x75", unsigned("\xe7", i*1000), element("\xa3", "\x81\x00\x00\x80", f))
	}
	index := func(first int) string {
		points := make([]string, len(frames))
		for i, at := 0, first; i < len(frames); i++ {
			points[i] = element("\xbb", unsigned("\xb3", i*1000), element("\xb7", unsigned("\xf7", 1), unsigned("\xf1", at)))
			at += len(clusters[i])
		}
		return element("\x1c\x53\xbb\x6b", points...)
	}
	// The index stands before what it is about; its size is the same wherever that begins.
	cues := index(len(about) + len(index(0)))
	return head + element("\x18\x53\x80\x67", append([]string{about, cues}, clusters...)...)
}

// keyFrames takes the frames of VP8 out of pictures of WebP, one after the other: a picture has a key frame among the chunks of a file of RIFF
// (RFC 9649 section 2).
func keyFrames(pictures []byte) ([]string, error) {
	var out []string
	for len(pictures) > 0 {
		_, picture, rest, err := chunkOf(pictures)
		if err != nil || !bytes.HasPrefix(picture, []byte("WEBP")) {
			return nil, fmt.Errorf("picture %d is no WebP: %w", len(out), err)
		}
		frame, err := keyFrame(picture[4:])
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", len(out), err)
		}
		out, pictures = append(out, frame), rest
	}
	return out, nil
}

func keyFrame(chunks []byte) (string, error) {
	for len(chunks) > 0 {
		id, data, rest, err := chunkOf(chunks)
		if err != nil {
			return "", err
		}
		if id == "VP8 " {
			return string(data), nil
		}
		chunks = rest
	}
	return "", errors.New("there is no frame of VP8 in it")
}

// chunkOf is the first chunk of RIFF, and what comes after it.
func chunkOf(b []byte) (id string, data, rest []byte, err error) {
	if len(b) < 8 {
		return "", nil, nil, io.ErrUnexpectedEOF
	}
	size := int(binary.LittleEndian.Uint32(b[4:]))
	if end := 8 + size + size%2; end <= len(b) {
		return string(b[:4]), b[8 : 8+size], b[end:], nil
	}
	return "", nil, nil, io.ErrUnexpectedEOF
}

// A studio is a video that the browser draws the pictures of.
type studio struct {
	sought atomic.Bool // a part beyond the beginning was asked for

	mu    sync.Mutex
	video string
	err   error
}

func (v *studio) take(_ *site, x *wire.Exchange) {
	frames, err := keyFrames(x.ReadBody())
	v.mu.Lock()
	v.video, v.err = webm(640, 480, frames), err
	v.mu.Unlock()
	x.Answer("200 OK", mimeText, "taken")
}

func (v *studio) get() (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.video, v.err
}

// play serves the video with ranges, and is slow beyond its beginning until a later part was asked for: what is sought is half a minute away
// when nobody asks for it.
func (v *studio) play(_ *site, x *wire.Exchange) {
	video, _ := v.get() // of an error there is no video
	from := 0
	if _, err := fmt.Sscanf(x.Header.Get("Range"), "bytes=%d-", &from); err != nil || from >= len(video) {
		x.Answer("416 Range Not Satisfiable", mimeText, "", fmt.Sprintf("Content-Range: bytes */%d", len(video)))
		return
	}
	x.Head("206 Partial Content", "Content-Type: video/webm", fmt.Sprintf("Content-Length: %d", len(video)-from),
		fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, len(video)-1, len(video)), "Accept-Ranges: bytes", `ETag: "v"`)
	const beginning, piece = 1 << 20, 64 << 10
	if from >= beginning {
		v.sought.Store(true)
	}
	for at := from; at < len(video); at += piece {
		// A player that gets nothing at all does not seek either.
		if _, err := x.Write([]byte(video[at:min(at+piece, len(video))])); err != nil || at > beginning && !v.sought.Load() && !x.Sleep(250*time.Millisecond) {
			return
		}
	}
}

// videos are those of group D with a picture.
func videos() []testCase {
	const seconds = 30
	v := new(studio)
	// Noise is what compresses least. A field in the corner has the number of the picture for its red.
	draw := fmt.Sprintf(`<canvas id=c width=640 height=480></canvas><img src=taken><script>(async () => {
		const g = c.getContext('2d', {alpha: false}), d = g.createImageData(640, 480), w = new Uint32Array(d.data.buffer), parts = []; let x = 1;
		for (let i = 0; i < %d; i++) {
			for (let k = 0; k < w.length; k++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; w[k] = x | 0xff000000 }
			g.putImageData(d, 0, 0); g.fillStyle = 'rgb(' + 8 * i + ',0,0)'; g.fillRect(0, 0, 128, 128);
			parts.push(Uint8Array.from(atob(c.toDataURL('image/webp', 0.9).split(',')[1]), b => b.charCodeAt(0))); await new Promise(r => setTimeout(r)) }
		await fetch('frames', {method: 'POST', body: new Blob(parts)}) })()</script>`, seconds)
	return []testCase{{
		name: "D seeking in a video of more than 5 MB", before: []string{"studio"},
		serve: routes{
			"studio": html(draw), "frames": v.take,
			// The page that draws is not complete before its pictures are here.
			"taken": func(_ *site, x *wire.Exchange) {
				for {
					if video, err := v.get(); video != "" || err != nil || !x.Sleep(100*time.Millisecond) {
						break
					}
				}
				x.Answer("200 OK", mimeGIF, pixel)
			},
			"video.webm": v.play,
			"": html(`<canvas id=c width=1 height=1></canvas><video id=v src=video.webm preload=auto muted></video><p id=p></p><script>
				v.oncanplay = () => { v.oncanplay = null; v.onseeked = () => { v.onseeked = null;
					const g = c.getContext('2d'); g.drawImage(v, 64, 64, 1, 1, 0, 0, 1, 1);
					p.textContent = 'picture ' + Math.round(g.getImageData(0, 0, 1, 1).data[0] / 8) + ' at ' + Math.floor(v.currentTime) + ' of ' + v.duration + ' s, ' + v.videoWidth + ' by ' + v.videoHeight };
					v.currentTime = 25.5 }; v.onerror = () => { p.textContent = 'cannot play: ' + v.error.message }</script>`),
		},
		lines: "GET www: Document 200 record\nGET www:video.webm Media 206 record (?)" + strings.Repeat("\n?GET www:video.webm Media 206 record (?)", 8) + strings.Repeat("\n?GET www:video.webm Unseen 206 record", 3),
		check: func(t *testing.T, r *result) {
			video, err := v.get()
			if err != nil || len(video) <= 5<<20 {
				t.Fatalf("the video has %d bytes: %v", len(video), err)
			}
			asked := 0
			for _, x := range r.site.seen(r.c) {
				if x.Path() == r.c.folder()+"video.webm" {
					asked++
				}
			}
			if asked < 2 {
				t.Errorf("the video of %d bytes was asked for %d times, seeking should ask anew", len(video), asked)
			}
			want := fmt.Sprintf("picture 25 at 25 of %d s, 640 by 480", seconds)
			// The page that draws has a text, too.
			if list := r.about(warc.Conversion, "urn:text:"+r.page.URL); len(list) != 1 || strings.TrimSpace(string(list[0].text)) != want {
				t.Errorf("the text is in %d records, want %q", len(list), want)
				for _, rec := range list {
					t.Errorf("it is %q", rec.text)
				}
			}
		},
		note: "WebM, of pictures that the suite has the browser draw and encode. Not played in the replay, which has the parts that were asked for and no others.",
	}}
}
