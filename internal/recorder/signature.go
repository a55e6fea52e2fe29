package recorder

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// verdict says whether some bytes are the beginning of a picture.
type verdict int

const (
	noPicture verdict = iota
	mayBePicture
	isPicture
)

// signatures are how pictures begin that browsers show, whatever their media type says, and
// some that they save. A dot stands for any byte.
var signatures = [][]byte{
	[]byte("\xff\xd8\xff"),               // JPEG
	[]byte("\x89PNG\r\n\x1a\n"),          // PNG
	[]byte("GIF8"),                       // GIF
	[]byte("RIFF....WEBP"),               // WebP
	[]byte("BM....\x00\x00\x00\x00"),     // BMP
	[]byte("\x00\x00\x01\x00"),           // icon
	[]byte("\x00\x00\x02\x00"),           // cursor
	[]byte("II*\x00"), []byte("MM\x00*"), // TIFF
	[]byte("\xff\x0a"),                     // JPEG XL
	[]byte("\x00\x00\x00\x0cJXL \r\n\x87"), // JPEG XL, in boxes
	[]byte("\x00\x00\x00\x0cjP  \r\n\x87"), // JPEG 2000
	[]byte("\xff\x4f\xff\x51"),             // JPEG 2000, without boxes
}

// signatureSize is how many bytes tell for certain.
const signatureSize = 256

// beginsPicture looks at the first bytes of something; ended says that they are all of it.
func beginsPicture(p []byte, ended bool) verdict {
	v := stillImageBoxes(p)
	for _, s := range signatures {
		v = max(v, matches(p, s))
	}
	if ended && v == mayBePicture {
		return noPicture
	}
	return v
}

func matches(p, signature []byte) verdict {
	for i := range min(len(p), len(signature)) {
		if signature[i] != '.' && p[i] != signature[i] {
			return noPicture
		}
	}
	if len(p) < len(signature) {
		return mayBePicture
	}
	return isPicture
}

// brands are those of AVIF and HEIF (ISO/IEC 23008-12 annex B, AVIF section 6): files of the
// same boxes as videos.
var brands = [][]byte{
	[]byte("avif"), []byte("avis"), []byte("mif1"), []byte("msf1"), []byte("miaf"),
	[]byte("heic"), []byte("heix"), []byte("heim"), []byte("heis"), []byte("hevc"), []byte("hevx"),
}

// stillImageBoxes looks for the file type box of AVIF and HEIF.
func stillImageBoxes(p []byte) verdict {
	if v := matches(p, []byte("\x00\x00..ftyp")); v != isPicture {
		return v
	}
	size := min(int(p[0])<<24|int(p[1])<<16|int(p[2])<<8|int(p[3]), signatureSize)
	for at := 8; at+4 <= min(size, len(p)); at += 4 {
		if slices.ContainsFunc(brands, func(b []byte) bool { return bytes.Equal(b, p[at:at+4]) }) {
			return isPicture
		}
	}
	if len(p) < size {
		return mayBePicture
	}
	return noPicture
}

// errUnreadable is the error of a content coding that is not decoded here.
var errUnreadable = errors.New("a content coding that is not known")

// maxZstdWindow is what a browser allows (RFC 9659).
const maxZstdWindow = 8 << 20

// decoded takes content codings off (RFC 9110 section 8.4), the last one first. A coding that
// browsers do not know either is none.
func decoded(r io.Reader, codings []string) (io.ReadCloser, error) {
	out := io.NopCloser(r)
	for _, coding := range slices.Backward(codings) {
		var err error
		switch coding {
		case "gzip", "x-gzip":
			out, err = gzip.NewReader(out)
		case "deflate":
			out, err = inflate(out)
		case "zstd":
			out, err = unzstd(out)
		case "br", "dcb", "dcz":
			err = errUnreadable
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inflate reads zlib (RFC 1950) and, as browsers do, bare deflate.
func inflate(r io.Reader) (io.ReadCloser, error) {
	begin := make([]byte, 2)
	n, err := io.ReadFull(r, begin)
	if err != nil {
		return nil, err
	}
	const deflateMethod = 8
	whole := io.MultiReader(bytes.NewReader(begin[:n]), r)
	if begin[0]&0x0f == deflateMethod && (int(begin[0])<<8|int(begin[1]))%31 == 0 {
		return zlib.NewReader(whole)
	}
	return flate.NewReader(whole), nil
}

func unzstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}
