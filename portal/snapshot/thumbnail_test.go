package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
)

// TestThumbnail makes small ones of pictures of every sort, of which the top is red and what
// lies below is green.
func TestThumbnail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason        string
		img           interface{ Set(x, y int, c color.Color) }
		width, height int // of the picture
		want          image.Point
	}{
		{"the top of a high one", image.NewRGBA(image.Rect(0, 0, 1280, 4000)), 1280, 4000, image.Pt(320, 240)},
		{"transparent", image.NewNRGBA(image.Rect(0, 0, 400, 900)), 400, 900, image.Pt(320, 240)},
		{"with a palette", image.NewPaletted(image.Rect(0, 0, 400, 900), palette.WebSafe), 400, 900, image.Pt(320, 240)},
		{"of 16 bits", image.NewNRGBA64(image.Rect(0, 0, 400, 900)), 400, 900, image.Pt(320, 240)},
		{"lower than 3/4", image.NewRGBA(image.Rect(0, 0, 640, 100)), 640, 100, image.Pt(320, 50)},
		{"small", image.NewRGBA(image.Rect(0, 0, 100, 500)), 100, 500, image.Pt(100, 75)},
		{"one pixel", image.NewRGBA(image.Rect(0, 0, 1, 1)), 1, 1, image.Pt(1, 1)},
	} {
		for y := range tc.height {
			c := color.NRGBA{255, 0, 0, 255}
			if y >= tc.width*3/4 && y > 0 {
				c = color.NRGBA{0, 255, 0, 255}
			}
			for x := range tc.width {
				tc.img.Set(x, y, c)
			}
		}
		for name, make := range map[string]func(io.Reader, int) ([]byte, error){"small": Thumbnail, "blurred": Blurred} {
			b, err := make(encoded(t, tc.img.(image.Image)), 320)
			if err != nil {
				t.Errorf("%s, %s: %v", tc.reason, name, err)
				continue
			}
			got, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if size := got.Bounds().Size(); size != tc.want {
				t.Errorf("%s, %s: %v, want %v", tc.reason, name, size, tc.want)
			}
			if r, g, _, _ := got.At(got.Bounds().Dx()/2, got.Bounds().Dy()-1).RGBA(); r < 0xf000 || g > 0x1000 {
				t.Errorf("%s, %s: the last row is of colour %x %x", tc.reason, name, r, g)
			}
		}
	}
}

// TestBlurredShowsNothing: stripes of the width of a letter are gone.
func TestBlurredShowsNothing(t *testing.T) {
	t.Parallel()
	img := image.NewGray(image.Rect(0, 0, 1280, 960))
	for y := range 960 {
		for x := range 1280 {
			img.SetGray(x, y, color.Gray{uint8(255 * (x / 20 % 2))})
		}
	}
	spread := func(b []byte, err error) int {
		if err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		lowest, highest := 255, 0
		for x := 20; x < 300; x++ {
			c := int(color.GrayModel.Convert(got.At(x, 120)).(color.Gray).Y)
			lowest, highest = min(lowest, c), max(highest, c)
		}
		return highest - lowest
	}
	if s := spread(Thumbnail(encoded(t, img), 320)); s < 200 {
		t.Errorf("stripes in the small picture differ by %d", s)
	}
	if s := spread(Blurred(encoded(t, img), 320)); s > 16 {
		t.Errorf("stripes in the blurred picture differ by %d", s)
	}
}

// TestThumbnailRefuses what is no picture, and what would not fit into memory.
func TestThumbnailRefuses(t *testing.T) {
	t.Parallel()
	whole, err := io.ReadAll(encoded(t, image.NewRGBA(image.Rect(0, 0, 64, 400))))
	if err != nil {
		t.Fatal(err)
	}
	for reason, b := range map[string]string{
		"nothing": "", "no PNG": strings.Repeat("GIF89a ", 20), "cut off": string(whole[:80]), "a head alone": string(whole[:33]),
		"wide": string(sized(whole, 1<<20, 1<<20, 0)), "endless": string(sized(whole, 1<<31-1, 1<<31-1, 0)), "without width": string(sized(whole, 0, 10, 0)),
		"interlaced and high": string(sized(whole, 4096, 16384, 1)),
	} {
		if got, err := Thumbnail(strings.NewReader(b), 320); !errors.Is(err, ErrPicture) {
			t.Errorf("%s: %d bytes, %v", reason, len(got), err)
		}
	}
	if _, err := Thumbnail(bytes.NewReader(whole), maxThumbnail+1); err == nil || errors.Is(err, ErrPicture) {
		t.Errorf("too wide: %v", err)
	}
	trouble := errors.New("the store is gone")
	if _, err := Thumbnail(io.MultiReader(bytes.NewReader(whole[:80]), failing{trouble}), 320); errors.Is(err, ErrPicture) || !errors.Is(err, trouble) {
		t.Errorf("trouble of the store: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func encoded(t testing.TB, img image.Image) io.Reader {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return &b
}

// sized is a PNG that says that it has another size.
func sized(whole []byte, width, height uint32, interlaced byte) []byte {
	b := bytes.Clone(whole)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	b[28] = interlaced
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func BenchmarkThumbnail(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 1280, 16384))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 7)
	}
	whole, err := io.ReadAll(encoded(b, img))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Thumbnail(bytes.NewReader(whole), 320); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzThumbnail: whatever the bytes are, they are a picture or refused.
func FuzzThumbnail(f *testing.F) {
	whole, err := io.ReadAll(encoded(f, image.NewPaletted(image.Rect(0, 0, 20, 60), palette.Plan9)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(sized(whole, 20, 1<<30, 0))
	f.Add(sized(whole, 20, 16, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Thumbnail(bytes.NewReader(b), 32)
		if err != nil && !errors.Is(err, ErrPicture) {
			t.Fatal(err)
		}
		if err == nil && len(got) == 0 {
			t.Fatal("neither a picture nor an error")
		}
	})
}
