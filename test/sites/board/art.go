package board

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
)

// imageFormats are the formats of an ad's pictures, in their order.
var imageFormats = []string{"jpg", "png", "svg"}

// Pictures are flat drawings of a few shapes on a canvas of canvasW × canvasH units, drawn either by this package,
// pixel by pixel, or by the browser, as SVG.
const (
	canvasW = 100.0
	canvasH = 75.0
)

type point struct{ x, y float64 }

// A shape is a circle, ring, line with round ends, or rounded rectangle.
type shape struct {
	sort  byte // 'c', 'o', 'l' or 'r'
	a, b  point
	size  float64 // radius of a circle or ring, corner radius of a rectangle
	width float64 // stroke width of a ring or line
	fill  color.RGBA
}

func circle(x, y, r float64, c color.RGBA) shape {
	return shape{sort: 'c', a: point{x, y}, size: r, fill: c}
}

func ring(x, y, r, width float64, c color.RGBA) shape {
	return shape{sort: 'o', a: point{x, y}, size: r, width: width, fill: c}
}

func line(x1, y1, x2, y2, width float64, c color.RGBA) shape {
	return shape{sort: 'l', a: point{x1, y1}, b: point{x2, y2}, width: width, fill: c}
}

func rect(x, y, w, h, corner float64, c color.RGBA) shape {
	return shape{sort: 'r', a: point{x, y}, b: point{w, h}, size: corner, fill: c}
}

// distance returns how far p is outside of the shape; it is negative inside.
func (s shape) distance(p point) float64 {
	switch s.sort {
	case 'c':
		return math.Hypot(p.x-s.a.x, p.y-s.a.y) - s.size
	case 'o':
		return math.Abs(math.Hypot(p.x-s.a.x, p.y-s.a.y)-s.size) - s.width/2
	case 'l':
		d := point{s.b.x - s.a.x, s.b.y - s.a.y}
		q := point{p.x - s.a.x, p.y - s.a.y}
		t := (q.x*d.x + q.y*d.y) / max(d.x*d.x+d.y*d.y, 1e-9)
		t = min(1, max(0, t))
		return math.Hypot(q.x-t*d.x, q.y-t*d.y) - s.width/2
	default:
		half := point{s.b.x / 2, s.b.y / 2}
		dx := math.Abs(p.x-s.a.x-half.x) - half.x + s.size
		dy := math.Abs(p.y-s.a.y-half.y) - half.y + s.size
		return math.Hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - s.size
	}
}

// bounds returns the corners of a box that holds the shape.
func (s shape) bounds() (lo, hi point) {
	reach := s.size + s.width
	switch s.sort {
	case 'r':
		return s.a, point{s.a.x + s.b.x, s.a.y + s.b.y}
	case 'l':
		return point{min(s.a.x, s.b.x) - reach, min(s.a.y, s.b.y) - reach}, point{max(s.a.x, s.b.x) + reach, max(s.a.y, s.b.y) + reach}
	default:
		return point{s.a.x - reach, s.a.y - reach}, point{s.a.x + reach, s.a.y + reach}
	}
}

// moved returns the shape zoomed around the canvas's centre and shifted.
func (s shape) moved(zoom float64, shift point) shape {
	at := func(p point) point {
		return point{(p.x-canvasW/2)*zoom + canvasW/2 + shift.x, (p.y-canvasH/2)*zoom + canvasH/2 + shift.y}
	}
	s.a = at(s.a)
	if s.sort == 'r' {
		s.b = point{s.b.x * zoom, s.b.y * zoom}
	} else {
		s.b = at(s.b)
	}
	s.size *= zoom
	s.width *= zoom
	return s
}

