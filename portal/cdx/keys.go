package cdx

import (
	"regexp"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// keys are the part of an index that is asked for, and where it may be.
type keys struct {
	// start <= key < end; an empty end is none.
	start, end urls.SURT
	exact      bool
	// host is as the [Catalog] wants it, below adds the hosts below it.
	host  string
	below bool
	// own is set when records of the crawler's own are asked for: urn:pageinfo: and the like.
	own bool
}

const ownScheme = "urn:"

// has reports whether a key is asked for.
func (k keys) has(key urls.SURT) bool {
	return key >= k.start && (k.end == "" || key < k.end) && (k.own || !strings.HasPrefix(string(key), ownScheme))
}

// keysOf says where captures of a URL lie, as pywb's calc_search_range does: of the URL
// itself, of all that begins with it, of its host, or of its host and those below it.
func keysOf(url, match string) (keys, error) {
	if match == "" {
		url, match = shorthand(url)
	}
	if url == "" && match == "prefix" { // url=*
		return keys{below: true}, nil
	}
	url = withScheme(url)
	key := urls.MakeSURT(url)
	k := keys{start: key, own: strings.HasPrefix(string(key), ownScheme)}
	k.host, k.below = hostOf(url)
	switch match {
	case "exact":
		k.exact, k.end = true, key+"!" // comes after the space that ends a key
		return k, nil
	case "prefix":
		if last := url[len(url)-1:]; strings.Contains("/?", last) && !strings.HasSuffix(string(key), last) {
			k.start += urls.SURT(last)
		}
		k.end = next(k.start)
		// The host in "urn:pageinfo:https://exam*" may not be whole.
		if k.own {
			k.host, k.below = "", true
		}
		return k, nil
	case "host", "domain":
		return k.ofHost(match == "domain")
	}
	return k, invalid("Write matchType=exact, prefix, host or domain.", "matchType=%q is not known.", match)
}

// ofHost widens the keys to a host.
func (k keys) ofHost(domain bool) (keys, error) {
	host, _, ok := strings.Cut(string(k.start), ")/")
	if !ok || k.own {
		return k, invalid("Write a host such as url=example.org, or leave matchType out.", "There is no host in the url.")
	}
	k.start, k.end = urls.SURT(host+")/"), urls.SURT(host+"*")
	if !domain {
		return k, nil
	}
	k.below = true
	if !strings.Contains(host, ",") { // a top-level domain
		k.start = urls.SURT(host + ",")
	}
	k.end = urls.SURT(host + "-")
	return k, nil
}

// shorthand reads the writings "*.example.org" and "example.org/path*".
func shorthand(url string) (rest, match string) {
	if rest, ok := strings.CutPrefix(url, "*."); ok && rest != "" {
		return rest, "domain"
	}
	if rest, ok := strings.CutSuffix(url, "*"); ok {
		return rest, "prefix"
	}
	return url, "exact"
}

// next is the first key after all that begin with one.
func next(key urls.SURT) urls.SURT {
	last := len(key) - 1
	return key[:last] + urls.SURT([]byte{key[last] + 1})
}

var schemed = regexp.MustCompile(`^(?i:[a-z][a-z0-9+.-]*://|urn:|dns:|https?:/)`)

// withScheme adds the scheme that people leave out.
func withScheme(url string) string {
	if schemed.MatchString(url) {
		return url
	}
	return "http://" + url
}

// hostOf is the host that a URL is about, with its port if it has one, as the [Catalog] wants it:
// of urn:text:URL that of the URL. Where there is none it may be anywhere.
func hostOf(url string) (host string, below bool) {
	rest := url
	if name, ok := strings.CutPrefix(url, ownScheme); ok {
		if _, rest, ok = strings.Cut(name, ":"); !ok {
			return "", true
		}
	}
	if name, ok := strings.CutPrefix(url, "dns:"); ok {
		rest = "http://" + name + "/"
	}
	if after, ok := strings.CutPrefix(rest, "ws"); ok { // ws and wss are kept under their own address
		rest = "http" + after
	}
	host, _, ok := strings.Cut(string(urls.MakeSURT(rest)), ")/")
	if !ok {
		return "", true
	}
	return host, false
}
