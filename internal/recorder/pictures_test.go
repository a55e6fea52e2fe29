package recorder

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/hashlist"
)

// noise is a harmless picture that no other program makes.
func noise(t testing.TB, encode func(io.Writer, image.Image) error) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 300, 300))
	r := rand.New(rand.NewPCG(7, 7))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	if err := encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// madeUp is a list of SHA-256 hashes.
type madeUp map[[sha256.Size]byte]bool

func (m madeUp) Find(s hashlist.Sums) string {
	if m[s.SHA256] {
		return "sha256:" + hex.EncodeToString(s.SHA256[:])
	}
	return ""
}

func listOf(files ...[]byte) madeUp {
	m := madeUp{}
	for _, f := range files {
		m[sha256.Sum256(f)] = true
	}
	return m
}

func coded(t testing.TB, coding string, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "bare deflate":
		w, err = flate.NewWriter(&b, flate.BestSpeed)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	default:
		return p
	}
	if err == nil {
		_, err = w.Write(p)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// traces looks for any 64 bytes of something in all files of a folder.
func traces(t testing.TB, dir string, what []byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for at := 0; at+64 <= len(what); at += 64 {
			// Every window of 127 bytes has one of these pieces.
			if bytes.Contains(raw, what[at:at+64]) {
				found = append(found, path)
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// judging opens a session with a page whose pictures are judged. The folder is the page's.
func judging(t *testing.T, p *Pictures) (*Session, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := newRecorder(t, func(o *Options) { o.Pictures = p }).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Page{Dir: dir, AcceptBadCertificates: true}); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestListedPictures(t *testing.T) {
	t.Parallel()
	jpg := noise(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	pngs := noise(t, png.Encode)
	gifs := noise(t, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) })
	svg := []byte("<svg xmlns='http://www.w3.org/2000/svg'>" + strings.Repeat("<circle r='7'/>", 200) + "</svg>")
	avif := append([]byte("\x00\x00\x00\x20ftypmif1\x00\x00\x00\x00mif1avifmiafMA1B"), pngs[100:5000]...)
	for name, tc := range map[string]struct {
		reason       string
		picture      []byte
		kind, coding string
		listed       []byte // by default the picture
		status       int
		head         []string
		want         string // a failure, or none
	}{
		"JPEG":          {reason: "as pictures come", picture: jpg, kind: "image/jpeg", want: ReasonKnownIllegalImage},
		"PNG":           {reason: "as pictures come", picture: pngs, kind: "image/png", want: ReasonKnownIllegalImage},
		"GIF":           {reason: "as pictures come", picture: gifs, kind: "IMAGE/GIF; x=y", want: ReasonKnownIllegalImage},
		"SVG":           {reason: "known by its type alone", picture: svg, kind: "image/svg+xml", want: ReasonKnownIllegalImage},
		"Untyped":       {reason: "browsers look at the bytes", picture: jpg, want: ReasonKnownIllegalImage},
		"Octets":        {reason: "a script makes a picture of it", picture: pngs, kind: "application/octet-stream", want: ReasonKnownIllegalImage},
		"Text":          {reason: "whatever it says it is", picture: gifs, kind: "text/html", want: ReasonKnownIllegalImage},
		"AVIF":          {reason: "boxes as of a video", picture: avif, kind: "video/mp4", want: ReasonKnownIllegalImage},
		"Attachment":    {reason: "it is saved and not shown", picture: jpg, kind: "image/jpeg", head: []string{"Content-Disposition: attachment"}, want: ReasonKnownIllegalImage},
		"Gzip":          {reason: "its coding is taken off", picture: pngs, kind: "image/png", coding: "gzip", want: ReasonKnownIllegalImage},
		"GzipText":      {reason: "and looked under", picture: pngs, kind: "text/plain", coding: "gzip", want: ReasonKnownIllegalImage},
		"Deflate":       {reason: "its coding is taken off", picture: jpg, coding: "deflate", want: ReasonKnownIllegalImage},
		"BareDeflate":   {reason: "as browsers read it", picture: jpg, coding: "bare deflate", want: ReasonKnownIllegalImage},
		"Zstd":          {reason: "although it was not asked for", picture: jpg, kind: "image/jpeg", coding: "zstd", want: ReasonKnownIllegalImage},
		"Coded":         {reason: "a list may have the bytes on the wire", picture: pngs, kind: "image/png", coding: "gzip", listed: coded(t, "gzip", pngs), want: ReasonKnownIllegalImage},
		"UnknownBr":     {reason: "a picture in a coding that was not offered", picture: pngs, kind: "image/png", coding: "br", listed: jpg, want: ReasonImageNotJudged},
		"BrText":        {reason: "what says that it is no picture goes on", picture: []byte("not brotli"), kind: "text/html", coding: "br"},
		"Other":         {reason: "one that is not listed", picture: jpg, kind: "image/jpeg", listed: pngs},
		"OtherGzip":     {reason: "the same", picture: jpg, kind: "image/jpeg", coding: "gzip", listed: pngs},
		"Error":         {reason: "a picture that is an error's", picture: jpg, kind: "image/jpeg", status: 404, want: ReasonKnownIllegalImage},
		"Part":          {reason: "the beginning of a picture tells nothing", picture: jpg[:9000], kind: "image/jpeg", status: 206, head: []string{"Content-Range: bytes 0-8999/20000"}, want: ReasonImageNotJudged},
		"PartUntyped":   {reason: "whatever its type", picture: jpg[:9000], status: 206, head: []string{"Content-Range: bytes 0-8999/20000"}, want: ReasonImageNotJudged},
		"Middle":        {reason: "nor does its middle", picture: jpg[9000:], kind: "image/jpeg", status: 206, head: []string{"Content-Range: bytes 9000-19999/20000"}, want: ReasonImageNotJudged},
		"WholeRange":    {reason: "all of it was asked for", picture: jpg, kind: "image/jpeg", status: 206, head: []string{fmt.Sprintf("Content-Range: bytes 0-%d/%d", len(jpg)-1, len(jpg))}, want: ReasonKnownIllegalImage},
		"MiddleVideo":   {reason: "videos come in parts", picture: []byte("video"), kind: "video/mp4", status: 206, head: []string{"Content-Range: bytes 9000-9004/20000"}},
		"Page":          {reason: "what is no picture goes on", picture: []byte("<title>x</title>"), kind: "text/html"},
		"Short":         {reason: "shorter than any picture", picture: []byte("GI"), kind: "text/plain"},
		"VideoBoxes":    {reason: "a video", picture: []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavc1" + strings.Repeat("x", 99)), kind: "video/mp4"},
		"BrokenGzip":    {reason: "no picture to a browser either", picture: []byte("not gzip at all"), kind: "image/png", coding: "broken gzip", listed: jpg},
		"BrokenPicture": {reason: "what of a coding can be read is shown", picture: pngs[:len(pngs)/2], kind: "image/png", coding: "cut gzip", want: ReasonKnownIllegalImage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listed := tc.listed
			if listed == nil {
				listed = tc.picture
			}
			body := coded(t, tc.coding, tc.picture)
			coding := tc.coding
			switch coding {
			case "bare deflate":
				coding = "deflate"
			case "broken gzip":
				coding = "gzip"
			case "cut gzip":
				body, coding = coded(t, "gzip", tc.picture), "gzip"
				body = body[:len(body)-8] // without its checksum
			}
			head := append([]string{fmt.Sprintf("HTTP/1.1 %d X", max(tc.status, 200)), fmt.Sprintf("Content-Length: %d", len(body))}, tc.head...)
			if tc.kind != "" {
				head = append(head, "Content-Type: "+tc.kind)
			}
			if coding != "" {
				head = append(head, "Content-Encoding: "+coding)
			}
			site := answering(t, lines(head...)+string(body), true)
			s, dir := judging(t, &Pictures{List: listOf(listed)})
			got := talk(t, s, lines("GET http://"+site+"/x HTTP/1.1", "Host: x", "Connection: close"))
			list := end(t, s)
			if len(list) != 1 || list[0].Failure != tc.want {
				t.Fatalf("%s: recorded %+v, want %q", tc.reason, list, tc.want)
			}
			if tc.want == "" {
				if contents(t, list[0].Response.Body) != string(body) || !strings.HasSuffix(got, string(body)) {
					t.Errorf("%s: the record or the browser has other bytes", tc.reason)
				}
				return
			}
			if b := list[0].Response.Body; b.Size != 0 || b.SHA256 != "" || b.Truncated == "" {
				t.Errorf("%s: the record has a body: %+v", tc.reason, b)
			}
			for _, what := range [][]byte{body, tc.picture} {
				if found := traces(t, dir, what); len(found) > 0 {
					t.Errorf("%s: there is something of it in %v", tc.reason, found)
				}
				if len(what) > 64 && strings.Contains(got, string(what[64:128])) {
					t.Errorf("%s: the browser got something of it", tc.reason)
				}
			}
		})
	}
}

// TestListedOverH2: the same between two ends that speak HTTP/2, for an HTTP/1.1 browser and
// for pictures that come in pieces, with nothing on disk while they come.
func TestListedOverH2(t *testing.T) {
	t.Parallel()
	picture := noise(t, png.Encode)
	inside, goOn := make(chan struct{}, 4), make(chan struct{})
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
			t.Errorf("the origin was asked for %q", r.Header.Get("Accept-Encoding"))
		}
		_, _ = w.Write(picture[:len(picture)/2])
		w.(http.Flusher).Flush()
		inside <- struct{}{}
		<-goOn
		_, _ = w.Write(picture[len(picture)/2:])
	}))
	site.EnableHTTP2 = true
	site.StartTLS()
	t.Cleanup(site.Close)
	s, dir := judging(t, &Pictures{List: listOf(picture)})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, site.URL+"/", nil)
			req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
			res, err := h2Client(t, s).Do(req)
			if err != nil {
				return // broken off: its head had gone on
			}
			defer res.Body.Close()
			raw, _ := io.ReadAll(res.Body)
			if len(raw) > 0 {
				t.Errorf("the browser got %d bytes", len(raw))
			}
		})
	}
	<-inside
	<-inside
	if found := traces(t, dir, picture); len(found) > 0 {
		t.Errorf("while it comes there is something of it in %v", found)
	}
	close(goOn)
	wg.Wait()
	for _, e := range end(t, s) {
		if e.Failure != ReasonKnownIllegalImage || e.Response.Body.Size != 0 {
			t.Errorf("recorded %+v", e)
		}
	}
	if found := traces(t, dir, picture); len(found) > 0 {
		t.Errorf("there is something of it in %v", found)
	}
}

