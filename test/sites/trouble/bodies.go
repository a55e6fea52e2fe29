package trouble

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// EncodedText is the text that every address below /encodings/ sends.
var EncodedText = strings.Repeat("The same text in every encoding, long enough to be worth it. ", 40)

// Encodings are the names below /encodings/. All but deflate-raw are also the Content-Encoding; deflate-raw is
// sent as deflate, as many servers do.
var Encodings = []string{"identity", "gzip", "deflate", "deflate-raw", "br", "zstd"}

// routeBodies adds large, encoded and downloaded bodies.
func (s *Site) routeBodies() {
	s.mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		if mb, ok := number(w, r, "mb", 64, 1<<20); ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			head := document("huge", "")
			_, _ = io.WriteString(w, head) // the client may go away at any time
			large(w, r, int64(mb)<<20-int64(len(head)))
		}
	})
	// (A read gives the browser's thread away only where nothing has come yet: while the
	// body comes as fast as it is read, the page hangs. So it rests now and then.)
	s.scripted("huge-file", `
const mb = new URLSearchParams(location.search).get('mb') ?? '64';
const body = (await fetch('/huge-file/body.bin?mb=' + mb)).body.getReader();
let n = 0;
for (let reads = 1; ; reads++) {
  const { done, value } = await body.read();
  if (done) break;
  n += value.length;
  if (reads % 16 === 0) await new Promise(go => setTimeout(go));
}
done(n + ' bytes');`)
	s.mux.HandleFunc("/huge-file/body.bin", func(w http.ResponseWriter, r *http.Request) {
		if mb, ok := number(w, r, "mb", 64, 1<<20); ok {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.FormatInt(int64(mb)<<20, 10))
			large(w, r, int64(mb)<<20)
		}
	})
	s.scripted("encodings", `
const names = `+strings.ReplaceAll(fmt.Sprintf("%q", Encodings), `" "`, `", "`)+`;
const lengths = [];
for (const n of names) {
  try { lengths.push(n + '=' + (await (await fetch('/encodings/' + n)).text()).length); } catch { lengths.push(n + '=failed'); }
}
done(lengths.join(' '));`)
	s.mux.HandleFunc("/encodings/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		body, ok := encode(name, []byte(EncodedText))
		if !ok {
			s.fail(w, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if name != "identity" {
			w.Header().Set("Content-Encoding", strings.TrimSuffix(name, "-raw"))
		}
		_, _ = w.Write(body) // fails only when the client went away
	})
	s.mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("now") == "" {
			page(w, "download", `<a href="/download?now=1">a file</a>`)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="trouble.bin"; filename*=UTF-8''tr%C3%B6uble.bin`)
		_, _ = w.Write(bytes.Repeat([]byte{0, 1, 2, 0xff}, 1024)) // fails only when the client went away
	})
	s.text("/plain", "text/plain; charset=utf-8", "Trouble: plain\n\nNot every page is HTML. <a href=\"/nowhere\">No link</a>\n")
}

// large sends n bytes that do not compress to nothing, in pieces of 64 KiB.
func large(w io.Writer, r *http.Request, n int64) {
	piece := make([]byte, 64<<10)
	state := uint32(1)
	for i := range piece {
		state = state*1664525 + 1013904223
		piece[i] = "abcdefghijklmnopqrstuvwxyz .,-\n0"[state>>27]
	}
	for n > 0 && r.Context().Err() == nil {
		m, err := w.Write(piece[:min(n, int64(len(piece)))])
		if err != nil {
			return
		}
		n -= int64(m)
	}
}

// encode applies a content encoding.
func encode(name string, text []byte) ([]byte, bool) {
	var b bytes.Buffer
	var z io.WriteCloser
	switch name {
	case "identity":
		return text, true
	case "gzip":
		z = gzip.NewWriter(&b)
	case "deflate":
		z = zlib.NewWriter(&b)
	case "deflate-raw":
		z, _ = flate.NewWriter(&b, flate.DefaultCompression) // the level is valid
	case "br":
		return storedBrotli(text), true
	case "zstd":
		return storedZstd(text), true
	default:
		return nil, false
	}
	_, _ = z.Write(text) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes(), true
}

// storedBrotli writes a brotli stream (RFC 7932) of one uncompressed meta-block: a valid stream without an encoder,
// which the standard library does not have. The text must be from 1 to 65,536 bytes long.
func storedBrotli(text []byte) []byte {
	// Bits from the lowest: WBITS 0 (a window of 16 bits); ISLAST 0; MNIBBLES 00 (four nibbles); MLEN-1 in 16 bits;
	// ISUNCOMPRESSED 1; and zeros up to the byte's end.
	bits := uint32(len(text)-1)<<4 | 1<<20
	out := []byte{byte(bits), byte(bits >> 8), byte(bits >> 16)}
	out = append(out, text...)
	return append(out, 0b11) // ISLAST 1, ISLASTEMPTY 1
}

// storedZstd writes a Zstandard frame (RFC 8878) of one raw block. The text must be less than 65,792 bytes long.
func storedZstd(text []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	// Frame header: content size in two bytes (which count from 256), single segment, no checksum.
	out = append(out, 1<<6|1<<5)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(text)-256))
	// Block header, three bytes: last block, raw, and its size.
	block := uint32(len(text))<<3 | 1
	out = append(out, byte(block), byte(block>>8), byte(block>>16))
	return append(out, text...)
}