func (s shape) svg() string {
	c := hex(s.fill)
	switch s.sort {
	case 'c':
		return fmt.Sprintf(`<circle cx="%.2f" cy="%.2f" r="%.2f" fill="%s"/>`, s.a.x, s.a.y, s.size, c)
	case 'o':
		return fmt.Sprintf(`<circle cx="%.2f" cy="%.2f" r="%.2f" fill="none" stroke="%s" stroke-width="%.2f"/>`, s.a.x, s.a.y, s.size, c, s.width)
	case 'l':
		return fmt.Sprintf(`<path d="M%.2f %.2fL%.2f %.2f" stroke="%s" stroke-width="%.2f" stroke-linecap="round"/>`, s.a.x, s.a.y, s.b.x, s.b.y, c, s.width)
	default:
		return fmt.Sprintf(`<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" rx="%.2f" fill="%s"/>`, s.a.x, s.a.y, s.b.x, s.b.y, s.size, c)
	}
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// A drawing is a background that fades from top to bottom, and shapes on it.
type drawing struct {
	top, bottom color.RGBA
	shapes      []shape
}

// draw makes the picture of a scene; the same variant gives the same drawing.
func draw(scene string, variant int) drawing {
	rng := rand.New(rand.NewPCG(uint64(variant), uint64(len(scene))<<32|uint64(scene[0])))
	p := palettes[variant%len(palettes)]
	d := drawing{top: p.wall, bottom: p.floor}
	d.shapes = append(d.shapes, rect(-40, 58, 180, 60, 0, p.ground))
	zoom := 0.92 + 0.22*rng.Float64()
	shift := point{(rng.Float64() - 0.5) * 8, (rng.Float64() - 0.5) * 3}
	for _, s := range scenes[scene](p, rng) {
		d.shapes = append(d.shapes, s.moved(zoom, shift))
	}
	return d
}

func (d drawing) svg(width int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %g %g">`, width, width*3/4, canvasW, canvasH)
	fmt.Fprintf(&b, `<defs><linearGradient id="g" x2="0" y2="1"><stop stop-color="%s"/><stop offset="1" stop-color="%s"/></linearGradient></defs>`, hex(d.top), hex(d.bottom))
	b.WriteString(`<rect width="100%" height="100%" fill="url(#g)"/>`)
	for _, s := range d.shapes {
		b.WriteString(s.svg())
	}
	b.WriteString("</svg>")
	return []byte(b.String())
}

// raster draws the picture with smoothed edges, width pixels wide.
func (d drawing) raster(width int) *image.RGBA {
	height := width * 3 / 4
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	scale := float64(width) / canvasW
	for y := range height {
		c := mix(d.top, d.bottom, float64(y)/float64(height))
		for x := range width {
			img.SetRGBA(x, y, c)
		}
	}
	for _, s := range d.shapes {
		lo, hi := s.bounds()
		x0, x1 := clamp(lo.x*scale-1, width), clamp(hi.x*scale+2, width)
		y0, y1 := clamp(lo.y*scale-1, height), clamp(hi.y*scale+2, height)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				covered := 0.5 - s.distance(point{(float64(x) + 0.5) / scale, (float64(y) + 0.5) / scale})*scale
				if covered > 0 {
					img.SetRGBA(x, y, mix(img.RGBAAt(x, y), s.fill, min(1, covered)))
				}
			}
		}
	}
	return img
}

func clamp(v float64, most int) int { return min(most, max(0, int(v))) }

func mix(a, b color.RGBA, t float64) color.RGBA {
	part := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*t)) }
	return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 255}
}

// encode draws the picture of a scene as a file of the given format.
func encode(scene string, variant int, format string, width int) ([]byte, error) {
	d := draw(scene, variant)
	var b bytes.Buffer
	switch format {
	case "svg":
		return d.svg(width), nil
	case "jpg":
		if err := jpeg.Encode(&b, d.raster(width), &jpeg.Options{Quality: 84}); err != nil {
			return nil, fmt.Errorf("encode a drawing of %s: %w", scene, err)
		}
	default:
		if err := png.Encode(&b, d.raster(width)); err != nil {
			return nil, fmt.Errorf("encode a drawing of %s: %w", scene, err)
		}
	}
	return b.Bytes(), nil
}
