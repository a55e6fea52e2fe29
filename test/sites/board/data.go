package board

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// An Ad is one classified ad, as the API shows it.
type Ad struct {
	ID          int       `json:"id"`
	URL         string    `json:"url"`
	Title       string    `json:"title"`
	Category    string    `json:"category"`
	Language    string    `json:"language"` // en or nl
	Price       string    `json:"price"`
	Place       string    `json:"place"`
	Posted      string    `json:"posted"` // as 14 March 2026
	Condition   string    `json:"condition,omitempty"`
	Description []string  `json:"description"`
	Seller      SellerRef `json:"seller"`
	Images      []Image   `json:"images"`
	Similar     []AdCard  `json:"similar"`

	scene string
}

// An AdCard is what lists show of an ad.
type AdCard struct {
	ID     int    `json:"id"`
	URL    string `json:"url"`
	Title  string `json:"title"`
	Price  string `json:"price"`
	Place  string `json:"place"`
	Posted string `json:"posted"`
	Image  Image  `json:"image"`
}

// An Image is a picture in one or two sizes.
type Image struct {
	Src    string `json:"src"`
	Srcset string `json:"srcset,omitempty"`
	Alt    string `json:"alt"`
}

// A SellerRef is the part of a seller that an ad shows.
type SellerRef struct {
	Handle string `json:"handle"`
	URL    string `json:"url"`
	Phone  string `json:"phone"`
	Tel    string `json:"tel"`    // tel: link
	Mailto string `json:"mailto"` // mailto: link
}

// A Seller is somebody who offers things.
type Seller struct {
	SellerRef
	Since string `json:"since"`
	Place string `json:"place"`
	Ads   int    `json:"ads"`
}

// A Category is one of the board's sections.
type Category struct {
	Slug  string `json:"slug"`
	URL   string `json:"url"`
	Name  string `json:"name"`
	Dutch string `json:"dutch"`
	Ads   int    `json:"ads"`
}

// Card returns what lists show of the ad.
func (a *Ad) Card() AdCard {
	return AdCard{ID: a.ID, URL: a.URL, Title: a.Title, Price: a.Price, Place: a.Place, Posted: a.Posted, Image: a.Images[0]}
}

const firstID = 1001

// newest is the day of the newest ad: fixed, so that the board looks the same on every day.
var newest = time.Date(2026, time.March, 14, 0, 0, 0, 0, time.UTC)

// generate makes the board's content from its seed.
func (b *Board) generate() {
	rng := rand.New(rand.NewPCG(b.options.Seed, 0x6372_6177_6c66_6c65))
	b.sellers = makeSellers(rng, max(3, (b.options.Ads*8+59)/60))
	for i := range b.options.Ads {
		ad := makeAd(rng, i, b.options.Ads, b.sellers)
		b.ads = append(b.ads, ad)
		b.byID[ad.ID] = ad
	}
	for i := range vocabularies {
		v := &vocabularies[i]
		n := len(b.filter(v.slug, ""))
		if n > 0 {
			b.categories = append(b.categories, Category{Slug: v.slug, URL: "/c/" + v.slug, Name: v.en, Dutch: v.nl, Ads: n})
		}
	}
	for _, s := range b.sellers {
		s.Ads = len(b.filter("", s.Handle))
	}
	b.sellers = slices.DeleteFunc(b.sellers, func(s *Seller) bool { return s.Ads == 0 })
	for _, ad := range b.ads {
		ad.Similar = b.similar(ad)
	}
}

// similar returns the four ads of the same category that were posted after this one, around the corner.
func (b *Board) similar(ad *Ad) []AdCard {
	same := b.filter(ad.Category, "")
	at := slices.Index(same, ad)
	var cards []AdCard
	for i := 1; i < len(same) && len(cards) < 4; i++ {
		cards = append(cards, same[(at+i)%len(same)].Card())
	}
	return cards
}

