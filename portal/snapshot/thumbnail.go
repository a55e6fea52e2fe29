package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
)

// ErrPicture means that bytes are no picture that can be made small.
var ErrPicture = errors.New("not a picture that can be shown")

// Bounds of small pictures.
const (
	// maxPixels is how many pixels are decoded of a picture.
	maxPixels = 8 << 20
	// maxThumbnail is how wide a small picture may be, in pixels.
	maxThumbnail = 1024
	// blurred is how many pixels a blurred picture is made of from side to side: letters,
	// faces and bodies are not to be made out.
	blurred = 16
	// quality is that of the JPEG, of 100.
	quality = 80
)

// Thumbnail makes a small JPEG, that many pixels wide, of the top of a screenshot, as high as 3/4
// of its width. What lies below is not decoded, however high the picture is. It reads no more of
// the PNG than it needs, and so leaves its digest unchecked. What cannot be shown is ErrPicture.
func Thumbnail(screenshot io.Reader, width int) ([]byte, error) {
	return small(screenshot, width, func(top image.Image, to image.Rectangle) *image.RGBA { return scaled(top, to) })
}

// Blurred is Thumbnail with all that could be made out taken away, for who has not asked to see it.
func Blurred(screenshot io.Reader, width int) ([]byte, error) {
	return small(screenshot, width, func(top image.Image, to image.Rectangle) *image.RGBA {
		return scaled(scaled(top, image.Rect(0, 0, blurred, max(1, blurred*to.Dy()/to.Dx()))), to)
	})
}

// small makes a small picture.
func small(screenshot io.Reader, width int, draw func(top image.Image, to image.Rectangle) *image.RGBA) ([]byte, error) {
	if width < 1 || width > maxThumbnail {
		return nil, fmt.Errorf("a small picture is 1 to %d pixels wide, not %d", maxThumbnail, width)
	}
	cropped, err := crop(screenshot)
	if err != nil {
		return nil, err
	}
	top, err := png.Decode(cropped)
	if err != nil {
		return nil, unreadable(err)
	}
	size := top.Bounds().Size()
	width = min(width, size.X)
	height := max(1, size.Y*width/size.X)
	var out bytes.Buffer
	err = jpeg.Encode(&out, draw(top, image.Rect(0, 0, width, height)), &jpeg.Options{Quality: quality})
	return out.Bytes(), err
}

// scaled is a picture of another size, on white where it is transparent.
func scaled(from image.Image, to image.Rectangle) *image.RGBA {
	out := image.NewRGBA(to)
	draw.Draw(out, to, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.BiLinear.Scale(out, to, from, from.Bounds(), draw.Over, nil)
	return out
}

// unreadable tells a fault of a picture from trouble with reading it.
func unreadable(err error) error {
	var format png.FormatError
	var unsupported png.UnsupportedError
	if errors.As(err, &format) || errors.As(err, &unsupported) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrPicture, err)
	}
	return err
}
