// Package urls is the fleet's one answer to "are these two URLs the same?".
//
// Three notions of identity are needed and must not be mixed up:
//
//   - [Canonicalize] is the frontier's: the URL that a browser would ask for,
//     written in one way. It follows the WHATWG URL Standard for http and https
//     (https://url.spec.whatwg.org/), as browsers do and net/url does not, and
//     then the normalisations of RFC 3986 section 6.2.2 that change no meaning.
//     The order of query parameters, letter case of the path, "www." and trailing
//     slashes are kept: a server may tell them apart.
//   - [MakeSURT] is the archive index's: lossy on purpose, so that near variants
//     of a URL lie side by side in a CDXJ file.
//   - [PolitenessKey] and [RegistrableHost] are the unit of politeness: who owns
//     the machine that we burden.
package urls

import "strings"

// Canonicalize returns the one spelling of an http or https URL: scheme and
// host in lower case, the host as ASCII (IDNA, UTS 46) or as a canonical
// address, the scheme's own port and the fragment removed, dot segments
// resolved, percent-encoding normalised (upper-case digits, unreserved
// characters decoded, what must be encoded encoded), an empty path as "/". The
// query is kept in its order.
//
// Like a browser it forgives white space around the URL, backslashes and
// missing or superfluous slashes after the scheme. It does not guess a scheme.
// The error is an [*Error]. Canonicalize is idempotent.
func Canonicalize(raw string) (string, error) { return canonicalize("", raw) }

// Resolve returns the canonical form of a reference found on the page base,
// such as a link's href. The base must be an absolute http or https URL. The
// error is an [*Error].
func Resolve(base, ref string) (string, error) { return canonicalize(base, ref) }

// Follow is Resolve that leaves escapes as they are written: the address that a
// browser asks for next. The error is an [*Error].
func Follow(base, ref string) (string, error) { return follow(base, ref) }

// Parts are those of an address that a browser takes.
type Parts struct {
	Scheme string // "http", "https", "ws" or "wss"
	// Host is Hostname with the port, unless that is the scheme's own; an IPv6
	// address is in brackets.
	Host     string
	Hostname string // ASCII in lower case, an IPv6 address without brackets
	Port     string // the scheme's own where none is written
	Path     string // begins with "/"
	// Target is the path and the query, as HTTP (RFC 9112 section 3.2.1) and
	// robots.txt see them.
	Target string
}

// Split takes an absolute address of http, https or a socket of either apart, of any
// length. Like a browser, and unlike net/url, it takes a "%" that starts no escape. A
// user name or password is left out. The error is an [*Error].
func Split(address string) (Parts, error) { return split(address) }

// SURT is a URL's key in an index, in the Sort-friendly URI Reordering
// Transform: "com,example)/path?a=1&b=2".
type SURT string

// MakeSURT returns the key under which web archive tools index and look up a
// URL in CDXJ files. It does what getSurt of warcio.js 2.4 does, because that is
// what ReplayWeb.page (wabac.js) looks up: the URL in lower case, without the
// scheme, without "www." or "www2." at the front, the host's labels reversed,
// the port if it is not the scheme's own, the query's parameters sorted. (The
// text of the CDXJ specification 0.1.0 keeps "www."; its implementations do
// not.) URLs of other schemes, such as "urn:pageinfo:…", are their own key, and
// so is what is not a URL at all: every record can be indexed.
func MakeSURT(raw string) SURT { return makeSURT(raw) }

// RegistrableHost returns the domain that its owner registered, such as
// "example.co.uk" for "shop.example.co.uk:8080", by the public suffix list with
// its private part: two customers of one hosting provider are two owners. Hosts
// without an owner above them, which are addresses, names of one label and
// public suffixes, are themselves, with the port if there is one.
func RegistrableHost(host string) string { return registrableHost(host) }

// PolitenessKey returns the unit that one page load at a time is made for: the
// registrable host of the URL, or host:port (with the scheme's own port filled
// in) for addresses and single-label names, where different ports are often
// different sites. The error is an [*Error].
func PolitenessKey(raw string) (string, error) { return politenessKey(raw) }

// Origin returns the URL's origin, such as "https://example.org" or
// "http://127.0.0.1:8080" (RFC 6454 section 6.1). The error is an [*Error].
func Origin(raw string) (string, error) { return origin(raw) }

// WithoutFragment is an address as it is asked for: the fragment is the client's own
// (RFC 3986 section 3.5). Anything that is no address comes back up to its first "#".
func WithoutFragment(address string) string {
	address, _, _ = strings.Cut(address, "#")
	return address
}
