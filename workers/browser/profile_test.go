package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// membersState is what a log-in at members.test left behind.
const membersState = `{"cookies": [
  {"name":"host","value":"of-one-host","domain":"members.test","path":"/","expires":-1,"httpOnly":true,"secure":false,"sameSite":"Lax"},
  {"name":"wide","value":"of-the-domain","domain":".members.test","path":"/","expires":4000000000,"httpOnly":false,"secure":false},
  {"name":"tls","value":"never-in-clear","domain":".members.test","path":"/","expires":-1,"httpOnly":true,"secure":true,"sameSite":"None"},
  {"name":"old","value":"is-over","domain":".members.test","path":"/","expires":1000,"httpOnly":false,"secure":false},
  {"name":"elsewhere","value":"of-another-site","domain":"other.test","path":"/","expires":-1,"httpOnly":false,"secure":false}],
 "origins": [
  {"origin":"http://members.test","localStorage":[{"name":"token","value":"local-1"}],"sessionStorage":[{"name":"tab","value":"session-1"}]},
  {"origin":"http://img.members.test","localStorage":[{"name":"token","value":"local-2"}]},
  {"origin":"https://members.test","localStorage":[{"name":"token","value":"local-3"}]}]}`

// members is a site that shows what it is sent and what is stored.
type members struct {
	mu       sync.Mutex
	requests []string
}

const showStorage = `<p id=s></p><script>document.title = 'history ' + history.length; s.textContent = location.host + ' stores ' + JSON.stringify({local: {...localStorage}, session: {...sessionStorage}})</script>`

func (m *members) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent []string
	for _, c := range r.Cookies() {
		sent = append(sent, c.Name+"="+c.Value)
	}
	m.mu.Lock()
	m.requests = append(m.requests, r.Host+r.URL.Path)
	m.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<p>%s is sent %s</p>", r.Host, strings.Join(sent, " "))
	if r.URL.Path == "/change" {
		fmt.Fprint(w, `<script>localStorage.token = 'changed'; sessionStorage.tab = 'changed'; document.cookie = 'wide=changed; domain=members.test; path=/'; document.cookie = 'new=1'</script>`)
	}
	fmt.Fprint(w, showStorage)
	if r.URL.Path == "/frame" { // no other origin's frame can be looked into
		fmt.Fprint(w, `<script>parent.postMessage(document.body.innerText, '*')</script>`)
	}
	if r.URL.Path == "/" {
		fmt.Fprint(w, `<div id=f></div><script>addEventListener('message', (e) => f.append(e.data))</script><iframe src="/frame" width=600></iframe><iframe src="http://img.members.test/frame" width=600></iframe>`)
	}
}

