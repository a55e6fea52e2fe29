package watches

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// MaxFeed is how many notices a feed has: the newest.
const MaxFeed = 200

// Feed is what a feed reader shows of notices.
type Feed struct {
	// Title is the feed's, Author who it is from: the portal.
	Title, Author string
	// Base is the portal's address with a slash at its end, Self that of the feed.
	Base, Self string
	// Since is when the feed began: it was updated then, while there are no notices.
	Since time.Time
	// Words say a notice to people.
	Words func(n Notice) (title, text string)
}

// newest are the notices that a feed has, the newest first.
func newest(notices []Notice) []Notice {
	notices = slices.Clone(notices)
	slices.SortStableFunc(notices, func(a, b Notice) int { return b.Time.Compare(a.Time) })
	return notices[:min(len(notices), MaxFeed)]
}

func (f *Feed) updated(newest []Notice) time.Time {
	if len(newest) == 0 {
		return f.Since.UTC()
	}
	return newest[0].Time.UTC()
}

// id names a notice for good, wherever the portal is: a UUID of its watch and capture (RFC 9562 section 5.5).
func (n *Notice) id() string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("crawlfleet/watches/"+n.Watch+"/"+string(n.Capture))).URN()
}

// id names the feed for good as far as its address does (RFC 4287 section 4.2.6).
func (f *Feed) id() string { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(f.Self)).URN() }

func (f *Feed) snapshot(id catalog.ID) string {
	return f.Base + "snapshots/" + url.PathEscape(string(id))
}

// compare is where a capture is beside the one before; empty when there is none.
func (f *Feed) compare(n *Notice) string {
	if n.Before == "" {
		return ""
	}
	return f.Base + "compare?" + url.Values{"a": {string(n.Before)}, "b": {string(n.Capture)}}.Encode()
}

// The elements of Atom (RFC 4287 section 4).
type (
	atomFeed struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string      `xml:"id"`
		Title   string      `xml:"title"`
		Updated string      `xml:"updated"`
		Author  atomPerson  `xml:"author"`
		Links   []atomLink  `xml:"link"`
		Entries []atomEntry `xml:"entry"`
	}
	atomPerson struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
	atomCategory struct {
		Term string `xml:"term,attr"`
	}
	atomText struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
	atomEntry struct {
		ID       string       `xml:"id"`
		Title    string       `xml:"title"`
		Updated  string       `xml:"updated"`
		Category atomCategory `xml:"category"`
		Links    []atomLink   `xml:"link"`
		Summary  atomText     `xml:"summary"`
	}
)

// Media types of feeds.
const (
	TypeAtom = "application/atom+xml; charset=utf-8" // RFC 4287 section 7
	TypeJSON = "application/feed+json; charset=utf-8"
	typeHTML = "text/html"
)

// Atom writes the feed as Atom 1.0 (RFC 4287).
func (f *Feed) Atom(w io.Writer, notices []Notice) error {
	notices = newest(notices)
	doc := atomFeed{
		ID: f.id(), Title: f.Title, Updated: f.updated(notices).Format(time.RFC3339), Author: atomPerson{f.Author},
		Links: []atomLink{{"self", "application/atom+xml", f.Self}, {"alternate", typeHTML, f.Base + "watches"}},
	}
	for i := range notices {
		n := &notices[i]
		title, text := f.Words(*n)
		e := atomEntry{
			ID: n.id(), Title: title, Updated: n.Time.UTC().Format(time.RFC3339), Category: atomCategory{string(n.Kind)},
			Links: []atomLink{{"alternate", typeHTML, f.snapshot(n.Capture)}}, Summary: atomText{"text", text},
		}
		if compare := f.compare(n); compare != "" {
			e.Links = append(e.Links, atomLink{"related", typeHTML, compare})
		}
		doc.Entries = append(doc.Entries, e)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write the feed: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// The members of a JSON Feed (https://www.jsonfeed.org/version/1.1/), and our own in "_crawlfleet".
type (
	jsonFeed struct {
		Version string       `json:"version"`
		Title   string       `json:"title"`
		Home    string       `json:"home_page_url"`
		Self    string       `json:"feed_url"`
		Authors []jsonAuthor `json:"authors"`
		Items   []jsonItem   `json:"items"`
	}
	jsonAuthor struct {
		Name string `json:"name"`
	}
	jsonItem struct {
		ID        string   `json:"id"`
		URL       string   `json:"url"`
		Title     string   `json:"title"`
		Text      string   `json:"content_text"`
		Published string   `json:"date_published"`
		Tags      []string `json:"tags"`
		Notice    Notice   `json:"_crawlfleet"`
	}
)

// JSON writes the feed as a JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), of which each item has its notice
// in the member _crawlfleet.
func (f *Feed) JSON(w io.Writer, notices []Notice) error {
	doc := jsonFeed{
		Version: "https://jsonfeed.org/version/1.1", Title: f.Title, Home: f.Base + "watches", Self: f.Self,
		Authors: []jsonAuthor{{f.Author}}, Items: []jsonItem{},
	}
	for _, n := range newest(notices) {
		title, text := f.Words(n)
		doc.Items = append(doc.Items, jsonItem{
			ID: n.id(), URL: f.snapshot(n.Capture), Title: title, Text: text, Published: n.Time.UTC().Format(time.RFC3339),
			Tags: []string{string(n.Kind)}, Notice: n,
		})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write the feed: %w", err)
	}
	return nil
}
