package compare

import (
	"cmp"
	"image"
	"slices"
)

// maxAreas is how many areas are told apart at most; more are joined with those close by.
const maxAreas = 200

// grid is the cells of two pictures that are laid over each other.
type grid struct {
	bounds        image.Rectangle // of the taller picture
	width, height int             // in cells
	changed       []bool
}

func (g *grid) at(x, y int) bool {
	return x >= 0 && y >= 0 && x < g.width && y < g.height && g.changed[y*g.width+x]
}

// compared tells which cells of two pictures of the same width differ.
func compared(a, b *image.RGBA) *grid {
	bounds := a.Bounds().Union(b.Bounds())
	g := &grid{bounds: bounds, width: (bounds.Dx() + cell - 1) / cell, height: (bounds.Dy() + cell - 1) / cell}
	g.changed = make([]bool, g.width*g.height)
	for i := range g.changed {
		g.changed[i] = differs(a, b, g.rectangle(i%g.width, i/g.width))
	}
	return g
}

// rectangle returns the pixels of a cell; at the right and the bottom it is smaller.
func (g *grid) rectangle(x, y int) image.Rectangle {
	return image.Rect(x*cell, y*cell, (x+1)*cell, (y+1)*cell).Intersect(g.bounds)
}

// differs tells whether a part of two pictures does. Where only one is, all of it differs.
func differs(a, b *image.RGBA, r image.Rectangle) bool {
	both := r.Intersect(a.Bounds()).Intersect(b.Bounds())
	count := r.Dx()*r.Dy() - both.Dx()*both.Dy()
	for y := both.Min.Y; y < both.Max.Y; y++ {
		p, q := a.Pix[y*a.Stride:], b.Pix[y*b.Stride:]
		for x := 4 * both.Min.X; x < 4*both.Max.X; x += 4 {
			if far(p[x], q[x]) || far(p[x+1], q[x+1]) || far(p[x+2], q[x+2]) {
				count++
			}
		}
	}
	return count > min(speckles, r.Dx()*r.Dy()-1)
}

func far(a, b byte) bool { return max(a, b)-min(a, b) > noise }

// share returns which part of the area is changed, from 0 to 1.
func (g *grid) share() float64 {
	pixels := 0
	for i, changed := range g.changed {
		if changed {
			size := g.rectangle(i%g.width, i/g.width).Size()
			pixels += size.X * size.Y
		}
	}
	return float64(pixels) / float64(g.bounds.Dx()*g.bounds.Dy())
}

// areas returns rectangles around the cells that changed, from the top. Cells with at most
// one between them belong together, and more while there are too many rectangles.
func (g *grid) areas() []image.Rectangle {
	for reach := 2; ; reach *= 2 {
		areas := g.patches(reach)
		if len(areas) > maxAreas {
			continue
		}
		areas = joined(areas)
		slices.SortFunc(areas, func(a, b image.Rectangle) int {
			return cmp.Or(cmp.Compare(a.Min.Y, b.Min.Y), cmp.Compare(a.Min.X, b.Min.X))
		})
		return areas
	}
}

// patches returns a rectangle for each set of changed cells that are linked by squares of a
// coarser grid: of reach cells, each next to another.
func (g *grid) patches(reach int) []image.Rectangle {
	coarse := &grid{width: (g.width + reach - 1) / reach, height: (g.height + reach - 1) / reach}
	coarse.changed = make([]bool, coarse.width*coarse.height)
	extent := make([]image.Rectangle, len(coarse.changed))
	for i, changed := range g.changed {
		if changed {
			x, y := i%g.width, i/g.width
			at := y/reach*coarse.width + x/reach
			coarse.changed[at] = true
			extent[at] = extent[at].Union(g.rectangle(x, y))
		}
	}
	var out []image.Rectangle
	for i := range coarse.changed {
		if coarse.changed[i] {
			out = append(out, coarse.take(i, extent))
		}
	}
	return out
}

// take removes the cells that are linked with one and returns what is around them.
func (g *grid) take(first int, extent []image.Rectangle) image.Rectangle {
	var around image.Rectangle
	g.changed[first] = false
	for queue := []int{first}; len(queue) > 0; {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		around = around.Union(extent[i])
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				if x, y := i%g.width+dx, i/g.width+dy; g.at(x, y) {
					g.changed[y*g.width+x] = false
					queue = append(queue, y*g.width+x)
				}
			}
		}
	}
	return around
}

// joined joins rectangles that overlap until none do.
func joined(areas []image.Rectangle) []image.Rectangle {
	for i := 0; i < len(areas); i++ {
		for j := i + 1; j < len(areas); j++ {
			if areas[i].Overlaps(areas[j]) {
				areas[i] = areas[i].Union(areas[j])
				areas = slices.Delete(areas, j, j+1)
				i = -1
				break
			}
		}
	}
	return areas
}
