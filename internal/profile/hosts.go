package profile

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// validHost reports whether a name is a host name in lower case or an IP address,
// without a port.
func validHost(name string) bool {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	if name == "" || len(name) > 253 || strings.HasSuffix(name, ".") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

// hostOf is the host of an origin, without its port.
func hostOf(origin string) (string, error) {
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin || !validHost(u.Hostname()) {
		return "", errors.New("origin is not of the form https://host or https://host:port in lower case")
	}
	return u.Hostname(), nil
}

// Covers reports whether a host is one of some hosts or a subdomain of one.
func Covers(hosts []string, host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(hosts, func(h string) bool { return host == h || strings.HasSuffix(host, "."+h) })
}

// CoversURL is Covers for the host of an address.
func CoversURL(hosts []string, address string) bool {
	u, err := urls.Split(address)
	return err == nil && Covers(hosts, u.Hostname)
}

// Hosts are the hosts that the state itself names, sorted.
func (s *State) Hosts() []string {
	var hosts []string
	for _, c := range s.Cookies {
		hosts = append(hosts, strings.TrimPrefix(c.Domain, "."))
	}
	for _, o := range s.Origins {
		if h, err := hostOf(o.Origin); err == nil { // Parse has checked it
			hosts = append(hosts, h)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// Of is what of the state is of one host alone.
func (s *State) Of(host string) *State {
	own := &State{}
	for _, c := range s.Cookies {
		if strings.TrimPrefix(c.Domain, ".") == host {
			own.Cookies = append(own.Cookies, c)
		}
	}
	for _, o := range s.Origins {
		if h, err := hostOf(o.Origin); err == nil && h == host {
			own.Origins = append(own.Origins, o)
		}
	}
	return own
}

// For is what of the state is for some hosts and their subdomains. A cookie that is also
// for hosts beside them, because its domain is wider, is narrowed to them.
func (s *State) For(hosts []string) *State {
	narrow := &State{Cookies: []Cookie{}, Origins: []Origin{}}
	for _, c := range s.Cookies {
		domain, wide := strings.CutPrefix(c.Domain, ".")
		switch {
		case Covers(hosts, domain):
			narrow.Cookies = append(narrow.Cookies, c)
		case wide:
			for _, h := range hosts {
				if strings.HasSuffix(h, "."+domain) {
					c.Domain = "." + h
					narrow.Cookies = append(narrow.Cookies, c)
				}
			}
		}
	}
	for _, o := range s.Origins {
		if h, err := hostOf(o.Origin); err == nil && Covers(hosts, h) {
			narrow.Origins = append(narrow.Origins, o)
		}
	}
	return narrow
}
