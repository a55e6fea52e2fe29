package dossier

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"strings"
	"sync"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

// The page of the report is A4; lengths are in millimetres, sizes of type in points.
const (
	margin    = 18.0
	pageWidth = 210 - 2*margin
	lineSize  = 4.6
	nameWidth = 40.0
	// pictureWidth is how wide pictures are shown, maxPicture how high at most.
	pictureWidth = 130.0
	maxPicture   = 120.0
)

// pdf writes the report for printing. The same document gives the same bytes.
func (d document) pdf(created time.Time, picture func(path string) []byte) ([]byte, error) {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCreationDate(created)
	f.SetModificationDate(created)
	f.SetCatalogSort(true)
	f.SetLang(d.Lang)
	f.SetTitle(d.Title, true)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(true, margin)
	f.AddUTF8FontFromBytes("go", "", goregular.TTF)
	f.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	f.AliasNbPages("")
	f.SetFooterFunc(func() {
		f.SetY(-12)
		f.SetFont("go", "", 7)
		f.CellFormat(0, 4, fmt.Sprintf("%s – %d/{nb}", printable(d.Title), f.PageNo()), "", 0, "C", false, 0, "")
	})
	p := &printer{f: f, picture: picture, widths: map[int]bool{}}
	f.AddPage()
	p.text("B", 20, 9, d.Title)
	for _, s := range d.Intro {
		p.paragraph(s)
	}
	for i, s := range d.Sections {
		if i > 0 {
			f.AddPage()
		}
		p.section(s)
	}
	f.Ln(4)
	p.paragraph(d.Footer)
	var b bytes.Buffer
	err := f.Output(&b)
	return b.Bytes(), err
}

// printer writes parts of a document.
type printer struct {
	f       *fpdf.Fpdf
	picture func(path string) []byte
	// widths are those of the pictures so far, in pixels. The library puts pictures in order by
	// their width, and those of one width in any: no two have the same.
	widths map[int]bool
}

func (p *printer) text(style string, size, height float64, s string) {
	p.f.SetFont("go", style, size)
	p.f.MultiCell(0, height, printable(s), "", "L", false)
	p.f.Ln(1.5)
}

func (p *printer) paragraph(s string) { p.text("", 10, lineSize+0.4, s) }

func (p *printer) section(s section) {
	p.f.Ln(3)
	p.f.Bookmark(printable(s.Heading), 0, -1)
	p.text("B", 14, 6.5, s.Heading)
	if s.Picture != "" {
		p.show(s.Picture, p.picture(s.Picture))
	}
	for _, t := range s.Paragraphs {
		p.paragraph(t)
	}
	for _, r := range s.Rows {
		p.row([]string{r.Name, r.Value}, []float64{nameWidth, pageWidth - nameWidth}, "B")
	}
	for _, t := range s.Tables {
		p.table(t)
	}
}

func (p *printer) table(t table) {
	if len(t.Rows) == 0 {
		return
	}
	p.f.Ln(4)
	p.text("B", 10.5, 5, t.Heading)
	widths := columnWidths(t)
	p.row(t.Columns, widths, "BB")
	for _, r := range t.Rows {
		p.row(r, widths, "")
	}
}

// columnWidths divides the page by what the columns have, none less than a tenth.
func columnWidths(t table) []float64 {
	longest := make([]float64, len(t.Columns))
	sum := 0.0
	for i := range t.Columns {
		for _, r := range append([][]string{t.Columns}, t.Rows...) {
			longest[i] = max(longest[i], float64(min(len(r[i]), 70)))
		}
		longest[i] = max(longest[i], 9)
		sum += longest[i]
	}
	for i := range longest {
		longest[i] *= pageWidth / sum
	}
	return longest
}

// row writes cells beside each other; styles has a B where the cell of that place, or of the
// last one, is bold.
func (p *printer) row(cells []string, widths []float64, styles string) {
	lines, height := make([][]string, len(cells)), 1
	for i, c := range cells {
		p.f.SetFont("go", styleOf(styles, i), 8)
		lines[i] = p.wrap(printable(c), widths[i]-2)
		height = max(height, len(lines[i]))
	}
	_, pageHeight := p.f.GetPageSize()
	for n := range height { // line by line, so that a row may go over to the next page
		if p.f.GetY()+lineSize > pageHeight-margin {
			p.f.AddPage()
		}
		for i := range cells {
			s := ""
			if n < len(lines[i]) {
				s = lines[i][n]
			}
			border := ""
			if n == height-1 {
				border = "B"
			}
			p.f.SetFont("go", styleOf(styles, i), 8)
			p.f.SetDrawColor(200, 200, 200)
			p.f.CellFormat(widths[i], lineSize, s, border, 0, "L", false, 0, "")
		}
		p.f.Ln(lineSize)
	}
}

func styleOf(styles string, i int) string {
	if i == 0 && strings.HasPrefix(styles, "B") || styles == "BB" {
		return "B"
	}
	return ""
}

// wrap breaks a text into lines of a width, at spaces where there are any: addresses have none.
func (p *printer) wrap(s string, width float64) (lines []string) {
	var line strings.Builder
	used := 0.0
	flush := func() { lines = append(lines, line.String()); line.Reset(); used = 0 }
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			word = " " + word
		}
		if w := p.f.GetStringWidth(word); used+w > width && used > 0 && w <= width {
			flush()
			word = strings.TrimPrefix(word, " ")
		}
		for _, r := range word {
			w := p.f.GetStringWidth(string(r))
			if used+w > width && used > 0 {
				flush()
			}
			line.WriteRune(r)
			used += w
		}
	}
	flush()
	return lines
}

// show places a picture, of a long page its top.
func (p *printer) show(name string, raw []byte) {
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil || img.Bounds().Empty() {
		p.f.SetError(fmt.Errorf("picture %s: is no PNG: %w", name, err))
		return
	}
	width := img.Bounds().Dx()
	for p.widths[width] {
		width++
	}
	p.widths[width] = true
	shown, err := top(img, width)
	if err != nil {
		p.f.SetError(fmt.Errorf("picture %s: %w", name, err))
		return
	}
	asPNG := fpdf.ImageOptions{ImageType: "PNG"}
	p.f.RegisterImageOptionsReader(name, asPNG, bytes.NewReader(shown))
	p.f.ImageOptions(name, margin, p.f.GetY(), pictureWidth, 0, true, asPNG, 0, "")
	p.f.Ln(3)
}

// printable replaces what the typeface has no picture of, so that it is seen that something is
// there; the HTML report has every character.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r > 0xffff || !hasGlyph(r):
			return '□'
		}
		return r
	}, s)
}

// hasGlyph reports whether the typeface has a picture of a character.
func hasGlyph(r rune) bool {
	f, err := typeface()
	if err != nil {
		return r < 0x7f
	}
	i, err := f.GlyphIndex(nil, r)
	return err == nil && i != 0
}

var typeface = sync.OnceValues(func() (*sfnt.Font, error) { return sfnt.Parse(goregular.TTF) })

// top is the upper part of a picture, as much as a page shows of it, on white of a width in
// pixels.
func top(img image.Image, width int) ([]byte, error) {
	b := img.Bounds()
	b.Max.Y = min(b.Max.Y, b.Min.Y+int(float64(b.Dx())*maxPicture/pictureWidth))
	flat := image.NewRGBA(image.Rect(0, 0, width, b.Dy()))
	draw.Draw(flat, flat.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(flat, image.Rect(0, 0, b.Dx(), b.Dy()), img, b.Min, draw.Over)
	var out bytes.Buffer
	err := png.Encode(&out, flat)
	return out.Bytes(), err
}
