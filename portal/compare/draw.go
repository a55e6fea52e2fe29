package compare

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
)

// The marks are seen without colours too: a dark line in a light one, and a hatch.
var (
	dark  = color.RGBA{0xb0, 0x00, 0x50, 0xff}
	light = color.RGBA{0xff, 0xff, 0xff, 0xff}
	// beyond is where the picture ends and the one it is compared with does not.
	beyond = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
)

const (
	// hatch is how far lines of the hatch are from each other in pixels.
	hatch = 12
	// outline is how wide the dark and the light line are.
	outline = 2
)

// drawn returns a picture with areas outlined and hatched, as PNG.
func drawn(picture *image.RGBA, areas []image.Rectangle) ([]byte, error) {
	bounds := picture.Bounds()
	for _, r := range areas {
		bounds = bounds.Union(r)
	}
	canvas := image.NewRGBA(bounds)
	draw.Draw(canvas, bounds, image.NewUniform(beyond), image.Point{}, draw.Src)
	draw.Draw(canvas, picture.Bounds(), picture, image.Point{}, draw.Src)
	for _, r := range areas {
		mark(canvas, r)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		return nil, fmt.Errorf("draw the difference: %w", err)
	}
	return out.Bytes(), nil
}

// mark hatches a rectangle, so that what is below can still be read, and outlines it.
func mark(canvas *image.RGBA, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X + (hatch-(r.Min.X+y)%hatch)%hatch; x < r.Max.X; x += hatch {
			canvas.SetRGBA(x, y, dark)
		}
	}
	frame(canvas, r, dark)
	frame(canvas, r.Inset(outline), light)
}

// frame draws the inner edge of a rectangle.
func frame(canvas *image.RGBA, r image.Rectangle, c color.RGBA) {
	ink := image.NewUniform(c)
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, r.Min.Y+outline)},
		{image.Pt(r.Min.X, r.Max.Y-outline), r.Max},
		{r.Min, image.Pt(r.Min.X+outline, r.Max.Y)},
		{image.Pt(r.Max.X-outline, r.Min.Y), r.Max},
	} {
		draw.Draw(canvas, side.Intersect(r), ink, image.Point{}, draw.Src)
	}
}
