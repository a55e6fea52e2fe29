package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// TestWaysInside: 127.0.0.2 stands for the public Internet, and a page there tries every way
// that pages have to a server on 127.0.0.1, which nobody may reach.
func TestWaysInside(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	trap := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") }))
	trap.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			hits.Add(1)
		}
	}
	trap.Start()
	t.Cleanup(trap.Close)
	port := trap.Listener.Addr().(*net.TCPAddr).Port
	inside := fmt.Sprintf("http://127.0.0.1:%d/x", port)
	ways := map[string]string{
		"Redirect":      "", // a path of its own
		"MetaRefresh":   `<meta http-equiv=refresh content="0; url=%s">`,
		"Location":      `<script>location.href = '%s'</script>`,
		"Replace":       `<script>setTimeout(() => location.replace('%s'), 20)</script>`,
		"Link":          `<a id=a href="%s">go</a><script>a.click()</script>`,
		"Form":          `<form id=f action="%s"></form><script>f.submit()</script>`,
		"Frame":         `<iframe src="%s"></iframe>`,
		"NestedFrame":   `<iframe srcdoc="&lt;iframe src=%s&gt;"></iframe>`,
		"Object":        `<object data="%s"></object>`,
		"Image":         `<img src="%s">`,
		"Style":         `<link rel=stylesheet href="%s">`,
		"Import":        `<style>@import url("%s");</style>`,
		"Script":        `<script src="%s"></script>`,
		"Module":        `<script type=module>import '%s'</script>`,
		"Fetch":         `<script>fetch('%s', {mode: 'no-cors'}).catch(() => {})</script>`,
		"XHR":           `<script>const x = new XMLHttpRequest(); x.open('GET', '%s'); x.send()</script>`,
		"Beacon":        `<script>navigator.sendBeacon('%s', 'x')</script>`,
		"EventSource":   `<script>new EventSource('%s')</script>`,
		"Socket":        `<script>new WebSocket('%s'.replace('http', 'ws'))</script>`,
		"Worker":        `<script>new Worker(URL.createObjectURL(new Blob(["fetch('%s', {mode: 'no-cors'}).catch(() => {})"])))</script>`,
		"Video":         `<video src="%s" autoplay muted></video>`,
		"Preload":       `<link rel=preload as=image href="%s">`,
		"Decimal":       strings.ReplaceAll(`<img src="%s">`, "%s", fmt.Sprintf("http://2130706433:%d/x", port)),
		"Mapped":        strings.ReplaceAll(`<img src="%s">`, "%s", fmt.Sprintf("http://[::ffff:127.0.0.1]:%d/x", port)),
		"Localhost":     strings.ReplaceAll(`<img src="%s">`, "%s", fmt.Sprintf("http://localhost:%d/x", port)),
		"RedirectImage": `<img src="/Redirect">`,
	}
	mux := http.NewServeMux()
	for name, body := range ways {
		if strings.Contains(body, "%s") {
			body = strings.ReplaceAll(body, "%s", inside)
		}
		mux.HandleFunc("/"+name, page(body+"<p>here"))
	}
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/Redirect" {
			http.Redirect(w, r, inside, http.StatusFound)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = site.Listener.Close()
	site.Listener = l
	site.Start()
	t.Cleanup(site.Close)
	rec, err := recorder.New(recorder.Options{Dir: t.TempDir(), Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.Close() })
	s := newStay(t, newPool(t, func(o *Options) { o.Recorder = rec }), StayOptions{})
	for name := range ways {
		p := visit(t, s, site.URL+"/"+name, func(v *Visit) { v.Screenshot, v.DOM, v.Text = ScreenshotNone, false, false })
		blocked := 0
		for _, e := range p.Exchanges {
			if e.Failure == ReasonAddressBlocked && e.Conn == nil && e.Response == nil {
				blocked++
			}
		}
		if blocked == 0 || hits.Load() > 0 {
			t.Errorf("%s: %d requests were refused, %d connections came", name, blocked, hits.Swap(0))
			dump(t, p)
		}
	}
}