// membersPool is a pool whose recorder finds a site under made-up names.
func membersPool(t *testing.T, site http.Handler) *Pool {
	t.Helper()
	address := strings.TrimPrefix(serve(t, map[string]any{"/": site.ServeHTTP}).URL, "http://")
	resolve := map[string]string{}
	for _, name := range []string{"members.test", "img.members.test", "other.test"} {
		resolve[name] = address
	}
	return newPool(t, func(o *Options) {
		var err error
		o.Recorder, err = recorder.New(recorder.Options{Dir: t.TempDir(), Dialer: &netguard.Dialer{
			Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolve: resolve,
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := o.Recorder.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

func membersProfile(t *testing.T, login profile.LoginCheck) *profile.Profile {
	t.Helper()
	p, err := profile.New("members", "uid", []byte(membersState), []string{"members.test"}, login)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shown is the text of the page and of the frames in it.
func shown(t *testing.T, p *Page) string {
	t.Helper()
	if p.Outcome.State != Archived {
		t.Fatalf("%s: %+v", p.URL, p.Outcome)
	}
	return read(t, p.TextFile) + read(t, p.DOMFile)
}

// TestProfile gives a stay stored state and sees who gets it.
func TestProfile(t *testing.T) {
	t.Parallel()
	site := &members{}
	pool := membersPool(t, site)
	before, err := json.Marshal(membersProfile(t, profile.LoginCheck{}))
	if err != nil {
		t.Fatal(err)
	}
	given := membersProfile(t, profile.LoginCheck{})
	stay := newStay(t, pool, StayOptions{Profile: given})
	if len(site.requests) > 0 {
		t.Errorf("the site was asked for %q before the first page", site.requests)
	}
	p := visit(t, stay, "http://members.test/")
	text := shown(t, p)
	for _, want := range []string{
		"members.test is sent host=of-one-host wide=of-the-domain\n", "img.members.test is sent wide=of-the-domain\n",
		`members.test stores {"local":{"token":"local-1"},"session":{"tab":"session-1"}}`,
		`img.members.test stores {"local":{"token":"local-2"},"session":{}}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %s\n%s", want, text)
		}
	}
	if strings.Contains(text, "local-3") || strings.Contains(text, "never-in-clear") {
		t.Errorf("the page shows what is for https alone:\n%s", text)
	}
	if diff := cmp.Diff(&ProfileUse{Name: "members", UID: "uid", SHA256: given.SHA256, Cookies: 3, Origins: 3, Expired: 1}, p.Profile); diff != "" {
		t.Errorf("what the page says of it (-want +got):\n%s", diff)
	}
	if n := len(p.Exchanges); n != 3 || p.Completeness.Ratio != 1 {
		t.Errorf("%d exchanges, complete to %v:\n%s", n, p.Completeness, strings.Join(requested(p, ""), "\n"))
	}
	if p.Title != "history 2" { // the empty page and this one, as in every stay
		t.Errorf("the page sees %q", p.Title)
	}
	if len(p.Redirects) > 0 || len(p.Frames) != 3 {
		t.Errorf("redirects %v, frames %v", p.Redirects, p.Frames)
	}

	// What pages change lives as long as the stay.
	visit(t, stay, "http://members.test/change")
	if text := shown(t, visit(t, stay, "http://members.test/")); !strings.Contains(text, "wide=changed") || !strings.Contains(text, `"token":"changed"`) {
		t.Errorf("a page of the same stay does not see what the one before changed:\n%s", text)
	}
	text = shown(t, visit(t, newStay(t, pool, StayOptions{Profile: given}), "http://members.test/"))
	if strings.Contains(text, "changed") || strings.Contains(text, "new=1") || !strings.Contains(text, "local-1") {
		t.Errorf("what a crawl changed has come back:\n%s", text)
	}
	if after, err := json.Marshal(given); err != nil || string(after) != string(before) {
		t.Errorf("the profile itself has changed (%v)", err)
	}
}

// TestProfileIsolation has stays side by side in one Chrome.
func TestProfileIsolation(t *testing.T) {
	t.Parallel()
	pool := membersPool(t, &members{})
	given := membersProfile(t, profile.LoginCheck{})
	with := newStay(t, pool, StayOptions{Profile: given})
	visit(t, with, "http://members.test/")
	without := newStay(t, pool, StayOptions{})
	p := visit(t, without, "http://members.test/")
	if text := shown(t, p); strings.Contains(text, "=of-") || strings.Contains(text, "local-") || p.Profile != nil {
		t.Errorf("a stay without the profile has it: %+v\n%s", p.Profile, text)
	}
	if text := shown(t, visit(t, with, "http://other.test/")); strings.Contains(text, "of-another-site") || strings.Contains(text, "of-the-domain") {
		t.Errorf("a host that the profile is not for was sent some of it:\n%s", text)
	}
}

// TestProfileAfterCrash: a stay that goes on in a new tab begins with the state again.
func TestProfileAfterCrash(t *testing.T) {
	t.Parallel()
	pool := membersPool(t, &members{})
	stay := newStay(t, pool, StayOptions{Profile: membersProfile(t, profile.LoginCheck{})})
	visit(t, stay, "http://members.test/change")
	stay.tab.abandon()
	if text := shown(t, visit(t, stay, "http://members.test/")); !strings.Contains(text, "wide=of-the-domain") || !strings.Contains(text, "local-1") {
		t.Errorf("in the new tab:\n%s", text)
	}
}

// TestProfileRefused: what Chrome does not take costs nothing else, and is told.
func TestProfileRefused(t *testing.T) {
	t.Parallel()
	pool := membersPool(t, &members{})
	given := membersProfile(t, profile.LoginCheck{})
	given.State.Cookies = append(given.State.Cookies, profile.Cookie{Name: "__Host-bad", Value: "x", Domain: ".members.test", Path: "/"})
	given.State.Origins = append(given.State.Origins, profile.Origin{Origin: "http://quota.members.test", LocalStorage: []profile.Item{{Name: "a", Value: strings.Repeat("x", 12<<20)}}})
	p := visit(t, newStay(t, pool, StayOptions{Profile: given}), "http://members.test/")
	if p.Profile.Refused != 2 || p.Profile.Cookies != 3 || p.Profile.Origins != 3 || !limited(p, "Profile") {
		t.Errorf("%+v, limits %+v", p.Profile, p.Limits)
	}
	if text := shown(t, p); !strings.Contains(text, "host=of-one-host wide=of-the-domain") {
		t.Errorf("the other cookies:\n%s", text)
	}
}

func limited(p *Page, name string) bool {
	for _, l := range p.Limits {
		if l.Name == name {
			return true
		}
	}
	return false
}

// TestProfileLeavesNoTrace looks for the values in all that Chrome writes.
func TestProfileLeavesNoTrace(t *testing.T) {
	t.Parallel()
	pool := membersPool(t, &members{})
	stay := newStay(t, pool, StayOptions{Profile: membersProfile(t, profile.LoginCheck{})})
	visit(t, stay, "http://members.test/")
	files := 0
	err := filepath.WalkDir(stay.chrome.proc.profile, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // Chrome removes files while it runs
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		files++
		for _, value := range []string{"of-one-host", "never-in-clear", "local-1", "session-1"} {
			if strings.Contains(string(raw), value) {
				t.Errorf("%s holds %s", path, value)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were looked at, %v", files, err)
	}
}

func TestLoginExpired(t *testing.T) {
	t.Parallel()
	html := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login?next=1", http.StatusFound) })
	mux.HandleFunc("/script", html(200, `<script>location.replace('/login?next=2')</script>`))
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://other.test/welcome", http.StatusFound)
	})
	mux.HandleFunc("/login", html(200, `<form id=login></form><p>Please log in`))
	mux.HandleFunc("/welcome", html(200, `<p>Welcome`))
	mux.HandleFunc("/late", html(200, `<div id=app></div><script>setTimeout(() => app.innerHTML = '<a class=logout>Log out</a>', 100)</script>`))
	mux.HandleFunc("/gone", html(404, `<p>Not here`))
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "plain")
	})
	pool := membersPool(t, mux)
	for name, tc := range map[string]struct {
		reason string
		login  profile.LoginCheck
		path   string
		want   string
		limit  string
	}{
		"Redirect":     {"The site leads to its log-in page.", profile.LoginCheck{LoggedOutURL: `/login\b`}, "/moved", "the final address matches loggedOut.urlPattern", ""},
		"Script":       {"So it does by script.", profile.LoginCheck{LoggedOutURL: `/login\b`}, "/script", "the final address matches loggedOut.urlPattern", ""},
		"LoginItself":  {"The log-in page may be linked to, and is a page like any other then.", profile.LoginCheck{LoggedOutURL: `/login\b`, LoggedOutSelector: "#login"}, "/login", "", ""},
		"Selector":     {"A form to log in with is a sign.", profile.LoginCheck{LoggedOutSelector: "form#login"}, "/login", "the page shows loggedOut.selector", ""},
		"Text":         {"So are words.", profile.LoginCheck{LoggedOutText: "Please log in"}, "/login", "the page shows loggedOut.text", ""},
		"NothingOut":   {"A page that shows none of it is one of a member's.", profile.LoginCheck{LoggedOutURL: "/login", LoggedOutSelector: "#login", LoggedOutText: "Please log in"}, "/welcome", "", ""},
		"Missing":      {"What every page shows is missing.", profile.LoginCheck{LoggedInSelector: ".logout"}, "/welcome", "the page shows nothing of loggedIn", ""},
		"Late":         {"What a script brings counts.", profile.LoginCheck{LoggedInSelector: ".logout"}, "/late", "", ""},
		"EitherIsFine": {"One of two is enough.", profile.LoginCheck{LoggedInSelector: ".logout", LoggedInText: "Welcome"}, "/welcome", "", ""},
		"NotFound":     {"An error page need not show it.", profile.LoginCheck{LoggedInSelector: ".logout"}, "/gone", "", ""},
		"File":         {"Nor need a file.", profile.LoginCheck{LoggedInSelector: ".logout"}, "/file", "", ""},
		"Elsewhere":    {"Nor another site.", profile.LoginCheck{LoggedInSelector: ".logout"}, "/away", "", ""},
		"NoSelector":   {"A selector that is none is told, and judges nothing.", profile.LoginCheck{LoggedInSelector: "..", LoggedOutSelector: "["}, "/welcome", "", "LoginCheck"},
		"NoCheck":      {"Without a check nothing is judged.", profile.LoginCheck{}, "/moved", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := visit(t, newStay(t, pool, StayOptions{Profile: membersProfile(t, tc.login)}), "http://members.test"+tc.path)
			if p.Outcome.State != Archived || p.Profile.LoginExpired != tc.want || limited(p, ReasonLoginExpired) != (tc.want != "") {
				t.Errorf("%s\ngot %q, outcome %+v, limits %+v", tc.reason, p.Profile.LoginExpired, p.Outcome, p.Limits)
			}
			if tc.limit != "" && !limited(p, tc.limit) {
				t.Errorf("%s\nlimits %+v, want %s", tc.reason, p.Limits, tc.limit)
			}
			if tc.want != "" && !strings.Contains(p.Outcome.Detail, tc.want) {
				t.Errorf("the outcome does not tell it: %+v", p.Outcome)
			}
		})
	}
}

// BenchmarkStayWithProfile says what stored state costs at the start of a stay.
func BenchmarkStayWithProfile(b *testing.B) {
	pool := newPool(b)
	p, err := profile.New("members", "uid", []byte(membersState), nil, profile.LoginCheck{})
	if err != nil {
		b.Fatal(err)
	}
	for name, opts := range map[string]StayOptions{"With": {Profile: p}, "Without": {}} {
		b.Run(name, func(b *testing.B) {
			var spent time.Duration
			for b.Loop() {
				began := time.Now()
				s, err := pool.Stay(b.Context(), opts)
				if err != nil {
					b.Fatal(err)
				}
				spent += time.Since(began)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "ms/stay")
		})
	}
}
