package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zlib"
)

// A screenshot of a whole page may be many times as high as it is wide, and image/png decodes all
// of a picture or nothing. But a PNG has its rows one after another in a single stream of zlib, so
// that its top is a PNG with less of them. (W3C, Portable Network Graphics, Third Edition)

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	maxChunk     = 1<<31 - 1
	maxPalette   = 3 * 256
)

// header is the first chunk of a PNG, IHDR.
type header struct {
	width, height             int
	depth, colour, interlaced byte
}

// top is how many rows are shown of a picture of that width: 3/4 of it.
func (h *header) top() int { return min(h.height, max(1, h.width*3/4)) }

// row is how many bytes a row takes, with the one that names its filter.
func (h *header) row() int {
	samples := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h.colour]
	return 1 + (h.width*samples*int(h.depth)+7)/8
}

// crop is the PNG of the top of a PNG. It refuses one that is too large.
func crop(r io.Reader) (io.Reader, error) {
	start := make([]byte, len(pngSignature)+8+13+4)
	if _, err := io.ReadFull(r, start); err != nil {
		return nil, unreadable(err)
	}
	h, err := parseHeader(start)
	if err != nil {
		return nil, err
	}
	rows := h.top()
	if h.interlaced != 0 {
		rows = h.height // their rows are not one after another
	}
	if h.width > maxPixels || rows > maxPixels/h.width {
		return nil, fmt.Errorf("%w: it has %d × %d pixels", ErrPicture, h.width, h.height)
	}
	if rows == h.height {
		return io.MultiReader(bytes.NewReader(start), r), nil
	}
	var out bytes.Buffer
	out.WriteString(pngSignature)
	ihdr := start[len(pngSignature)+8:][:13]
	binary.BigEndian.PutUint32(ihdr[4:], uint32(rows))
	appendChunk(&out, "IHDR", ihdr)
	data, err := upToData(&out, r)
	if err != nil {
		return nil, unreadable(err)
	}
	if err := appendRows(&out, data, rows*h.row()); err != nil {
		if data.err != nil {
			return nil, unreadable(data.err)
		}
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	appendChunk(&out, "IEND", nil)
	return &out, nil
}

func parseHeader(start []byte) (header, error) {
	chunk, isPNG := bytes.CutPrefix(start, []byte(pngSignature))
	be := binary.BigEndian
	if !isPNG || be.Uint32(chunk) != 13 || string(chunk[4:8]) != "IHDR" {
		return header{}, fmt.Errorf("%w: no PNG", ErrPicture)
	}
	b := chunk[8:]
	width, height := be.Uint32(b), be.Uint32(b[4:])
	if width == 0 || height == 0 || width > maxChunk || height > maxChunk {
		return header{}, fmt.Errorf("%w: it has %d × %d pixels", ErrPicture, width, height)
	}
	h := header{width: int(width), height: int(height), depth: b[8], colour: b[9], interlaced: b[12]}
	if h.depth > 16 {
		return h, fmt.Errorf("%w: its samples have %d bits", ErrPicture, h.depth)
	}
	return h, nil
}

// upToData copies what rows cannot be read without and returns the data of the rows.
func upToData(out *bytes.Buffer, r io.Reader) (*rowData, error) {
	for {
		n, name, err := chunkHead(r)
		if err != nil {
			return nil, err
		}
		switch {
		case name == "IDAT":
			return &rowData{r: r, left: n}, nil
		case (name == "PLTE" || name == "tRNS") && n <= maxPalette:
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				return nil, err
			}
			appendChunk(out, name, b)
			n = 0
		}
		if _, err := io.CopyN(io.Discard, r, n+4); err != nil {
			return nil, err
		}
	}
}

// chunkHead reads the length and the name of a chunk.
func chunkHead(r io.Reader) (n int64, name string, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, "", err
	}
	return int64(binary.BigEndian.Uint32(b[:])), string(b[4:]), nil
}

// rowData is what the chunks of name IDAT hold together.
type rowData struct {
	r    io.Reader
	left int64 // of the current chunk
	err  error // of r
}

// Read implements io.Reader.
func (d *rowData) Read(p []byte) (int, error) {
	for d.left == 0 && d.err == nil {
		if more := d.next(); !more && d.err == nil {
			return 0, io.EOF
		}
	}
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.r.Read(p[:min(int64(len(p)), d.left)])
	d.left, d.err = d.left-int64(n), err
	return n, err
}

// next begins the next chunk; it reports whether that has more of the data.
func (d *rowData) next() bool {
	if _, d.err = io.CopyN(io.Discard, d.r, 4); d.err != nil {
		return false
	}
	var name string
	d.left, name, d.err = chunkHead(d.r)
	return d.err == nil && name == "IDAT"
}

// appendRows packs the first n bytes of the rows anew.
func appendRows(out *bytes.Buffer, data io.Reader, n int) error {
	in, err := zlib.NewReader(data)
	if err != nil {
		return err
	}
	defer in.Close()
	var packed bytes.Buffer
	to, err := zlib.NewWriterLevel(&packed, zlib.NoCompression)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(to, in, int64(n)); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	appendChunk(out, "IDAT", packed.Bytes())
	return nil
}

func appendChunk(out *bytes.Buffer, name string, data []byte) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(len(data)))
	out.Write(b[:])
	out.WriteString(name)
	out.Write(data)
	sum := crc32.NewIEEE()
	_, _ = io.WriteString(sum, name)
	_, _ = sum.Write(data)
	out.Write(sum.Sum(nil))
}
