package board

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/test/sites"
)

// Account says what a visitor finds who begins at / and follows every link, from the board's own data. [Walk]
// finds the same from the API.
func (b *Board) Account() *sites.Account {
	a := &sites.Account{
		Errors:     map[string]int{"/ad/999-sold": http.StatusNotFound},
		Redirects:  map[string]string{"/promo": "/info/about"},
		Disallowed: []string{"/private/members"},
		External:   []string{b.options.External},
	}
	lists := func(path string, n int) {
		a.Pages = append(a.Pages, path)
		for p := 2; p <= b.pages(n); p++ {
			a.Pages = append(a.Pages, fmt.Sprintf("%s?page=%d", path, p))
		}
	}
	lists("/", len(b.ads))
	for _, c := range b.categories {
		lists(c.URL, c.Ads)
	}
	for _, s := range b.sellers {
		lists(s.URL, s.Ads)
		a.Leads = append(a.Leads, s.Tel, s.Mailto)
	}
	for _, ad := range b.ads {
		a.Pages = append(a.Pages, ad.URL)
	}
	for _, i := range infos {
		a.Pages = append(a.Pages, i.URL)
		for _, l := range i.Links {
			if strings.HasPrefix(l.URL, "mailto:") || strings.HasPrefix(l.URL, "tel:") {
				a.Leads = append(a.Leads, l.URL)
			}
		}
	}
	a.Normalize()
	return a
}

// Pages returns the addresses (path and query) of all pages that a visitor finds who follows links, sorted.
func (b *Board) Pages() []string { return b.Account().Pages }

// TextOf returns pieces of text that must be visible, each as it stands here, on the rendered page at path
// (path and query, as in [Board.Pages]). It returns nil for a page that the board does not have. None of it is
// in the HTML that the server sends.
func (b *Board) TextOf(path string) []string {
	place, query, _ := strings.Cut(path, "?")
	section, name, _ := strings.Cut(strings.TrimPrefix(place, "/"), "/")
	switch section {
	case "":
		return b.listText(b.ads, query, tagline)
	case "c":
		for _, c := range b.categories {
			if c.Slug == name {
				return b.listText(b.filter(name, ""), query, c.Name, c.Dutch)
			}
		}
	case "s":
		if s := b.seller(name); s != nil {
			return b.listText(b.filter("", name), query, s.Handle, s.Phone)
		}
	case "ad":
		id, _, _ := strings.Cut(name, "-")
		n, err := strconv.Atoi(id)
		if ad := b.byID[n]; err == nil && ad != nil && ad.URL == place {
			text := append([]string{ad.Title, ad.Price, ad.Place, ad.Posted, ad.Seller.Handle, ad.Seller.Phone}, ad.Description...)
			for _, s := range ad.Similar {
				text = append(text, s.Title)
			}
			return text
		}
	case "info":
		if i := infoOf(name); i != nil {
			return append([]string{i.Title}, i.Text...)
		}
	}
	return nil
}

// listText returns the text of one page of a list, with what stands above it.
func (b *Board) listText(ads []*Ad, query string, above ...string) []string {
	page := 1
	if p, ok := strings.CutPrefix(query, "page="); ok {
		n, err := strconv.Atoi(p)
		if err != nil || n < 2 || n > b.pages(len(ads)) {
			return nil
		}
		page = n
	}
	from := (page - 1) * b.options.PageSize
	text := above
	for _, ad := range ads[from:min(from+b.options.PageSize, len(ads))] {
		text = append(text, ad.Title, ad.Price)
	}
	return text
}
