package portal

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// maxPicture bounds the pictures of the docs, in bytes.
const maxPicture = 200 << 10

// screenshotsTo is the folder that the pictures of the docs are written to: `make portal-screenshots` sets it.
const screenshotsTo = "CRAWLFLEET_SCREENSHOTS"

// screenshots writes the pictures of the docs.
func (w *world) screenshots(t *testing.T) {
	dir := os.Getenv(screenshotsTo)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	people := audience{}
	for _, v := range w.views() {
		for shot := range strings.FieldsSeq(v.shots) {
			p := people.of(t, w, v)
			width, height, scheme, name := int64(1280), int64(800), "light", v.name
			switch shot {
			case "dark":
				scheme, name = "dark", v.name+"-dark"
			case "narrow":
				width, height, name = 390, 780, v.name+"-narrow"
			}
			p.dress(width, height, scheme)
			p.shows(v)
			p.await("the pictures", `![...document.images].some((i) => !i.complete)`)
			p.shoot(filepath.Join(dir, name+".png"))
			p.leaves(v)
		}
	}
}

func (p *person) shoot(file string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	raw, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		p.Fatal(err)
	}
	var packed bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&packed, reduced(img)); err != nil {
		p.Fatal(err)
	}
	if packed.Len() > maxPicture {
		p.Errorf("%s has %d bytes", file, packed.Len())
	}
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		p.Fatal(err)
	}
	p.Logf("%s: %d bytes", file, packed.Len())
}

// The colours of a picture: the ones seen most, and besides them those that are least like any.
const colours, seenMost = 256, 128

// reduced has few colours, which is enough for pages and takes a third of the bytes.
func reduced(img image.Image) image.Image {
	kind := func(c color.RGBA) color.RGBA { return color.RGBA{c.R &^ 3, c.G &^ 3, c.B &^ 3, 255} }
	box, times, exact := img.Bounds(), map[color.RGBA]int{}, map[color.RGBA]color.RGBA{}
	each := func(use func(x, y int, c color.RGBA)) {
		for y := box.Min.Y; y < box.Max.Y; y++ {
			for x := box.Min.X; x < box.Max.X; x++ {
				use(x, y, color.RGBAModel.Convert(img.At(x, y)).(color.RGBA))
			}
		}
	}
	each(func(_, _ int, c color.RGBA) {
		k := kind(c)
		if times[k]++; times[k] == 1 {
			exact[k] = c
		}
	})
	kinds := slices.SortedFunc(maps.Keys(times), func(a, b color.RGBA) int {
		return cmp.Or(times[b]-times[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	unlike := make([]int, len(kinds)) // how much each is unlike what the palette has, once it has something
	add := func(i int) {
		palette = append(palette, exact[kinds[i]])
		for j, k := range kinds {
			if d := distance(exact[kinds[i]], k); len(palette) == 1 || d < unlike[j] {
				unlike[j] = d
			}
		}
	}
	for i := range min(len(kinds), seenMost) {
		add(i)
	}
	for len(palette) < min(len(kinds), colours) {
		add(slices.Index(unlike, slices.Max(unlike)))
	}
	nearest, out := map[color.RGBA]uint8{}, image.NewPaletted(box, palette)
	each(func(x, y int, c color.RGBA) {
		if _, ok := nearest[c]; !ok {
			nearest[c] = uint8(palette.Index(c))
		}
		out.SetColorIndex(x, y, nearest[c])
	})
	return out
}

// distance is how unlike two colours are.
func distance(a, b color.RGBA) int {
	red, green, blue := int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B)
	return red*red + green*green + blue*blue
}
