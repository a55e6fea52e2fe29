package board

import (
	"image/color"
	"math/rand/v2"
)

// A palette is the colours of one drawing.
type palette struct {
	wall, floor, ground   color.RGBA
	main, second, dark    color.RGBA
	light, accent, shadow color.RGBA
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

func newPalette(wall, floor, ground, main, second, accent uint32) palette {
	return palette{
		wall: rgb(wall), floor: rgb(floor), ground: rgb(ground),
		main: rgb(main), second: rgb(second), accent: rgb(accent),
		dark: rgb(0x2b3440), light: rgb(0xfffaf0), shadow: mix(rgb(ground), rgb(0x000000), 0.14),
	}
}

var palettes = []palette{
	newPalette(0xdceefb, 0xf5fbff, 0xc3d9c9, 0x2f6f9f, 0x7fb2d6, 0xf2a541),
	newPalette(0xfde8d7, 0xfff6ec, 0xe6c7a8, 0xc8553d, 0xe89a7b, 0x588b8b),
	newPalette(0xe6f2e3, 0xf8fcf5, 0xbfd3b0, 0x3f7d4e, 0x8fbf8b, 0xe0b13c),
	newPalette(0xeee6f5, 0xfaf6fd, 0xcfc1dd, 0x6a4c93, 0xab92cc, 0xf0803c),
	newPalette(0xfff3cf, 0xfffbee, 0xe5d5a0, 0xb5832a, 0xe0bb63, 0x3d6b8e),
	newPalette(0xdff3f1, 0xf4fcfb, 0xb4d5d0, 0x1f7a74, 0x6fb9b2, 0xe4572e),
	newPalette(0xf9e1e7, 0xfef6f8, 0xe2bcc8, 0xa8325b, 0xd98aa5, 0x3a7ca5),
	newPalette(0xe4e8f2, 0xf7f9fd, 0xbcc5d8, 0x34518c, 0x8299c9, 0xd9822b),
}

// scenes draw the things that ads are about.
var scenes = map[string]func(palette, *rand.Rand) []shape{
	"bike":       drawBike,
	"cargo":      drawCargoBike,
	"tandem":     drawTandem,
	"sofa":       drawSofa,
	"lamp":       drawLamp,
	"shelf":      drawShelf,
	"plant":      drawPlant,
	"table":      drawTable,
	"laptop":     drawLaptop,
	"phone":      drawPhone,
	"camera":     drawCamera,
	"radio":      drawRadio,
	"window":     drawWindow,
	"bed":        drawBed,
	"paint":      drawPaint,
	"toolbox":    drawToolbox,
	"boxes":      drawBoxes,
	"guitar":     drawGuitar,
	"blackboard": drawBlackboard,
	"books":      drawBooks,
}

func wheel(x, y, r float64, p palette) []shape {
	return []shape{ring(x, y, r, 1.8, p.dark), ring(x, y, r-1.6, 0.6, p.light), circle(x, y, 1.3, p.dark)}
}

func drawBike(p palette, rng *rand.Rand) []shape {
	s := []shape{rect(20, 63, 62, 3, 1.5, p.shadow)}
	s = append(s, wheel(31, 52, 12, p)...)
	s = append(s, wheel(71, 52, 12, p)...)
	s = append(s,
		line(31, 52, 43, 34, 1.8, p.main), line(43, 34, 64, 33, 1.8, p.main), line(43, 34, 49, 52, 1.8, p.main),
		line(49, 52, 64, 34, 1.8, p.main), line(31, 52, 49, 52, 1.8, p.main), line(71, 52, 63, 27, 1.8, p.main),
		line(63, 27, 69, 24, 1.6, p.dark), line(43, 34, 42, 29, 1.4, p.dark), line(38, 28.5, 46, 28, 2.6, p.dark),
		circle(49, 52, 2.6, p.second), line(49, 52, 52, 56, 1, p.dark),
	)
	if rng.IntN(2) == 0 {
		s = append(s, rect(67, 27, 12, 8, 1.5, p.accent), line(69, 30, 77, 30, 0.6, p.light), line(69, 32.4, 77, 32.4, 0.6, p.light))
	}
	return s
}

func drawCargoBike(p palette, _ *rand.Rand) []shape {
	s := []shape{rect(14, 63, 74, 3, 1.5, p.shadow)}
	s = append(s, wheel(25, 53, 11, p)...)
	s = append(s, wheel(79, 56, 8, p)...)
	return append(s,
		rect(48, 34, 28, 18, 3, p.main), rect(48, 34, 28, 4, 2, p.second),
		line(25, 53, 36, 34, 1.8, p.dark), line(36, 34, 42, 53, 1.8, p.dark), line(25, 53, 42, 53, 1.8, p.dark),
		line(42, 53, 79, 56, 1.8, p.dark), line(44, 48, 46, 26, 1.6, p.dark), line(46, 26, 42, 24, 1.6, p.dark),
		line(32, 30, 39, 29.5, 2.4, p.dark), circle(62, 30, 5, p.accent), circle(55, 31, 4, p.light),
	)
}

func drawTandem(p palette, _ *rand.Rand) []shape {
	s := []shape{rect(10, 63, 82, 3, 1.5, p.shadow)}
	s = append(s, wheel(21, 52, 12, p)...)
	s = append(s, wheel(80, 52, 12, p)...)
	return append(s,
		line(21, 52, 31, 34, 1.8, p.main), line(31, 34, 73, 33, 1.8, p.main), line(31, 34, 37, 53, 1.8, p.main),
		line(54, 34, 59, 53, 1.8, p.main), line(37, 53, 59, 53, 1.8, p.main), line(37, 53, 54, 34, 1.6, p.main),
		line(21, 52, 37, 53, 1.8, p.main), line(59, 53, 73, 34, 1.8, p.main), line(80, 52, 72, 27, 1.8, p.main),
		line(72, 27, 78, 24, 1.6, p.dark), line(27, 29, 34, 28.6, 2.4, p.dark), line(50, 29, 57, 28.6, 2.4, p.dark),
		line(54, 34, 53, 29, 1.2, p.dark), line(31, 34, 30, 29, 1.2, p.dark), circle(37, 53, 2.2, p.accent), circle(59, 53, 2.2, p.accent),
	)
}

func drawSofa(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(18, 61, 64, 3, 1.5, p.shadow),
		line(26, 58, 24, 63, 2, p.dark), line(74, 58, 76, 63, 2, p.dark),
		rect(22, 28, 56, 24, 6, p.main), rect(26, 42, 24, 12, 3, p.second), rect(50, 42, 24, 12, 3, p.second),
		rect(15, 38, 12, 22, 5, p.main), rect(73, 38, 12, 22, 5, p.main), rect(22, 53, 56, 7, 3, p.main),
		rect(31, 33, 12, 11, 3, p.accent), rect(58, 34, 11, 10, 3, p.light),
	}
}

