package portal

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// Names that the workers know; nobody else does.
const (
	rooms = "http://rooms.test" // of the north
	info  = "http://info.rooms.test"
	boats = "http://boats.test" // of the south
)

// The facts that are looked for. Numbers are from the ranges that Ofcom reserves for fiction.
const (
	number  = "+44 20 7946 0123" // on three pages, in three writings
	mobile  = "+44 7700 900204"  // on one
	email   = "kamer@example.org"
	handle  = "@harbourlight77"
	phrase  = "lighthouse keeper" // side by side on one page, apart on another
	bright  = "Bright room near the harbour"
	quiet   = "Rustige kamer aan de gracht"
	bicycle = "Red bicycle with a basket"
	contact = "How to reach us"
	odd     = `<script>document.title="run"</script>`
	boat    = "A kingfisher under sail"
)

// site is what is crawled: a made-up notice board of the north, and one of the south. From season to season a page says
// something else, and after the first another one is gone.
type site struct {
	season atomic.Int32
	// held keeps a page of the north until it is closed.
	held atomic.Pointer[chan struct{}]
}

// The seasons, and what the room costs in each.
const spring, summer, autumn = 0, 1, 2

var rent = []string{"450 euros", "520 euros, heating included", "560 euros"}

// hold has the site keep a page back. What it returns lets it go, and does nothing when it is called again.
func (s *site) hold() (release func()) {
	held := make(chan struct{})
	s.held.Store(&held)
	return sync.OnceFunc(func() { close(held) })
}

// notice is a page of the site.
type notice struct{ lang, title, body string }

var north = map[string]notice{
	"/": {"en", "Harbour rooms", `<p>Rooms, bicycles and what else people of a made-up harbour town have to offer each other.</p>
<ul><li><a href="/room/12">` + bright + `</a><li><a href="/kamer/7">` + quiet + `</a><li><a href="/bike/3">` + bicycle + `</a>
<li><a href="/contact">` + contact + `</a><li><a href="/flyer.pdf">Flyer</a><li><a href="/map.png">Map</a><li><a href="/none">Nothing</a><li><a href="/odd">Odd</a></ul>`},
	"/room/12": {"en", bright, `<img src="/picture/12.png" alt="" width="640" height="360"><p>A bright room on the second floor, where a lighthouse keeper lived. The window looks over the harbour and the
ships that come in at night. It is let by the month, at 450 euros.</p><p>Call ` + number + ` after six, or write to ` + handle + `.</p>`},
	"/kamer/7": {"nl", quiet, `<img src="/picture/7.png" alt="" width="640" height="360"><p>Een rustige kamer op de eerste verdieping, met uitzicht op het water en de bruggen van de oude stad. De huur is
per maand en de sleutel ligt klaar bij de buren.</p><p>Bel 020 7946 0123 of mail naar ` + email + `.</p>`},
	"/bike/3": {"en", bicycle, `<img src="/picture/3.png" alt="" width="640" height="360"><p>A red bicycle that has seen every street of the town, with a basket for bread and flowers and a bell that can be heard
from far away.</p><p><a href="tel:+442079460123">Tel. 0044-20-7946-0123</a></p>`},
	"/contact": {"en", contact, `<p>We are at the old mill. The keeper of the lighthouse takes messages as well, when the weather is fine and the ferry goes.</p><p>Mobile: +44 (0)7700 900 204.
Or <a href="mailto:desk@example.org">by mail</a>.</p>`},
	"/odd": {"en", odd, `<p>This page says odd things about itself, and has a picture that is elsewhere: <img src="http://elsewhere.test/pixel.png" alt=""></p>`},
}

// ServeHTTP answers for all names.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	path := r.URL.Path
	switch {
	case host == "boats.test" && path == "/":
		page(w, notice{"en", boat, "<p>A small boat with a kingfisher on its sail, for whoever wants to go down the river in the south of the country.</p><p>Call " + number + ".</p>"})
	case host == "info.rooms.test" && path == "/":
		page(w, notice{"en", "About the harbour rooms", `<p>Who we are, and what we do with what you tell us. The board is run by neighbours for neighbours.</p>`})
	case host != "rooms.test":
		http.NotFound(w, r)
	case strings.HasSuffix(path, ".png"):
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(picture(path))
	case path == "/flyer.pdf":
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = w.Write(flyer)
	case s.season.Load() > spring && path == "/bike/3":
		http.Error(w, "This notice is gone.", http.StatusGone)
	default:
		n, ok := north[path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if held := s.held.Load(); held != nil && path == "/kamer/7" {
			select {
			case <-*held:
			case <-r.Context().Done():
			}
		}
		n.body = strings.ReplaceAll(n.body, rent[spring], rent[s.season.Load()])
		page(w, n)
	}
}

func page(w http.ResponseWriter, n notice) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="%s"><meta charset="utf-8"><title>%s</title>
<style>body{font:18px/1.5 sans-serif;max-width:44rem;margin:2rem auto;background:#f3efe6;color:#222}h1{color:#14507a}img{max-width:100%%}</style>
<h1>%[2]s</h1>%s</html>`, n.lang, strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(n.title), n.body)
}

// picture draws what differs from address to address.
func picture(address string) []byte {
	const width, height = 640, 360
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	hue := byte(len(address)*31) + address[len(address)-5]*17
	for y := range height {
		for x := range width {
			c := color.RGBA{hue, byte(90 + y/4), byte(120 + x/8), 255}
			if (x-320)*(x-320)+(y-180)*(y-180) < 90*90 {
				c = color.RGBA{240, 200, hue, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // a picture in memory can be encoded
	}
	return b.Bytes()
}

// flyer is a document of one empty page (ISO 32000-1 section 7.5).
var flyer = []byte(`%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
%%EOF
`)
