package portal

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// nobody is who has not logged in.
const nobody = "nobody"

// everybody are the columns of answers, in their order.
var everybody = []string{nobody, nic, eng, vic, vera, ann, eve}

// answers are one route of each kind, and what each of everybody is answered. The table of all routes is that of package
// portal; here the API server itself says who may do what.
var answers = []struct {
	path string
	want [7]int
}{
	// nobody is led to the log-in. Who may see nothing at all is told so, who may follow crawls is led to these; the
	// others see what is theirs.
	{"/", [7]int{303, 403, 303, 200, 200, 200, 200}},
	{"/crawls", [7]int{303, 403, 403, 200, 200, 200, 200}},
	{"/timeline?url=URL", [7]int{303, 403, 403, 200, 200, 200, 200}},
	{"/api/v1/snapshots", [7]int{401, 403, 403, 200, 200, 200, 200}},
	{"/api/v1/runs", [7]int{401, 403, 403, 200, 200, 200, 200}},
	// A run and a snapshot are of a namespace. Of a snapshot who may not find it is not even told that it is there.
	{"RUN", [7]int{303, 403, 403, 403, 200, 200, 200}},
	{"/compare?a=ID&b=OTHER", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/snapshots/ID/replay", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/cdx?url=URL", [7]int{303, 403, 403, 200, 200, 200, 200}},
	{"/snapshots/ID", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/snapshots/ID/thumbnail", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/snapshots/ID/picture", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/snapshots/ID/text", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/snapshots/ID/verify", [7]int{303, 404, 404, 404, 200, 200, 200}},
	{"/api/v1/snapshots/ID", [7]int{401, 404, 404, 404, 200, 200, 200}},
	// A file is taken away by who may more than look.
	{"/snapshots/ID/wacz", [7]int{303, 404, 404, 404, 403, 200, 200}},
	{"/api/v1/snapshots/ID/wacz", [7]int{401, 404, 404, 404, 403, 200, 200}},
	{"/wacz/CHUNK", [7]int{303, 403, 403, 403, 403, 200, 200}},
	// Cases are for who may read them; a capture of one can be written about, and all of it handed over.
	{"/cases", [7]int{303, 403, 403, 200, 200, 200, 200}},
	{"/cases/NS/2026-17", [7]int{303, 403, 403, 403, 200, 200, 200}},
	{"/cases/NS/2026-17/keep", [7]int{303, 403, 403, 403, 403, 200, 200}},
	{"/cases/NS/2026-17/handover", [7]int{303, 403, 403, 403, 403, 403, 200}},
	{"/api/v1/cases/NS/2026-17/selection.wacz?to=desk", [7]int{401, 403, 403, 403, 403, 403, 200}},
	// Running crawls are for who runs crawls; the analyst does, too.
	{"/live", [7]int{303, 403, 200, 403, 403, 200, 403}},
	{"/live/NS/summer", [7]int{303, 403, 200, 403, 403, 200, 403}},
	// A watch is its person's.
	{"/watches", [7]int{303, 200, 200, 200, 200, 200, 200}},
	{"/assets/portal.css", [7]int{200, 200, 200, 200, 200, 200, 200}},
}

// rights checks the table with real sessions against real role bindings.
func (w *world) rights(t *testing.T) {
	clients := map[string]*http.Client{nobody: plain}
	for _, name := range everybody[1:] {
		clients[name] = w.session(t, w.open, name)
	}
	fill := strings.NewReplacer("NS", theNorth, "RUN", w.spring.run(), "URL", url.QueryEscape(w.spring.URL), "OTHER", w.summer.ID, "ID", w.spring.ID, "CHUNK", w.spring.Chunk)
	secrets := []string{bright, quiet, "450 euros", "lighthouse", w.spring.UID, w.spring.Chunk, "rooms.test", theNorth}
	for _, a := range answers {
		path := fill.Replace(a.path)
		for i, name := range everybody {
			status, body := get(t, clients[name], w.open+path, !strings.HasPrefix(path, "/api/"))
			if status != a.want[i] {
				t.Errorf("%s: %s is answered %d, want %d: %.300s", a.path, name, status, a.want[i], body)
			}
			if name == vera || name == ann || name == eve {
				continue
			}
			for _, secret := range secrets {
				// (A page says its own address, and a refusal the namespace that was asked for.)
				named := strings.Contains(path, secret) || strings.Contains(path, url.QueryEscape(secret)) || secret == theNorth && a.want[3] == http.StatusForbidden ||
					secret == "rooms.test" && name == eng && strings.HasPrefix(path, "/live/") // who runs crawls knows what was ordered
				if !named && strings.Contains(body, secret) {
					t.Errorf("%s: what %s is answered has %q: %.300s", a.path, name, secret, body)
				}
			}
		}
	}
}

func get(t *testing.T, c *http.Client, address string, browser bool) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if browser {
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// session logs somebody in without a browser.
func (w *world) session(t *testing.T, portal, name string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, portal+"/login?return=/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	form, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	form.Body.Close()
	res, err := c.PostForm(form.Request.URL.String(), url.Values{"user": {name}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Request.URL.String(), portal) {
		t.Fatalf("%s is not logged in: %s %s", name, res.Request.URL, res.Status)
	}
	c.CheckRedirect = plain.CheckRedirect
	return c
}

// locally needs no log-in, and sees everything.
func (w *world) locally(t *testing.T) {
	for _, path := range []string{"/", "/snapshots/" + w.spring.ID, w.spring.run(), "/api/v1/snapshots?q=kingfisher"} {
		status, body := get(t, plain, w.local+path, true)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		if path != w.spring.run() && strings.Contains(path, "snapshots/") && !strings.Contains(body, bright) || strings.Contains(path, "kingfisher") && !strings.Contains(body, boat) {
			t.Errorf("%s does not show what there is", path)
		}
	}
	p := w.visitor(t, w.local)
	p.open(searchPath("kingfisher"))
	p.sees(boat, "You do not have to log in")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.local+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "portal.example" // a name that leads to this machine (DNS rebinding)
	res, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under a foreign name the portal answers %s", res.Status)
	}
}