func drawLamp(p palette, _ *rand.Rand) []shape {
	return []shape{
		circle(50, 30, 24, mix(p.wall, p.light, 0.65)),
		rect(36, 62, 28, 3, 1.5, p.shadow), rect(39, 59, 22, 4, 2, p.dark), line(50, 60, 50, 32, 1.8, p.dark),
		rect(36, 15, 28, 19, 7, p.accent), rect(36, 26, 28, 8, 3, p.accent), line(56, 34, 56, 42, 0.5, p.dark), circle(56, 43, 1.1, p.main),
	}
}

func drawShelf(p palette, rng *rand.Rand) []shape {
	s := []shape{rect(24, 64, 52, 3, 1.5, p.shadow), rect(26, 12, 48, 53, 2, p.main), rect(29, 15, 42, 47, 1, p.light)}
	colours := []color.RGBA{p.accent, p.second, p.main, p.dark}
	for row := range 3 {
		bottom := 29.0 + float64(row)*16
		for x := 31.0; x < 63; {
			w := 2.6 + 2*rng.Float64()
			h := 8 + 4*rng.Float64()
			s = append(s, rect(x, bottom-h, w, h, 0.5, colours[rng.IntN(len(colours))]))
			x += w + 0.4
		}
		s = append(s, rect(29, bottom, 42, 2, 0.5, p.main))
	}
	return s
}

func drawPlant(p palette, rng *rand.Rand) []shape {
	leaf := rgb(0x4f8f54)
	dark := rgb(0x3a6f41)
	s := []shape{rect(34, 64, 32, 3, 1.5, p.shadow)}
	for i := range 7 {
		x := 32 + float64(i)*6
		y := 16 + 10*rng.Float64()
		c := leaf
		if i%2 == 0 {
			c = dark
		}
		s = append(s, line(50, 46, x, y+6, 1, dark), line(x, y+9, x+(x-50)*0.12, y, 6.5, c))
	}
	return append(s, rect(38, 44, 24, 20, 4, p.main), rect(36, 42, 28, 6, 2, p.accent))
}

func drawTable(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(16, 63, 68, 3, 1.5, p.shadow), line(24, 40, 22, 64, 2.4, p.main), line(76, 40, 78, 64, 2.4, p.main),
		rect(15, 36, 70, 6, 2, p.main), rect(15, 36, 70, 2, 1, p.second),
		rect(44, 24, 11, 12, 3, p.light), ring(56, 30, 3, 1.2, p.light), circle(29, 32, 4, p.accent), circle(34, 33, 3, rgb(0x8fbf6b)), line(47, 20, 48, 16, 0.8, p.shadow), line(51, 20, 52, 16, 0.8, p.shadow),
	}
}

