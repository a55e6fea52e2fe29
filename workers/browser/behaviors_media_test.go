package browser

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// tone is a WAV file of silence: a medium that every browser plays.
func tone(seconds int) []byte {
	const rate = 8000
	size := uint32(rate * seconds)
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+size)...)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 8)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, size)
	return append(b, bytes.Repeat([]byte{128}, int(size))...)
}

// TestMedia: media are played, muted, from the top down, also those that load nothing
// before they are played.
func TestMedia(t *testing.T) {
	t.Parallel()
	file := func(seconds int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "audio/wav")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(tone(seconds)))
		}
	}
	site := serve(t, map[string]any{
		"/lazy": `<title>silent</title><link rel=icon href=data:,><audio controls preload=none src="/one.wav"></audio><div style="height:3000px"></div><video preload=none src="/two.wav"></video>
			<script>for (const m of document.querySelectorAll('audio,video')) m.onplay = () => { if (!m.muted) document.title = 'loud' };
			const v = document.querySelector('video'); new IntersectionObserver((es) => { if (es[0].isIntersecting) v.dataset.seen = 1 }).observe(v)</script>`,
		"/one.wav": file(2), "/two.wav": file(3),
		"/broken":   `<link rel=icon href=data:,><video preload=none src="/gone.mp4"></video><audio></audio>`,
		"/gone.mp4": http.NotFound,
		"/stuck":    `<link rel=icon href=data:,><video preload=none src="/never.mp4"></video>`,
		"/never.mp4": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "video/mp4")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"/many":   `<link rel=icon href=data:,>` + strings.Repeat(`<audio preload=none src="/one.wav"></audio>`, maxMediaCount+3),
		"/player": `<link rel=icon href=data:,><iframe allow=autoplay src="/embed"></iframe>`,
		"/embed":  `<link rel=icon href=data:,><audio preload=none src="/one.wav"></audio>`,
		"/shadow": `<link rel=icon href=data:,><div id=d></div><script>d.attachShadow({mode: 'open'}).innerHTML = '<audio preload=none src="/one.wav"></audio>'; HTMLMediaElement.prototype.play = () => { throw 1 }</script>`,
	})
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	fetches := func(p *Page, path string) bool {
		for _, e := range p.Exchanges {
			if e.URL == site.URL+path && e.Response != nil && e.Response.Body.Size > 16_000 && e.Response.Body.Truncated == "" {
				return true
			}
		}
		return false
	}
	tests := map[string]struct {
		reason string
		want   []string
		limit  bool
		files  []string
	}{
		"/lazy":   {"What loads nothing by itself is fetched whole.", []string{"audio 1 of 2 played: 2.0 of 2.0 seconds fetched", "video 2 of 2 played: 3.0 of 3.0 seconds fetched"}, false, []string{"/one.wav", "/two.wav"}},
		"/broken": {"What does not play is told.", []string{"audio 1 of 2 has no source", "video 2 of 2 does not play: NotSupportedError"}, false, nil},
		"/stuck":  {"A medium that does not come is not waited for for ever.", []string{"video 1 of 1 did not begin to play in 5s"}, true, nil},
		"/many":   {"There is a bound to how many are played.", nil, true, []string{"/one.wav"}},
		"/player": {"A player in a frame is started, too.", []string{"audio 1 of 1 played: 2.0 of 2.0 seconds fetched"}, false, []string{"/one.wav"}},
		"/shadow": {"So is one in a shadow root, whatever the page has made of play.", []string{"audio 1 of 1 played: 2.0 of 2.0 seconds fetched"}, false, []string{"/one.wav"}},
	}
	for path, tc := range tests {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			t.Parallel()
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL+path)
			said := actions(p, "media")
			slices.Sort(said)
			slices.Sort(tc.want)
			if tc.want != nil && !slices.Equal(said, tc.want) {
				t.Errorf("%s\nactions %q, want %q", tc.reason, said, tc.want)
			}
			if hasLimit(p, "Media") != tc.limit || p.Title == "loud" || p.Outcome.State != Archived {
				t.Errorf("%s\noutcome %+v, title %q, limits %+v", tc.reason, p.Outcome, p.Title, p.Limits)
			}
			for _, f := range tc.files {
				if !fetches(p, f) {
					t.Errorf("%s\n%s was not fetched: %q", tc.reason, f, requested(p, site.URL))
				}
			}
			if p.Timings.Settled > maxMedia+8*time.Second {
				t.Errorf("settled after %s", p.Timings.Settled)
			}
		})
	}
	t.Run("Disabled", func(t *testing.T) {
		t.Parallel()
		p := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/lazy", func(v *Visit) { v.NoMedia = true })
		if len(p.Exchanges) != 1 || hasAction(p, "media") {
			t.Errorf("requests %q, actions %+v", requested(p, site.URL), p.Actions)
		}
	})
}
