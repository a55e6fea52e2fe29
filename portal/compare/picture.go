package compare

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"math"
)

// MaxWidth and MaxHeight are those of the largest picture that is compared, in pixels.
const (
	MaxWidth  = 4096
	MaxHeight = 16384
)

const (
	// maxPixels is how many bytes one has when it is decoded.
	maxPixels = 256 << 20
	// maxFile is how many bytes of its file are read.
	maxFile = 128 << 20

	// shownWidth is the width to which pictures are reduced, to be compared and shown.
	shownWidth = 800
	// cell is the length of the side of what is compared as one, in reduced pixels.
	cell = 8
	// A pixel differs when one of its colours does by more than noise, of 255. A cell is
	// changed when more than speckles of its pixels differ. Both forgive how edges of
	// letters are smoothed and how pictures are compressed.
	noise    = 32
	speckles = 3
	// headSize is how many bytes of a PNG tell its size.
	headSize = 25
)

// ErrPicture is that of a picture that is no PNG, is broken, or is larger than the bounds.
var ErrPicture = errors.New("not a picture that can be compared")

// PictureDiff says where two pictures differ. They are compared at the same width, from the
// top: what is inserted moves what is below it, which is a change of all that is below.
type PictureDiff struct {
	A Size `json:"a"`
	B Size `json:"b"`
	// Changed is the share of the area that is different, in percent, rounded to two places.
	// The area is that of the taller one; what only one has is different.
	Changed float64 `json:"changedPercent"`
	// Areas are what is different, from the top, in pixels of b. Below b's end they show
	// what only a has. Those that are close by are one.
	Areas []Area `json:"areas"`
	// PNG is b, at most 800 pixels wide, with each area outlined and hatched.
	PNG []byte `json:"-"`
}

// Size is that of a picture in pixels.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Area is a rectangle of a picture in pixels.
type Area struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Pictures compares two PNG pictures. They are decoded one after the other, each only when
// its size is within the bounds, and reduced at once, so that no more than one of at most
// 256 MiB is held at a time.
// The error wraps [ErrPicture] when one cannot be compared.
func Pictures(a, b io.Reader) (PictureDiff, error) {
	var diff PictureDiff
	headA, headB := bufio.NewReaderSize(a, 4096), bufio.NewReaderSize(b, 4096)
	var err error
	if diff.A, err = sizeOf(headA); err != nil {
		return PictureDiff{}, fmt.Errorf("picture a: %w", err)
	}
	if diff.B, err = sizeOf(headB); err != nil {
		return PictureDiff{}, fmt.Errorf("picture b: %w", err)
	}
	width := min(diff.A.Width, diff.B.Width, shownWidth)
	before, err := reduced(headA, width)
	if err != nil {
		return PictureDiff{}, fmt.Errorf("picture a: %w", err)
	}
	after, err := reduced(headB, width)
	if err != nil {
		return PictureDiff{}, fmt.Errorf("picture b: %w", err)
	}
	g := compared(before, after)
	areas := g.areas()
	diff.Changed = math.Round(1e4*g.share()) / 100
	diff.Areas = scaled(areas, diff.B, after.Bounds().Size())
	diff.PNG, err = drawn(after, areas)
	return diff, err
}

// sizeOf returns the size of a PNG within the bounds without reading further than its
// header, which is its first chunk (ISO/IEC 15948, sections 5.2, 5.6 and 11.2.2).
func sizeOf(r *bufio.Reader) (Size, error) {
	head, err := r.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return Size{}, err
	}
	if len(head) < headSize || string(head[:8]) != "\x89PNG\r\n\x1a\n" || string(head[12:16]) != "IHDR" {
		return Size{}, fmt.Errorf("%w: it does not begin as a PNG", ErrPicture)
	}
	width, height, depth := binary.BigEndian.Uint32(head[16:]), binary.BigEndian.Uint32(head[20:]), head[24]
	if width == 0 || height == 0 || width > MaxWidth || height > MaxHeight {
		return Size{}, fmt.Errorf("%w: %d by %d pixels are not within %d by %d", ErrPicture, width, height, MaxWidth, MaxHeight)
	}
	// The library decodes a pixel to 4 bytes at most, or to 8 when it has 16 bits a colour.
	if depth == 16 && 8*width*height > maxPixels {
		return Size{}, fmt.Errorf("%w: %d by %d pixels of 16 bits are more than %d bytes", ErrPicture, width, height, maxPixels)
	}
	return Size{int(width), int(height)}, nil
}

// reduced decodes a picture and makes it narrower, on white where it is transparent.
func reduced(r io.Reader, width int) (*image.RGBA, error) {
	limited := &io.LimitedReader{R: r, N: maxFile}
	source, err := png.Decode(limited)
	if err != nil && limited.N <= 0 {
		return nil, fmt.Errorf("%w: its file has more than %d bytes", ErrPicture, maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	size := source.Bounds().Size()
	height := max(1, (size.Y*width+size.X/2)/size.X)
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	whole := image.NewRGBA(image.Rect(0, 0, size.X, (size.Y+height-1)/height))
	for y := range height {
		from := y * size.Y / height
		to := max((y+1)*size.Y/height, from+1)
		strip := whole.SubImage(image.Rect(0, 0, size.X, to-from)).(*image.RGBA)
		draw.Draw(strip, strip.Bounds(), image.White, image.Point{}, draw.Src)
		draw.Draw(strip, strip.Bounds(), source, source.Bounds().Min.Add(image.Pt(0, from)), draw.Over)
		averageRow(out.Pix[y*out.Stride:][:4*width], strip)
	}
	return out, nil
}

// averageRow writes the average colours of a strip into one row.
func averageRow(row []byte, strip *image.RGBA) {
	width, size := len(row)/4, strip.Bounds().Size()
	for x := range width {
		from, to := x*size.X/width, max((x+1)*size.X/width, x*size.X/width+1)
		var sum [3]int
		for y := range size.Y {
			for pixel := strip.Pix[y*strip.Stride+4*from : y*strip.Stride+4*to]; len(pixel) > 0; pixel = pixel[4:] {
				sum[0] += int(pixel[0])
				sum[1] += int(pixel[1])
				sum[2] += int(pixel[2])
			}
		}
		count := size.Y * (to - from)
		row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = byte(sum[0]/count), byte(sum[1]/count), byte(sum[2]/count), 0xff
	}
}

// scaled returns areas in the pixels of a picture that was reduced to a size.
func scaled(areas []image.Rectangle, size Size, to image.Point) []Area {
	out := make([]Area, 0, len(areas))
	for _, r := range areas {
		x, y := r.Min.X*size.Width/to.X, r.Min.Y*size.Width/to.X
		right, bottom := (r.Max.X*size.Width+to.X-1)/to.X, (r.Max.Y*size.Width+to.X-1)/to.X
		if r.Max.Y <= to.Y { // (Both heights are rounded.)
			bottom = min(bottom, size.Height)
		}
		out = append(out, Area{X: x, Y: y, Width: min(right, size.Width) - x, Height: max(bottom-y, 1)})
	}
	return out
}