func makeSellers(rng *rand.Rand, n int) []*Seller {
	sellers := make([]*Seller, n)
	for i := range sellers {
		handle := fmt.Sprintf("%s%s%d", handleFirst[i%len(handleFirst)], handleSecond[(i*5+i/12)%len(handleSecond)], 10+(i*37)%90)
		if i >= len(handleFirst)*len(handleSecond) {
			handle += fmt.Sprintf("x%d", i)
		}
		phone := phoneNumber(i)
		if i%4 == 3 {
			// Two sellers with one number: what an analyst looks for.
			phone = sellers[i-1].Phone
		}
		sellers[i] = &Seller{
			SellerRef: SellerRef{
				Handle: handle,
				URL:    "/s/" + handle,
				Phone:  phone,
				Tel:    "tel:" + strings.ReplaceAll(phone, " ", ""),
				Mailto: "mailto:" + handle + "@example.org",
			},
			Since: fmt.Sprintf("%d", 2017+rng.IntN(8)),
			Place: places[rng.IntN(len(places))],
		}
	}
	return sellers
}

// phoneNumber returns the ith number of the ranges that Ofcom and NANPA reserve for fiction.
func phoneNumber(i int) string {
	switch i % 3 {
	case 0:
		return fmt.Sprintf("+44 20 7946 0%03d", (101+i*7)%1000)
	case 1:
		return fmt.Sprintf("+44 7700 900%03d", (204+i*11)%1000)
	default:
		return fmt.Sprintf("+1 202 555 01%02d", (11+i*13)%100)
	}
}

func makeAd(rng *rand.Rand, i, total int, sellers []*Seller) *Ad {
	v := &vocabularies[i%len(vocabularies)]
	k := v.kinds[rng.IntN(len(v.kinds))]
	seller := sellers[rng.IntN(len(sellers))]
	ad := &Ad{
		ID:       firstID + total - 1 - i,
		Category: v.slug,
		Language: "en",
		Price:    price(k, rng),
		Place:    places[rng.IntN(len(places))],
		Posted:   newest.AddDate(0, 0, -i/4).Format("2 January 2006"),
		Seller:   seller.SellerRef,
		scene:    k.scene,
	}
	if k.unit == "" {
		ad.Condition = conditions[rng.IntN(len(conditions))]
	}
	adj := rng.IntN(len(adjectivesEN))
	extra := rng.IntN(len(v.extraEN))
	say, closings := v.sayEN, closingsEN
	services := v.slug == "work" || v.slug == "lessons"
	if rng.IntN(3) == 0 {
		ad.Language = "nl"
		say, closings = v.sayNL, closingsNL
		ad.Title = title(adjectivesNL[adj%len(adjectivesNL)], k.nl, v.extraNL[extra], services)
	} else {
		ad.Title = title(adjectivesEN[adj], k.en, v.extraEN[extra], services)
	}
	order := rng.Perm(len(say))
	ad.Description = []string{
		ad.Title + ". " + say[order[0]] + " " + say[order[1]],
		say[order[2]] + " " + say[order[3]],
		closings[rng.IntN(len(closings))],
	}
	ad.URL = fmt.Sprintf("/ad/%d-%s", ad.ID, slug(ad.Title))
	for n, ext := range imageFormats {
		image := Image{Src: fmt.Sprintf("/img/%d/%d-800.%s", ad.ID, n, ext), Alt: fmt.Sprintf("%s, picture %d", ad.Title, n+1)}
		if ext != "svg" {
			image.Srcset = fmt.Sprintf("/img/%d/%d-400.%s 400w, %s 800w", ad.ID, n, ext, image.Src)
		}
		ad.Images = append(ad.Images, image)
	}
	return ad
}

// title puts an ad's title together; services go without an adjective.
func title(adjective, thing, extra string, service bool) string {
	if service {
		return strings.ToUpper(thing[:1]) + thing[1:] + " " + extra
	}
	return adjective + " " + thing + " " + extra
}

func price(k kind, rng *rand.Rand) string {
	euros := k.low + rng.IntN(k.high-k.low)
	if k.unit != "" {
		return fmt.Sprintf("€ %d per %s", euros, k.unit)
	}
	switch rng.IntN(10) {
	case 0:
		return "Free"
	case 1:
		return "Make an offer"
	default:
		return fmt.Sprintf("€ %d", euros)
	}
}

// slug writes a title as a part of an address: lower-case letters and digits, joined by hyphens.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(title, "'", "")), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}
