package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// A facet is a fact about a capture that is indexed as if it were a word, so that SQLite
// intersects filters and words alike. The scanner never makes a word that begins as facets do,
// with a character for private use, so no text can pass for one.
const facetMark = "\uE000"

// The kinds of facets.
const (
	facetAll        = 'a'
	facetNamespace  = 'n'
	facetJob        = 'j'
	facetRun        = 'r'
	facetHost       = 'h'
	facetURL        = 'u'
	facetStatus     = 's'
	facetLanguage   = 'l'
	facetKind       = 'k'
	facetPartial    = 'p'
	facetIdentifier = 'i'
)

// facet is the term of a value: a hash, because values hold characters that separate words, and
// personal data should not stand in an index more often than it must.
func facet(kind byte, value string) string {
	sum := sha256.Sum256([]byte(value))
	return facetMark + string(kind) + hex.EncodeToString(sum[:8])
}

// document is what is indexed of a capture, as the columns of the full-text table.
type document struct {
	text, title, url, facets []byte
}

// newDocument follows from what is stored of a capture alone: what was indexed has to be named
// once more when it is removed.
func newDocument(run Run, p snapshot.Page, text string, identifiers []Meaning) document {
	d := document{text: appendWords(nil, text), title: appendWords(nil, p.Title), url: appendWords(nil, readable(p.URL))}
	if p.FinalURL != "" && p.FinalURL != p.URL {
		d.url = appendWords(d.url, readable(p.FinalURL))
	}
	for _, f := range facets(run, p, identifiers) {
		d.facets = append(append(d.facets, f...), ' ')
	}
	return d
}

// readable decodes the escapes of a URL for its words.
func readable(address string) string {
	if s, err := url.PathUnescape(address); err == nil {
		return s
	}
	return address
}

func facets(run Run, p snapshot.Page, identifiers []Meaning) []string {
	fs := []string{
		facet(facetAll, ""),
		facet(facetNamespace, run.Namespace),
		facet(facetJob, run.Job),
		facet(facetRun, run.UID),
		facet(facetKind, string(p.Kind)),
	}
	for _, address := range []string{p.URL, p.FinalURL} {
		if address == "" {
			continue
		}
		fs = append(fs, facet(facetURL, string(surt(address))))
		for _, h := range above(hostname(address)) {
			fs = append(fs, facet(facetHost, h))
		}
	}
	if p.Status != 0 {
		fs = append(fs, facet(facetStatus, strconv.Itoa(p.Status)), facet(facetStatus, statusClass(p.Status)))
	}
	if p.Language != "" {
		fs = append(fs, facet(facetLanguage, p.Language))
	}
	if p.Partial {
		fs = append(fs, facet(facetPartial, ""))
	}
	for _, m := range identifiers {
		fs = append(fs, identifierTerm(m))
	}
	slices.Sort(fs)
	return slices.Compact(fs)
}

func identifierTerm(m Meaning) string { return facet(facetIdentifier, m.As+":"+m.Value) }

// statusClass is the class of an HTTP status, such as 4xx.
func statusClass(status int) string { return strconv.Itoa(status/100) + "xx" }

// surt is what two writings of one address have in common: http and https, a www in front, the
// case of letters and the order of parameters make no difference.
func surt(address string) urls.SURT {
	if canonical, err := urls.Canonicalize(address); err == nil {
		address = canonical
	}
	return urls.MakeSURT(address)
}

// hostname is the host of a URL, empty where there is none.
func hostname(address string) string {
	parts, err := urls.Split(address)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(parts.Hostname, ".")
}

// above are a host and all domains that it is below.
func above(host string) []string {
	if host == "" {
		return nil
	}
	all := []string{host}
	if _, err := netip.ParseAddr(host); err == nil {
		return all
	}
	for {
		_, parent, ok := strings.Cut(host, ".")
		if !ok {
			return all
		}
		all, host = append(all, parent), parent
	}
}
