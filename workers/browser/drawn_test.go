package browser

import (
	"image/png"
	"os"
	"testing"
)

// While nobody looks, a page is drawn small: it must neither notice nor be seen so.
func TestPagesAreDrawnSmall(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<style>
		html { margin: 0; height: 3000px }
		#stripes { position: absolute; inset: 0; width: 100px; background: repeating-linear-gradient(90deg, #000 0 1px, #fff 1px 2px) }
		p { margin-left: 200px }
		</style><div id=stripes></div><p id=told></p><script>
		addEventListener('load', () => setTimeout(() => {
			const near = matchMedia('(width: 1280px) and (height: 800px) and (resolution: 1dppx)').matches;
			told.textContent = [innerWidth, innerHeight, devicePixelRatio, visualViewport.scale, visualViewport.width, near].join(' ');
		}))</script>`}).URL
	stay := newStay(t, newPool(t), StayOptions{})
	for _, kind := range []Screenshot{ScreenshotViewport, ScreenshotFull, ScreenshotViewport} {
		p := visit(t, stay, site, func(v *Visit) { v.Screenshot = kind })
		if got, want := read(t, p.TextFile), "1280 800 1 1 1280 true\n"; got != want && got+"\n" != want {
			t.Errorf("%s: the page was told %q, want %q", kind, got, want)
		}
		height := 800
		if kind == ScreenshotFull {
			height = 3000
		}
		stripes(t, p.ScreenshotFile, height)
	}
}

// stripes checks that a picture shows each of the pixels of the page's first line.
func stripes(t *testing.T, file string, height int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := picture.Bounds().Size(); got.X != 1280 || got.Y != height {
		t.Errorf("the picture has %v pixels, want 1280 by %d", got, height)
	}
	for x := range 100 {
		r, _, _, _ := picture.At(x, 10).RGBA()
		if want := uint32(x%2) * 0xffff; r != want {
			t.Fatalf("pixel %d of the stripes is %#x, want %#x: the page was not drawn in full", x, r, want)
		}
	}
}