func drawLaptop(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(18, 58, 64, 4, 2, p.shadow), rect(25, 17, 50, 36, 3, p.dark), rect(28, 20, 44, 30, 1, p.second),
		rect(31, 24, 20, 3, 1, p.light), rect(31, 29, 30, 2, 1, mix(p.second, p.light, 0.5)), rect(31, 33, 26, 2, 1, mix(p.second, p.light, 0.5)),
		circle(62, 41, 6, p.accent), rect(17, 53, 66, 6, 2.5, mix(p.dark, p.light, 0.55)), rect(43, 53, 14, 2, 1, mix(p.dark, p.light, 0.3)),
	}
}

func drawPhone(p palette, rng *rand.Rand) []shape {
	s := []shape{rect(34, 62, 32, 3, 1.5, p.shadow), rect(36, 9, 28, 55, 4, p.dark), rect(38, 13, 24, 46, 1.5, p.light), circle(50, 61.4, 1.1, p.light)}
	colours := []color.RGBA{p.main, p.second, p.accent}
	for i := range 9 {
		s = append(s, rect(40.5+float64(i%3)*7, 30+float64(i/3)*8, 5, 5, 1.4, colours[rng.IntN(3)]))
	}
	return append(s, rect(40.5, 17, 19, 8, 1.5, mix(p.second, p.light, 0.5)))
}

func drawCamera(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(22, 60, 56, 3, 1.5, p.shadow), rect(36, 18, 22, 12, 3, p.dark), rect(20, 25, 60, 36, 5, p.main), rect(20, 33, 60, 14, 0, p.dark),
		circle(50, 42, 15, p.dark), circle(50, 42, 12, p.second), circle(50, 42, 8, p.dark), circle(47, 39, 2.4, p.light), rect(67, 28, 8, 4, 1, p.light), circle(28, 24, 3, p.accent),
	}
}

func drawRadio(p palette, _ *rand.Rand) []shape {
	s := []shape{
		rect(16, 60, 68, 3, 1.5, p.shadow), line(70, 26, 82, 8, 1, p.dark), rect(16, 25, 68, 36, 6, p.main), circle(36, 43, 13, p.dark), circle(36, 43, 11, mix(p.dark, p.light, 0.25)),
		rect(54, 31, 24, 7, 1.5, p.light), line(64, 31.5, 64, 37.5, 0.7, p.accent), circle(60, 50, 4.2, p.accent), circle(72, 50, 4.2, p.second),
	}
	for y := 36.0; y <= 50; y += 3.5 {
		s = append(s, line(28, y, 44, y, 0.9, p.dark))
	}
	return s
}

func drawWindow(p palette, _ *rand.Rand) []shape {
	sky := rgb(0xbfe3f7)
	return []shape{
		rect(30, 10, 40, 42, 2, p.light), rect(33, 13, 34, 36, 1, sky), circle(58, 22, 4.5, rgb(0xf9d56e)), circle(40, 43, 6.5, rgb(0x7fae7a)), circle(52, 44, 6, rgb(0x6b9c6a)), circle(62, 44, 5, rgb(0x7fae7a)),
		rect(28, 49, 44, 3.4, 1.4, p.light), rect(49, 12, 2, 38, 0, p.light), rect(32, 29, 36, 2, 0, p.light),
		rect(20, 7, 12, 46, 3, p.second), rect(68, 7, 12, 46, 3, p.second), line(16, 7.5, 84, 7.5, 1.6, p.dark),
		rect(58, 43, 7, 6.4, 1.5, p.accent), circle(61.5, 40, 4, rgb(0x4f8f54)),
	}
}

func drawBed(p palette, _ *rand.Rand) []shape {
	return []shape{
		line(2, 30, 50, -6, 2, p.shadow), line(98, 30, 50, -6, 2, p.shadow),
		rect(14, 62, 72, 3, 1.5, p.shadow), rect(16, 28, 6, 35, 2, p.dark), rect(78, 42, 6, 21, 2, p.dark), rect(18, 46, 64, 12, 3, p.light),
		rect(36, 43, 46, 15, 4, p.main), rect(36, 43, 10, 15, 4, p.second), rect(22, 40, 15, 8, 3.5, p.light), rect(60, 12, 16, 14, 1, p.light), circle(68, 19, 4, p.accent),
	}
}