// TestTooMuchToHold: bounds of memory drop pictures, and give back what they held.
func TestTooMuchToHold(t *testing.T) {
	t.Parallel()
	picture := noise(t, png.Encode)
	site := answering(t, lines("HTTP/1.1 200 OK", "Content-Type: image/png", fmt.Sprintf("Content-Length: %d", len(picture)))+string(picture), true)
	bomb := answering(t, lines("HTTP/1.1 200 OK", "Content-Type: image/png", "Content-Encoding: gzip", "Connection: close")+string(coded(t, "gzip", make([]byte, 9<<20))), true)
	for name, tc := range map[string]struct {
		pictures *Pictures
		site     string
		want     string
	}{
		"One":  {&Pictures{MaxBytes: 1000}, site, ReasonImageNotJudged},
		"All":  {&Pictures{MaxHeld: 1000}, site, ReasonImageNotJudged},
		"Bomb": {&Pictures{MaxBytes: 1 << 20}, bomb, ReasonImageNotJudged},
		"Room": {&Pictures{MaxBytes: int64(len(picture)), MaxHeld: int64(len(picture))}, site, ""},
	} {
		tc.pictures.List = madeUp{}
		s, _ := judging(t, tc.pictures)
		for range 2 {
			_ = talk(t, s, lines("GET http://"+tc.site+"/x HTTP/1.1", "Host: x", "Connection: close"))
		}
		for _, e := range end(t, s) {
			if e.Failure != tc.want {
				t.Errorf("%s: %q: %s", name, e.Failure, e.Detail)
			}
		}
		if err := s.Close(); err != nil { // which waits for all
			t.Fatal(err)
		}
		if n := tc.pictures.held.Load(); n != 0 {
			t.Errorf("%s: %d bytes are held after the end", name, n)
		}
	}
}

