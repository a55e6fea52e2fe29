package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/profile"
)

// loginSite logs in whoever presses its button: the session is a cookie, and what its
// scripts need is in both storages. The way leads over another origin.
func loginSite(t *testing.T) (first, second string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<button id=go onclick="localStorage.account = 'one'; location = '%s/sso'">Log in</button>`, second)
	})
	mux.HandleFunc("/sso", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sso", Value: "of-the-sso", Path: "/", MaxAge: 3600, HttpOnly: true})
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<script>localStorage.sso = 'two'; location = '%s/in'</script>`, first)
	})
	mux.HandleFunc("/in", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "of-the-member", Path: "/", HttpOnly: true})
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<script>sessionStorage.tab = 'three'; location = '/members'</script>`)
	})
	mux.HandleFunc("/members", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if c, err := r.Cookie("session"); err != nil || c.Value != "of-the-member" {
			fmt.Fprint(w, "<p>For members alone")
			return
		}
		fmt.Fprint(w, `<p>Welcome</p><p id=p></p><script>p.textContent = localStorage.account + ' ' + sessionStorage.tab</script>`)
	})
	site := serve(t, map[string]any{"/": mux.ServeHTTP})
	first = site.URL
	second = strings.Replace(first, "127.0.0.1", "localhost", 1)
	return first, second
}

func openPerson(t *testing.T, address string) *Person {
	t.Helper()
	p, err := OpenPerson(t.Context(), PersonOptions{Dir: scratch(t)}, address)
	if err != nil {
		t.Fatalf("these tests need a Chrome: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// press presses a button in the page that is open, as the person would.
func press(t *testing.T, p *Person) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Wait(ctx, regexp.MustCompile("/login$")); err != nil {
		t.Fatal(err)
	}
	pages, err := p.tabs(ctx)
	if err != nil || len(pages) != 1 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	err = p.with(ctx, pages[0].ID, func(page *session) error {
		return evaluate(ctx, page, map[string]any{"expression": `new Promise((done) => { const f = () => { const b = document.querySelector('#go'); if (!b) return setTimeout(f, 20); done(); setTimeout(() => b.click(), 10) }; f() })`}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPerson logs in by hand, and has a stay of a crawl go on with it.
func TestPerson(t *testing.T) {
	t.Parallel()
	first, second := loginSite(t)
	p := openPerson(t, first+"/login")
	if res, err := http.Get("http://" + p.DebugAddress() + "/json/list"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("nobody can lead the browser: %v", err)
	} else {
		res.Body.Close()
	}
	press(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Wait(ctx, regexp.MustCompile("/members$")); err != nil {
		t.Fatal(err)
	}
	state, unread, err := p.State(ctx)
	if err != nil || len(unread) > 0 {
		t.Fatalf("not read %q, %v", unread, err)
	}
	raw, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"origin":"` + first + `","localStorage":[{"name":"account","value":"one"}],"sessionStorage":[{"name":"tab","value":"three"}]}`,
		`{"origin":"` + second + `","localStorage":[{"name":"sso","value":"two"}]`,
		`"name":"session","value":"of-the-member","domain":"127.0.0.1","path":"/","expires":-1,"httpOnly":true`,
		`"name":"sso","value":"of-the-sso","domain":"localhost"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the state has no %s\n%s", want, raw)
		}
	}

	given, err := profile.New("members", "", raw, nil, profile.LoginCheck{LoggedOutText: "For members alone"})
	if err != nil {
		t.Fatal(err)
	}
	page := visit(t, newStay(t, newPool(t), StayOptions{Profile: given}), first+"/members")
	if text := shown(t, page); !strings.Contains(text, "Welcome") || !strings.Contains(text, "one three") || page.Profile.LoginExpired != "" || page.Profile.Refused != 0 {
		t.Errorf("a crawl is shown %+v\n%s", page.Profile, text)
	}
}

// TestPersonLeaves: a browser that is closed early says so, and nothing of it stays.
func TestPersonLeaves(t *testing.T) {
	t.Parallel()
	first, _ := loginSite(t)
	dir := scratch(t)
	p, err := OpenPerson(t.Context(), PersonOptions{Dir: dir}, first+"/login")
	if err != nil {
		t.Fatal(err)
	}
	p.proc.conn.root.post("Browser.close", nil)
	if err := p.Wait(t.Context(), nil); !errors.Is(err, ErrBrowserClosed) {
		t.Errorf("waiting ends with %v", err)
	}
	if _, _, err := p.State(t.Context()); !errors.Is(err, ErrBrowserClosed) {
		t.Errorf("the state of a closed browser: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.proc.profile); !os.IsNotExist(err) {
		t.Errorf("the browser's folder is there still: %v", err)
	}
}

// TestPersonInPrivateFolder: where Chrome's user cannot reach the folder, the log-in is in
// one that goes with the browser, or with whoever comes next.
func TestPersonInPrivateFolder(t *testing.T) {
	private, shared := t.TempDir(), scratch(t)
	t.Setenv("TMPDIR", shared)
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	first, _ := loginSite(t)
	p, err := OpenPerson(t.Context(), PersonOptions{Dir: private}, first+"/login")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(p.proc.profile)
	reached := folder == private // by Chrome, as this very user
	if os.Geteuid() == 0 {
		reached = filepath.Dir(folder) == shared && strings.HasPrefix(filepath.Base(folder), folderPrefix)
	}
	if !reached {
		t.Errorf("the profile is %s: nobody would know whose it is", p.proc.profile)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(shared); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestPersonPort: a port that is taken is told before anybody tries to lead what is there.
func TestPersonPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = OpenPerson(t.Context(), PersonOptions{Dir: scratch(t), DebugPort: l.Addr().(*net.TCPAddr).Port}, "http://127.0.0.1/")
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// TestPersonPortOfTheLast: a browser that was killed a moment ago has its port still.
func TestPersonPortOfTheLast(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	time.AfterFunc(300*time.Millisecond, func() { l.Close() })
	p, err := OpenPerson(t.Context(), PersonOptions{Dir: scratch(t), DebugPort: port}, "http://127.0.0.1/")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPersonWithoutWindow(t *testing.T) {
	t.Parallel()
	_, err := OpenPerson(t.Context(), PersonOptions{Dir: t.TempDir(), Engine: EngineShell, Visible: true}, "http://127.0.0.1/")
	if err == nil || !strings.Contains(err.Error(), "install chromium") {
		t.Errorf("got %v", err)
	}
	for _, tc := range []struct {
		o    PersonOptions
		want string
		not  string
	}{
		{PersonOptions{Visible: true}, "--remote-debugging-pipe", "--remote-debugging-port"},
		{PersonOptions{Visible: true}, "--no-first-run", "--headless"},
		{PersonOptions{DebugPort: 9222}, "--remote-debugging-port=9222 --remote-debugging-address=127.0.0.1", "--enable-automation"},
	} {
		if args := strings.Join(personArguments(tc.o, false), " "); !strings.Contains(args, tc.want) || strings.Contains(args, tc.not) {
			t.Errorf("%+v: %s", tc.o, args)
		}
	}
}
