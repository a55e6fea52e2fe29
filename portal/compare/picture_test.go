package compare

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// painted returns a gray picture with black rectangles.
func painted(width, height int, black ...image.Rectangle) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{200}), image.Point{}, draw.Src)
	for _, r := range black {
		draw.Draw(img, r, image.Black, image.Point{}, draw.Src)
	}
	return img
}

func encoded(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func noisy(img *image.NRGBA) *image.NRGBA {
	random := rand.New(rand.NewPCG(1, 1))
	for i := range img.Pix {
		if i%4 != 3 {
			img.Pix[i] = byte(max(0, min(255, int(img.Pix[i])+random.IntN(41)-20)))
		}
	}
	return img
}

func TestPictures(t *testing.T) {
	for reason, tc := range map[string]struct {
		a, b    image.Image
		changed float64
		areas   []Area
	}{
		"the same":         {painted(400, 300), painted(400, 300), 0, []Area{}},
		"noise":            {painted(400, 300), noisy(painted(400, 300)), 0, []Area{}},
		"a few pixels":     {painted(400, 300), painted(400, 300, image.Rect(9, 9, 10, 11)), 0, []Area{}},
		"a rectangle":      {painted(400, 400), painted(400, 400, image.Rect(80, 40, 120, 80)), 1, []Area{{80, 40, 40, 40}}},
		"what went counts": {painted(400, 400, image.Rect(80, 40, 120, 80)), painted(400, 400), 1, []Area{{80, 40, 40, 40}}},
		"two far apart": {painted(400, 400), painted(400, 400, image.Rect(0, 0, 40, 40), image.Rect(360, 360, 400, 400)), 2,
			[]Area{{0, 0, 40, 40}, {360, 360, 40, 40}}},
		"two close by": {painted(400, 400), painted(400, 400, image.Rect(0, 0, 40, 40), image.Rect(48, 0, 88, 40)), 2,
			[]Area{{0, 0, 88, 40}}},
		"all":            {painted(40, 40), painted(40, 40, image.Rect(0, 0, 40, 40)), 100, []Area{{0, 0, 40, 40}}},
		"taller":         {painted(400, 400), painted(400, 800), 50, []Area{{0, 400, 400, 400}}},
		"shorter":        {painted(400, 800), painted(400, 400), 50, []Area{{0, 400, 400, 400}}},
		"another width":  {painted(1600, 800), painted(800, 400), 0, []Area{}},
		"reduced":        {painted(1600, 1600), painted(1600, 1600, image.Rect(320, 160, 480, 320)), 1, []Area{{320, 160, 160, 160}}},
		"one pixel":      {painted(1, 1), painted(1, 1, image.Rect(0, 0, 1, 1)), 100, []Area{{0, 0, 1, 1}}},
		"odd sizes":      {painted(1001, 37), painted(999, 37), 0, []Area{}},
		"rounded height": {painted(1280, 1001), painted(1280, 1001, image.Rect(0, 0, 1280, 1001)), 100, []Area{{0, 0, 1280, 1001}}},
		"other encoding": {painted(40, 40), paletted(painted(40, 40)), 0, []Area{}},
		"transparent":    {white(40, 40), image.NewNRGBA(image.Rect(0, 0, 40, 40)), 0, []Area{}},
	} {
		t.Run(reason, func(t *testing.T) {
			a, b := encoded(t, tc.a), encoded(t, tc.b)
			got, err := Pictures(bytes.NewReader(a), bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if got.Changed != tc.changed {
				t.Errorf("%v %% changed, want %v", got.Changed, tc.changed)
			}
			if diff := cmp.Diff(tc.areas, got.Areas); diff != "" {
				t.Errorf("areas (-want +got):\n%s", diff)
			}
			again, err := Pictures(bytes.NewReader(a), bytes.NewReader(b))
			if err != nil || !cmp.Equal(got, again) {
				t.Errorf("the same pictures compare otherwise (%v)", err)
			}
			shown, err := png.Decode(bytes.NewReader(got.PNG))
			if err != nil || shown.Bounds().Dx() > shownWidth {
				t.Errorf("the picture: %v, %v", err, shown)
			}
		})
	}
}

func paletted(img image.Image) image.Image {
	out := image.NewPaletted(img.Bounds(), color.Palette{color.Black, color.Gray{200}})
	draw.Draw(out, out.Bounds(), img, image.Point{}, draw.Src)
	return out
}

func white(width, height int) image.Image {
	img := image.NewGray(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	return img
}

// An area is seen without colours: its edge is dark beside light, and it is hatched.
func TestPicturesMarks(t *testing.T) {
	diff, err := Pictures(bytes.NewReader(encoded(t, painted(400, 400))), bytes.NewReader(encoded(t, painted(400, 400, image.Rect(80, 40, 160, 120)))))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(diff.PNG))
	if err != nil {
		t.Fatal(err)
	}
	if got := color.RGBAModel.Convert(img.At(80, 40)); got != dark {
		t.Errorf("the edge is %v, want %v", got, dark)
	}
	if got := color.RGBAModel.Convert(img.At(83, 43)); got != light {
		t.Errorf("beside the edge is %v, want %v", got, light)
	}
	if got := color.RGBAModel.Convert(img.At(100, 80)); got != dark {
		t.Errorf("the hatch is %v, want %v", got, dark)
	}
	if got := color.RGBAModel.Convert(img.At(10, 10)); got != (color.RGBA{200, 200, 200, 255}) {
		t.Errorf("what is the same is %v", got)
	}
}

// Many small changes become few areas.
func TestPicturesAreas(t *testing.T) {
	var specks []image.Rectangle
	for y := 0; y < 1600; y += 48 {
		for x := 0; x < 800; x += 48 {
			specks = append(specks, image.Rect(x, y, x+8, y+8))
		}
	}
	diff, err := Pictures(bytes.NewReader(encoded(t, painted(800, 1600))), bytes.NewReader(encoded(t, painted(800, 1600, specks...))))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(diff.Areas); n == 0 || n > maxAreas {
		t.Errorf("%d areas, want 1 to %d", n, maxAreas)
	}
}

// header returns the beginning of a PNG of a size.
func header(t *testing.T, width, height uint32, depth byte) []byte {
	head := encoded(t, painted(1, 1))
	binary.BigEndian.PutUint32(head[16:], width)
	binary.BigEndian.PutUint32(head[20:], height)
	head[24] = depth
	return head
}

func TestPicturesRefuses(t *testing.T) {
	good := encoded(t, painted(8, 8))
	for reason, bad := range map[string][]byte{
		"empty":     {},
		"text":      []byte("not a picture, but text that is long enough"),
		"cut off":   good[:len(good)-20],
		"head only": good[:30],
		"too wide":  header(t, MaxWidth+1, 1, 8),
		"too tall":  header(t, 1, MaxHeight+1, 8),
		"a bomb":    header(t, 1<<31-1, 1<<31-1, 8),
		"deep":      header(t, MaxWidth, MaxHeight, 16),
		"no width":  header(t, 0, 1, 8),
	} {
		t.Run(reason, func(t *testing.T) {
			if _, err := Pictures(bytes.NewReader(bad), bytes.NewReader(good)); !errors.Is(err, ErrPicture) {
				t.Errorf("as a: %v", err)
			}
			if _, err := Pictures(bytes.NewReader(good), bytes.NewReader(bad)); !errors.Is(err, ErrPicture) {
				t.Errorf("as b: %v", err)
			}
		})
	}
	if _, err := Pictures(io.MultiReader(bytes.NewReader(good[:20]), broken{}), bytes.NewReader(good)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a store that fails: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzPictures(f *testing.F) {
	f.Add(encoded(f, painted(20, 30)), encoded(f, painted(20, 40, image.Rect(1, 1, 15, 15))))
	f.Add(encoded(f, paletted(painted(9, 9))), []byte("\x89PNG"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, p := range [][]byte{a, b} {
			if size, err := sizeOf(bufio.NewReader(bytes.NewReader(p))); err != nil || size.Width*size.Height > 1<<16 {
				return // what is large is for another test
			}
		}
		diff, err := Pictures(bytes.NewReader(a), bytes.NewReader(b))
		if err != nil {
			return
		}
		if diff.Changed < 0 || diff.Changed > 100 || diff.Changed > 0 && len(diff.Areas) == 0 {
			t.Fatalf("%v %% in %v", diff.Changed, diff.Areas)
		}
		for _, area := range diff.Areas {
			if area.X < 0 || area.Y < 0 || area.Width <= 0 || area.Height <= 0 || area.X+area.Width > diff.B.Width {
				t.Fatalf("%v is not in %v", area, diff.B)
			}
		}
	})
}

func BenchmarkPictures(b *testing.B) {
	tall, other := encoded(b, painted(1280, 16000)), encoded(b, painted(1280, 16000, image.Rect(100, 9000, 900, 9500)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Pictures(bytes.NewReader(tall), bytes.NewReader(other)); err != nil {
			b.Fatal(err)
		}
	}
}
