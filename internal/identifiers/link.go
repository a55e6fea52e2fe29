package identifiers

import (
	"net/url"
	"strings"
)

// addressSchemes are the schemes of links that lead to an identifier.
var addressSchemes = map[string]bool{
	"tel": true, "sms": true, "smsto": true, "mms": true, "callto": true, "mailto": true,
	"whatsapp": true, "viber": true, "tg": true,
}

// hosts are those whose paths name users, with the platform they belong to.
var hosts = map[string]string{
	"wa.me": "whatsapp", "api.whatsapp.com": "whatsapp", "web.whatsapp.com": "whatsapp", "whatsapp.com": "whatsapp",
	"t.me": "telegram", "telegram.me": "telegram", "telegram.dog": "telegram",
	"instagram.com": "instagram", "instagr.am": "instagram", "onlyfans.com": "onlyfans",
	"snapchat.com": "snapchat", "tiktok.com": "tiktok", "twitter.com": "x", "x.com": "x",
}

// pages are first parts of paths that are pages of a platform and no users of it.
var pages = set(`p reel reels explore stories direct accounts about legal tv share intent home search i hashtag
	login signup settings messages notifications joinchat addstickers proxy socks c iv joinchannel add discover
	tag music video foryou following upload privacy terms tos help download apps spotlight lens unlock web send`)

// maxLink is how long a link is that is read.
const maxLink = 4096

// FromLink returns the identifiers that a link leads to: those of tel:, sms: and mailto:,
// of links into WhatsApp, and of the pages of users on platforms. Start and End span the
// link. There are none in a link to anything else.
func FromLink(href string, o Options) []Identifier {
	found := fromLink(href, newPlan(o))
	for i := range found {
		found[i].Start, found[i].End = 0, len(href)
	}
	return found
}

func fromLink(href string, p *plan) []Identifier {
	if len(href) > maxLink {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return nil
	}
	switch u.Scheme {
	case "tel", "sms", "smsto", "mms", "callto":
		return phones(opaque(u), p)
	case "mailto":
		return addresses(opaque(u) + "," + u.Query().Get("to"))
	case "whatsapp":
		return phones("+"+strings.TrimLeft(u.Query().Get("phone"), "+ 0"), p)
	case "viber":
		return phones("+"+strings.TrimLeft(u.Query().Get("number"), "+ 0"), p)
	case "tg":
		return user("telegram", u.Query().Get("domain"))
	case "http", "https":
		return fromPage(u, p)
	}
	return nil
}

// opaque returns what stands behind the scheme, without parameters and escapes.
func opaque(u *url.URL) string {
	raw := u.Opaque
	if raw == "" {
		raw = u.Host + u.Path
	}
	raw, _, _ = strings.Cut(raw, ";") // RFC 3966 section 3
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}

// fromPage reads a link to a page of a platform.
func fromPage(u *url.URL, p *plan) []Identifier {
	host := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(u.Hostname()), "www."), "m.")
	platform := hosts[host]
	first, rest, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	switch {
	case platform == "":
		return nil
	case platform == "whatsapp":
		number := u.Query().Get("phone")
		if number == "" && host == "wa.me" {
			number = first
		}
		return phones("+"+strings.TrimLeft(number, "+ 0"), p)
	case strings.HasPrefix(first, "+"): // t.me/+31…; with letters it is an invitation
		return phones(first, p)
	case (platform == "snapchat" && first == "add" || platform == "instagram" && first == "stories" || platform == "telegram" && first == "s") && rest != "":
		first, _, _ = strings.Cut(rest, "/")
	}
	if platform == "tiktok" && !strings.HasPrefix(first, "@") {
		return nil
	}
	return user(platform, first)
}

func user(platform, name string) []Identifier {
	name = strings.TrimPrefix(name, "@")
	handle, end := readHandle(name, 0)
	if handle == "" || end != len(name) || pages[handle] {
		return nil
	}
	return []Identifier{{Kind: Handle, Value: platform + ":" + handle}}
}

// phones reads a number of which the link says that it is one, so that a possible one will
// do where none is valid.
func phones(number string, p *plan) []Identifier {
	var out []Identifier
	for _, value := range p.numbers(number, false) {
		out = append(out, Identifier{Kind: Phone, Value: value})
	}
	return out
}

func addresses(list string) []Identifier {
	var out []Identifier
	for address := range strings.SplitSeq(list, ",") {
		address = strings.TrimSpace(address)
		found, _ := findNames(address, newPlan(Options{}))
		if len(found) == 1 && found[0].Kind == Email && found[0].End-found[0].Start == len(address) {
			out = append(out, found[0])
		}
	}
	return out
}
