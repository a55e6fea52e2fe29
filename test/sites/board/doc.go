// Package board is the demo site: Prikbord, a made-up neighbourhood notice board with classified ads in English
// and Dutch.
//
// It is built as such sites are built today. The server sends the same empty HTML shell for every page; a script
// fetches the content from a JSON API and renders it; lists load more ads while the visitor scrolls; images come
// in several sizes and load lazily. A crawler that only reads HTML sees nothing here. Everything is also reachable by
// real links (<a href>), so that a visitor who follows links finds all of it:
//
//	/  /?page=N             all ads, newest first
//	/c/{category}[?page=N]  the ads of one category
//	/s/{handle}[?page=N]    the ads of one seller
//	/ad/{id}-{slug}         one ad: pictures, text, price, seller, tel: and mailto: links
//	/info/{slug}            about, safety, contact
//	/promo                  redirects to /info/about
//	/ad/999-sold            answers 404
//	/private/members        disallowed by robots.txt
//
// Beside them are robots.txt, and sitemap.xml, an index of sitemap-pages.xml and sitemap-ads.xml.gz. The API:
//
//	/api/site               the site's name and the links in its footer
//	/api/categories         the categories, with the number of ads
//	/api/ads?page=N[&category=slug][&seller=handle]
//	/api/ads/{id}
//	/api/sellers/{handle}
//	/api/info/{slug}
//
// The content depends on [Options] alone and is the same in every process, so a test can make the same board once
// more and ask it what a crawl must have found: [Board.Account] says which pages, [Board.TextOf] which text.
// [Walk] finds the same set over HTTP, from the API. All people, places and things are made up. Telephone
// numbers are from the ranges that are reserved for fiction (Ofcom's 020 7946 0xxx and 07700 900xxx, NANPA's 555-01xx),
// mail addresses from example.org.
//
// There is no web font: none is free of a licence to carry along, and the drawings need none.
package board
