package board

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// A Link is a link with its text.
type Link struct {
	URL  string `json:"url"`
	Text string `json:"text"`
}

// A Site is what every page shows around its content.
type Site struct {
	Name    string `json:"name"`
	Tagline string `json:"tagline"`
	Footer  []Link `json:"footer"`
}

// A List is one page of a list of ads.
type List struct {
	Page  int      `json:"page"`
	Pages int      `json:"pages"`
	Total int      `json:"total"`
	Ads   []AdCard `json:"ads"`
}

// An Info is a page of plain text.
type Info struct {
	Slug  string   `json:"slug"`
	URL   string   `json:"url"`
	Title string   `json:"title"`
	Text  []string `json:"text"`
	Links []Link   `json:"links"`
}

const (
	siteName = "Prikbord"
	tagline  = "The notice board of the neighbourhood"
)

var infos = []Info{
	{
		Slug: "about", URL: "/info/about", Title: "About this board",
		Text: []string{
			"Prikbord is a notice board for a town that does not exist. People sell what they no longer need, let rooms, and offer help.",
			"Nothing on it is real: the people, the places and the things are made up by a program, and the telephone numbers are ones that are never given out.",
		},
		Links: []Link{{URL: "/ad/999-sold", Text: "An ad that has been sold"}, {URL: "/info/safety", Text: "How to trade safely"}},
	},
	{
		Slug: "safety", URL: "/info/safety", Title: "How to trade safely",
		Text: []string{
			"Meet where other people are, look before you pay, and take somebody along when you view a room.",
			"Whoever asks for your passport, keeps your wages or forbids you to leave breaks the law. Talk to somebody you trust.",
		},
		Links: []Link{{URL: "/info/contact", Text: "Tell us about an ad"}},
	},
	{
		Slug: "contact", URL: "/info/contact", Title: "Contact",
		Text: []string{
			"The people who look after this board read their mail twice a day.",
			"Please name the number of the ad that you write about.",
		},
		Links: []Link{{URL: "mailto:board@example.org", Text: "board@example.org"}, {URL: "tel:+442079460000", Text: "+44 20 7946 0000"}},
	},
}

func (b *Board) footer() []Link {
	links := make([]Link, 0, len(infos)+3)
	for _, i := range infos {
		links = append(links, Link{i.URL, i.Title})
	}
	return append(links,
		Link{"/promo", "This week"},
		Link{"/private/members", "Members"},
		Link{b.options.External, "The town next door"},
	)
}

func (b *Board) routeAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/site", func(w http.ResponseWriter, r *http.Request) {
		sendJSON(w, r, Site{Name: siteName, Tagline: tagline, Footer: b.footer()})
	})
	mux.HandleFunc("GET /api/categories", func(w http.ResponseWriter, r *http.Request) {
		sendJSON(w, r, b.categories)
	})
	mux.HandleFunc("GET /api/ads", b.listAds)
	mux.HandleFunc("GET /api/ads/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		ad := b.byID[id]
		if err != nil || ad == nil {
			apiNotFound(w)
			return
		}
		sendJSON(w, r, ad)
	})
	mux.HandleFunc("GET /api/sellers/{handle}", func(w http.ResponseWriter, r *http.Request) {
		s := b.seller(r.PathValue("handle"))
		if s == nil {
			apiNotFound(w)
			return
		}
		sendJSON(w, r, s)
	})
	mux.HandleFunc("GET /api/info/{slug}", func(w http.ResponseWriter, r *http.Request) {
		i := infoOf(r.PathValue("slug"))
		if i == nil {
			apiNotFound(w)
			return
		}
		sendJSON(w, r, i)
	})
}

func (b *Board) listAds(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page := 1
	if p := q.Get("page"); p != "" {
		var err error
		if page, err = strconv.Atoi(p); err != nil {
			apiNotFound(w)
			return
		}
	}
	ads := b.filter(q.Get("category"), q.Get("seller"))
	list := List{Page: page, Pages: b.pages(len(ads)), Total: len(ads), Ads: []AdCard{}}
	if page < 1 || page > list.Pages {
		apiNotFound(w)
		return
	}
	from := (page - 1) * b.options.PageSize
	for _, ad := range ads[from:min(from+b.options.PageSize, len(ads))] {
		list.Ads = append(list.Ads, ad.Card())
	}
	sendJSON(w, r, list)
}

func (b *Board) seller(handle string) *Seller {
	for _, s := range b.sellers {
		if s.Handle == handle {
			return s
		}
	}
	return nil
}

func infoOf(slug string) *Info {
	for i := range infos {
		if infos[i].Slug == slug {
			return &infos[i]
		}
	}
	return nil
}

func sendJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, "application/json", "no-cache", append(body, '\n'))
}

func apiNotFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"error":"not found"}` + "\n")) // fails only when the client went away
}
