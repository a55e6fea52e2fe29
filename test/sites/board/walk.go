package board

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"crawlfleet.dev/crawlfleet/test/sites"
)

// maxAnswer bounds what Walk reads of one answer.
const maxAnswer = 8 << 20

// Walk finds out, from a running board's API and robots.txt alone, what a visitor finds who follows links: it
// renders nothing and parses no HTML, so it is independent of every crawler. base is the board's address without a
// trailing slash; a nil client is http.DefaultClient. It asks each page whether it is there with one HEAD request.
func Walk(ctx context.Context, client *http.Client, base string) (*sites.Account, error) {
	if client == nil {
		client = http.DefaultClient
	}
	w := &walker{
		ctx: ctx, client: client, base: base, todo: []string{"/"}, seen: map[string]bool{"/": true},
		account: &sites.Account{Errors: map[string]int{}, Redirects: map[string]string{}},
	}
	if err := w.robots(); err != nil {
		return nil, err
	}
	// Every page shows the footer and the categories.
	var site Site
	if err := w.api("/api/site", &site); err != nil {
		return nil, err
	}
	w.links(site.Footer)
	var categories []Category
	if err := w.api("/api/categories", &categories); err != nil {
		return nil, err
	}
	for _, c := range categories {
		w.link(c.URL)
	}
	for len(w.todo) > 0 {
		path := w.todo[0]
		w.todo = w.todo[1:]
		if err := w.visit(path); err != nil {
			return nil, fmt.Errorf("walk %s: %w", path, err)
		}
	}
	w.account.Normalize()
	return w.account, nil
}

type walker struct {
	ctx        context.Context
	client     *http.Client
	base       string
	disallowed []string
	todo       []string
	seen       map[string]bool
	account    *sites.Account
}

func (w *walker) links(links []Link) {
	for _, l := range links {
		w.link(l.URL)
	}
}

// link takes note of a link that a page shows.
func (w *walker) link(url string) {
	switch {
	case strings.HasPrefix(url, "mailto:"), strings.HasPrefix(url, "tel:"):
		w.account.Leads = append(w.account.Leads, url)
	case !strings.HasPrefix(url, "/"):
		w.account.External = append(w.account.External, url)
	case w.forbidden(url):
		w.account.Disallowed = append(w.account.Disallowed, url)
	case !w.seen[url]:
		w.seen[url] = true
		w.todo = append(w.todo, url)
	}
}

func (w *walker) forbidden(path string) bool {
	for _, prefix := range w.disallowed {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// visit asks whether a page is there, and the API for the links that it shows.
func (w *walker) visit(path string) error {
	status, location, err := w.head(path)
	if err != nil {
		return err
	}
	switch {
	case status >= 400:
		w.account.Errors[path] = status
		return nil
	case status >= 300:
		w.account.Redirects[path] = location
		w.link(location)
		return nil
	}
	w.account.Pages = append(w.account.Pages, path)

	place, query, _ := strings.Cut(path, "?")
	section, name, _ := strings.Cut(strings.TrimPrefix(place, "/"), "/")
	switch section {
	case "":
		return w.list(place, query, "")
	case "c":
		return w.list(place, query, "&category="+name)
	case "s":
		var s Seller
		if err := w.api("/api/sellers/"+name, &s); err != nil {
			return err
		}
		w.link(s.Tel)
		w.link(s.Mailto)
		return w.list(place, query, "&seller="+name)
	case "ad":
		return w.ad(name)
	case "info":
		var i Info
		if err := w.api("/api/info/"+name, &i); err != nil {
			return err
		}
		w.links(i.Links)
		return nil
	default:
		return fmt.Errorf("nothing is known of the section %q", section)
	}
}

// list follows one page of a list: its ads, and the links to its other pages.
func (w *walker) list(place, query, more string) error {
	if query == "" {
		query = "page=1"
	}
	var list List
	if err := w.api("/api/ads?"+query+more, &list); err != nil {
		return err
	}
	for _, ad := range list.Ads {
		w.link(ad.URL)
	}
	for p := 2; p <= list.Pages; p++ {
		w.link(fmt.Sprintf("%s?page=%d", place, p))
	}
	return nil
}

func (w *walker) ad(name string) error {
	id, _, _ := strings.Cut(name, "-")
	var ad Ad
	if err := w.api("/api/ads/"+id, &ad); err != nil {
		return err
	}
	w.link("/c/" + ad.Category)
	w.link(ad.Seller.URL)
	w.link(ad.Seller.Tel)
	w.link(ad.Seller.Mailto)
	for _, s := range ad.Similar {
		w.link(s.URL)
	}
	return nil
}

// robots reads the Disallow lines; the board has one group, for everybody.
func (w *walker) robots() error {
	body, err := w.get("/robots.txt")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(body)) {
		if prefix, ok := strings.CutPrefix(strings.TrimSpace(line), "Disallow: "); ok {
			w.disallowed = append(w.disallowed, prefix)
		}
	}
	return nil
}

func (w *walker) api(path string, into any) error {
	body, err := w.get(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (w *walker) get(path string) ([]byte, error) {
	res, err := w.do(http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return body, nil
}

func (w *walker) head(path string) (status int, location string, err error) {
	res, err := w.do(http.MethodHead, path)
	if err != nil {
		return 0, "", err
	}
	return res.StatusCode, res.Header.Get("Location"), res.Body.Close()
}

// do sends one request and follows no redirect.
func (w *walker) do(method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(w.ctx, method, w.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	req.Header.Set("User-Agent", "board-walk")
	once := *w.client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return res, nil
}