func drawPaint(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(8, 8, 60, 26, 2, mix(p.wall, p.main, 0.55)), rect(8, 8, 24, 38, 2, mix(p.wall, p.main, 0.55)),
		rect(48, 18, 28, 9, 3, p.accent), line(76, 22, 82, 22, 1.4, p.dark), line(82, 22, 82, 36, 1.4, p.dark), line(82, 36, 64, 36, 1.4, p.dark), line(64, 36, 64, 44, 1.4, p.dark), rect(61, 43, 6, 17, 2.5, p.dark),
		rect(20, 62, 30, 3, 1.5, p.shadow), rect(22, 44, 26, 20, 2, p.light), rect(22, 44, 26, 6, 2, p.main), ring(35, 44, 12, 0.8, p.dark), rect(22, 50, 26, 6, 0, p.second),
	}
}

func drawToolbox(p palette, _ *rand.Rand) []shape {
	return []shape{
		line(34, 36, 28, 12, 2.4, p.accent), circle(28, 12, 3.4, p.accent), line(56, 36, 56, 16, 2, p.dark), rect(48, 11, 16, 7, 1.5, p.dark), line(68, 36, 74, 18, 3, p.second),
		rect(18, 62, 64, 3, 1.5, p.shadow), rect(20, 36, 60, 27, 3, p.main), rect(20, 36, 60, 6, 2, p.second), rect(45, 40, 10, 7, 1.5, p.light), line(38, 33, 62, 33, 2, p.dark), line(38, 33, 38, 37, 2, p.dark), line(62, 33, 62, 37, 2, p.dark),
	}
}

func drawBoxes(p palette, _ *rand.Rand) []shape {
	carton, tape := rgb(0xcfa172), rgb(0xe8cda6)
	return []shape{
		rect(14, 63, 72, 3, 1.5, p.shadow), rect(16, 38, 32, 26, 1, carton), rect(29, 38, 6, 26, 0, tape), rect(50, 42, 34, 22, 1, mix(carton, p.dark, 0.12)), rect(64, 42, 6, 22, 0, tape),
		rect(24, 16, 30, 22, 1, mix(carton, p.light, 0.18)), rect(36, 16, 6, 22, 0, tape), rect(59, 32, 20, 10, 3, p.accent), circle(66, 27, 6, p.main), rect(20, 55, 8, 5, 0.6, p.light),
	}
}

func drawGuitar(p palette, _ *rand.Rand) []shape {
	wood := rgb(0xc98b4b)
	return []shape{
		rect(28, 63, 36, 3, 1.5, p.shadow), line(50, 44, 74, 10, 3.4, p.dark), line(74, 10, 78, 5, 5.5, mix(p.dark, wood, 0.4)),
		circle(42, 52, 13, wood), circle(51, 42, 9.5, wood), circle(46, 47, 4.4, p.dark), line(37, 55, 42, 60, 1.8, p.dark),
		line(39, 57, 73, 10, 0.4, p.light), line(40.4, 58, 74, 11, 0.4, p.light), circle(20, 28, 3, p.accent), line(22.7, 28, 22.7, 15, 1, p.accent), line(22.7, 15, 28, 18, 1.4, p.accent),
	}
}

func drawBlackboard(p palette, rng *rand.Rand) []shape {
	chalk := mix(p.light, p.dark, 0.08)
	s := []shape{rect(14, 10, 72, 44, 2, rgb(0xa9784a)), rect(17, 13, 66, 38, 1, rgb(0x2f4f46)), rect(20, 54, 60, 3, 1, rgb(0x8a5f38)), rect(30, 52.5, 6, 1.8, 0.6, p.light), rect(40, 52.5, 4, 1.8, 0.6, p.accent)}
	s = append(s, line(24, 44, 46, 44, 0.7, chalk), line(24, 44, 24, 20, 0.7, chalk))
	y := 42.0
	for x := 24.0; x < 44; x += 4 {
		next := max(20, y-6*rng.Float64())
		s = append(s, line(x, y, x+4, next, 0.9, p.accent))
		y = next
	}
	for i := range 4 {
		s = append(s, line(53, 21+float64(i)*7, 60+16*rng.Float64(), 21+float64(i)*7, 0.9, chalk))
	}
	return s
}

func drawBooks(p palette, _ *rand.Rand) []shape {
	return []shape{
		rect(18, 63, 64, 3, 1.5, p.shadow), rect(22, 54, 56, 10, 1.5, p.main), rect(26, 56, 50, 6, 1, p.light), rect(26, 44, 50, 10, 1.5, p.accent), rect(28, 46, 44, 6, 1, p.light), rect(24, 34, 46, 10, 1.5, p.second), rect(24, 36.5, 42, 5, 1, p.light),
		circle(50, 24, 8, rgb(0xc8443c)), circle(54, 24, 7.4, rgb(0xc8443c)), line(52, 17, 54, 12, 1, p.dark), line(54, 14, 59, 12, 2.2, rgb(0x5f9955)),
	}
}