// TestEventsAreNotHeld: a stream whose first bytes are no picture's reaches the page at once.
func TestEventsAreNotHeld(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	site := rawServer(t, func(c net.Conn, br *bufio.Reader) {
		_ = readRequestHead(br)
		_, _ = io.WriteString(c, lines("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Connection: close")+":\n\n")
		<-goOn
	})
	s, _ := judging(t, &Pictures{List: madeUp{}})
	br, c := dialSession(t, s, "GET http://"+site+"/x HTTP/1.1", "Host: x")
	defer c.Close()
	if _, err := readHead(br); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(br, got); err != nil || string(got) != ":\n\n" {
		t.Errorf("got %q, %v", got, err)
	}
	close(goOn)
	end(t, s)
}

func TestDepositsAreJudged(t *testing.T) {
	t.Parallel()
	picture := noise(t, png.Encode)
	for name, tc := range map[string]struct {
		kind string
		code int
		body []byte
		want string
	}{
		"Listed": {"image/png", 200, picture, ReasonKnownIllegalImage},
		"Octets": {"application/octet-stream", 200, picture, ReasonKnownIllegalImage},
		"Part":   {"image/png", 206, picture[:5000], ReasonImageNotJudged},
		"Other":  {"image/png", 200, picture[:5000], ""},
		"Text":   {"text/html", 200, []byte("text"), ""},
		"Empty":  {"image/png", 200, nil, ""},
	} {
		s, dir := judging(t, &Pictures{List: listOf(picture)})
		d, err := s.NewResponseDeposit("x", tc.code, tc.kind, "bytes 0-4999/9999")
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(tc.body, 1000) {
			if _, err := d.Write(piece); err != nil {
				break
			}
		}
		b, err := d.Close("")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if w := d.Withheld(); w != nil {
			got = w.Reason
		}
		if got != tc.want || tc.want == "" && contents(t, b) != string(tc.body) || tc.want != "" && b.Size != 0 {
			t.Errorf("%s: %q, %+v", name, got, b)
		}
		end(t, s)
		if found := traces(t, dir, picture); tc.want != "" && len(found) > 0 {
			t.Errorf("%s: there is something of it in %v", name, found)
		}
	}
}

func FuzzBeginsPicture(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x20ftypmif1"))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v := beginsPicture(p, true); v == mayBePicture {
			t.Error("not decided at the end")
		}
		if len(p) >= signatureSize && beginsPicture(p, false) == mayBePicture {
			t.Error("not decided with enough bytes")
		}
		for n := range min(len(p), signatureSize) { // what is no picture will not become one
			if beginsPicture(p[:n], false) == noPicture && beginsPicture(p, false) == isPicture {
				t.Errorf("%d bytes are none, %d are one", n, len(p))
			}
		}
	})
}
