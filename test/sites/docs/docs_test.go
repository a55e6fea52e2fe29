package docs_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/docs"
)

// folder writes files, and folders for names that end in /, to a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(file, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func serve(t *testing.T, root string) *sites.Server {
	t.Helper()
	site, err := docs.New(docs.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sites.Start(sites.Options{Handler: site})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// fetch asks for one address and follows no redirect.
func fetch(t *testing.T, address string) (status int, mime, location, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("Location"), string(b)
}

func TestServe(t *testing.T) {
	t.Parallel()
	outside := folder(t, map[string]string{"shared.js": "shared"})
	root := folder(t, map[string]string{
		"index.html": "<p>front", "a/index.html": "<p>a", "a/b c.html": "<p>space", "bare/x.txt": "text", "data.bin": "?",
	})
	if err := os.Symlink(filepath.Join(outside, "shared.js"), filepath.Join(root, "linked.js")); err != nil {
		t.Fatal(err)
	}
	srv := serve(t, root)
	for _, tc := range []struct {
		reason, path   string
		status         int
		mime, location string
		body           string
	}{
		{"the root serves its index", "/", 200, "text/html; charset=utf-8", "", "<p>front"},
		{"the index has an address of its own", "/index.html", 200, "text/html; charset=utf-8", "", "<p>front"},
		{"a folder serves its index", "/a/", 200, "text/html; charset=utf-8", "", "<p>a"},
		{"a folder without its slash", "/a?q=1", 301, "text/html; charset=utf-8", "/a/?q=1", ""},
		{"an escaped name", "/a/b%20c.html", 200, "text/html; charset=utf-8", "", "<p>space"},
		{"a link out of the folder", "/linked.js", 200, "text/javascript; charset=utf-8", "", "shared"},
		{"plain text", "/bare/x.txt", 200, "text/plain; charset=utf-8", "", "text"},
		{"an unknown type", "/data.bin", 200, "application/octet-stream", "", "?"},
		{"a folder without index", "/bare/", 404, "", "", ""},
		{"a folder without index and slash", "/bare", 404, "", "", ""},
		{"a file as a folder", "/index.html/", 404, "", "", ""},
		{"below a file", "/index.html/x", 404, "", "", ""},
		{"nothing", "/none.html", 404, "", "", ""},
		{"out of the folder", "/../" + filepath.Base(outside) + "/shared.js", 404, "", "", ""},
		{"out of the folder, escaped", "/a/%2e%2e/%2e%2e/etc/passwd", 404, "", "", ""},
		{"doubled slash", "//a/", 404, "", "", ""},
		{"overlong name", "/" + strings.Repeat("x", 5000), 404, "", "", ""},
	} {
		status, mime, location, body := fetch(t, srv.URL+tc.path)
		if status != tc.status || tc.mime != "" && mime != tc.mime || location != tc.location || tc.body != "" && body != tc.body {
			t.Errorf("%s: %s: got %d %q %q %q", tc.reason, tc.path, status, mime, location, body)
		}
	}
	res, err := http.Post(srv.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %s", res.Status)
	}
}

func TestWalkRules(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{
		"index.html": `<!doctype html><title>x</title>
			<a href="one.html#part">1</a> <a href=" two.html ">2</a> <A HREF='/sub'>s</A> <a href="?q=1">q</a> <a href="/">front</a>
			<area href="map.html"> <a>nothing</a> <a href="">self</a> <a href="#only">here</a>
			<!-- <a href="comment.html"> --> <template><a href="template.html">t</a></template> <noscript><a href="noscript.html">n</a></noscript>
			<link rel="next" href="link.html"> <script>document.write('<a href="script.html">')</script>
			<a href="https://elsewhere.test/x#y">out</a> <a href="//other.test">out</a> <a href="mailto:a@example.org">m</a> <a href="tel:+12025550100">t</a>
			<a href="javascript:void 0">j</a> <a href="data:text/html,x">d</a> <a href="http://%zz">bad</a> <a href="gone.html">g</a> <a href="file.txt">f</a> <a href="two.html#%_odd">f</a>`,
		"one.html": `<base href="/sub/deep/"><base href="/ignored/"><a href="three.html">3</a><svg><a href="four.html"></a></svg>`, "two.html": "", "map.html": "",
		"sub/index.html": `<a href="../one.html">up</a><a href="deep">d</a>`, "sub/deep/three.html": `<a href="/index.html">back</a>`, "sub/deep/four.html": "",
		"file.txt":     `<a href="from-text.html">not a page</a>`,
		"comment.html": "", "template.html": "", "noscript.html": "", "link.html": "", "script.html": "", "from-text.html": "", "orphan.html": "",
	})
	got, err := docs.Walk(root)
	if err != nil {
		t.Fatal(err)
	}
	want := &sites.Account{
		// The link ?q=1 is two addresses, because / and /index.html are two pages with the same content.
		Pages:     []string{"/", "/?q=1", "/index.html", "/index.html?q=1", "/map.html", "/one.html", "/sub/", "/sub/deep/four.html", "/sub/deep/three.html", "/two.html"},
		Files:     []string{"/file.txt"},
		Errors:    map[string]int{"/gone.html": 404, "/sub/deep": 404},
		Redirects: map[string]string{"/sub": "/sub/"},
		External:  []string{"http://other.test", "https://elsewhere.test/x"},
		Leads:     []string{"mailto:a@example.org", "tel:+12025550100"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// What the walk says without a request, the server must answer.
	srv := serve(t, root)
	for _, p := range got.Pages {
		if status, mime, _, _ := fetch(t, srv.URL+p); status != 200 || !strings.HasPrefix(mime, "text/html") {
			t.Errorf("%s: %d %s", p, status, mime)
		}
	}
	for p, want := range got.Errors {
		if status, _, _, _ := fetch(t, srv.URL+p); status != want {
			t.Errorf("%s: got %d, want %d", p, status, want)
		}
	}
	for p, want := range got.Redirects {
		if _, _, location, _ := fetch(t, srv.URL+p); location != want {
			t.Errorf("%s: redirects to %q, want %q", p, location, want)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	if _, err := docs.Walk(t.TempDir()); err == nil || !strings.Contains(err.Error(), "index.html") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := docs.New(docs.Options{Root: "/nonexistent"}); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("no folder: %v", err)
	}
}

// TestRealDocumentation walks the documentation of Python: what the walk finds in the files is what the server has.
func TestRealDocumentation(t *testing.T) {
	t.Parallel()
	root, err := docs.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	account, err := docs.Walk(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(account.Pages) < 300 {
		t.Errorf("only %d pages", len(account.Pages))
	}
	srv := serve(t, root)
	for _, p := range account.Pages {
		if status, mime, _, _ := fetch(t, srv.URL+p); status != 200 || !strings.HasPrefix(mime, "text/html") {
			t.Errorf("%s: %d %s", p, status, mime)
		}
	}
	for _, file := range []string{"/_static/jquery.js", "/_static/pydoctheme.css"} {
		if status, _, _, body := fetch(t, srv.URL+file); status != 200 || len(body) < 100 {
			t.Errorf("%s: status %d, %d bytes", file, status, len(body))
		}
	}
	t.Logf("%d pages, %d files, %d errors, %d redirects, %d external links", len(account.Pages), len(account.Files), len(account.Errors), len(account.Redirects), len(account.External))
}

// TestChromeSeesTheSameLinks compares the links that the walk reads from files with those in a real browser's
// document, on every 25th page (DOCS_EVERY=1: on all).
func TestChromeSeesTheSameLinks(t *testing.T) {
	t.Parallel()
	root, err := docs.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	account, err := docs.Walk(root)
	if err != nil {
		t.Fatal(err)
	}
	every := 25
	if v := os.Getenv("DOCS_EVERY"); v != "" {
		if every, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	srv := serve(t, root)
	tab := chrome.New(t, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	for i := 0; i < len(account.Pages); i += every {
		page := account.Pages[i]
		address, err := url.Parse(srv.URL + page)
		if err != nil {
			t.Fatal(err)
		}
		links, err := docs.Links(filepath.Join(root, filepath.FromSlash(address.Path)), address)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, l := range links {
			want[withoutFragment(l.String())] = true
		}
		if diff := cmp.Diff(want, browserLinks(t, tab, address.String())); diff != "" {
			t.Errorf("%s (-walk +browser):\n%s", page, diff)
		}
	}
}

func browserLinks(t *testing.T, tab context.Context, address string) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	hrefs, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll('a[href], area[href]')].map((a) => a.href)`))
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	links := map[string]bool{}
	for _, h := range hrefs {
		links[withoutFragment(h)] = true
	}
	return links
}

// withoutFragment cuts off the fragment and writes http://host as http://host/, as browsers do.
func withoutFragment(link string) string {
	link, _, _ = strings.Cut(link, "#")
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	if u.Path == "" && u.Host != "" {
		u.Path = "/"
	}
	return u.String()
}
