// Package profile is the format of stored browser state: the cookies and the web
// storage that a person's log-in left behind, which a crawl begins its visits with.
//
// A [State] is what a file state.json holds. It is the storage state of Playwright
// (https://playwright.dev/docs/api/class-browsercontext#browser-context-storage-state)
// with sessionStorage and a few facts about cookies added, so that files of either kind
// can be read. IndexedDB and the Cache API are no part of it.
//
// A [Profile] is a state together with what it is for. [Seal] encrypts one to the workers
// (age, https://age-encryption.org/v1), [Open] is the other end: in between there is
// nothing to read for those who see the workflows or the store.
//
// Whoever holds a state is logged in. So nothing in this package prints a value: the
// types say how many of what they hold when they are formatted or logged, and errors
// name places and never contents.
package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// StateKey is the name of the state in a Secret.
const StateKey = "state.json"

// The bounds of a state.
const (
	// MaxState is the size of a state file in bytes, that of a Secret.
	MaxState   = 1 << 20
	maxCookies = 4096
	maxOrigins = 1024
	maxItems   = 4096 // of one origin's storage
	// maxCookie is what Chrome takes as name and value together (RFC 6265bis, 5.6).
	maxCookie = 4096
)

// State is stored browser state.
type State struct {
	Cookies []Cookie `json:"cookies"`
	Origins []Origin `json:"origins"`
}

// Cookie is one cookie. The zero value of a field that may be left out means that it was.
type Cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Domain is the host that set it; with a dot in front it is for subdomains too.
	Domain string `json:"domain"`
	Path   string `json:"path"`
	// Expires is in seconds since 1970, negative or 0 for a cookie that lasts as long as
	// the browser runs.
	Expires  float64 `json:"expires"`
	HTTPOnly bool    `json:"httpOnly"`
	Secure   bool    `json:"secure"`
	// SameSite is Strict, Lax, None or empty.
	SameSite string `json:"sameSite,omitempty"`
	// SourceScheme and SourcePort say where it was set, in the words of Chrome.
	SourceScheme string `json:"sourceScheme,omitempty"`
	SourcePort   int    `json:"sourcePort,omitempty"`
	// PartitionKey is set of a cookie that is kept for one embedding site (CHIPS).
	PartitionKey *PartitionKey `json:"partitionKey,omitempty"`
}

// PartitionKey says for which embedding site a cookie is.
type PartitionKey struct {
	TopLevelSite         string `json:"topLevelSite"`
	HasCrossSiteAncestor bool   `json:"hasCrossSiteAncestor"`
}

// Origin is the web storage of one origin.
type Origin struct {
	// Origin is scheme://host, with the port where it is not the scheme's own.
	Origin         string `json:"origin"`
	LocalStorage   []Item `json:"localStorage,omitempty"`
	SessionStorage []Item `json:"sessionStorage,omitempty"`
}

// Item is one entry of a storage.
type Item struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Parse reads a state file and checks it. Its errors say where something is wrong,
// without what stands there.
func Parse(data []byte) (*State, error) {
	if len(data) > MaxState {
		return nil, fmt.Errorf("it is %d bytes, at most %d are taken", len(data), MaxState)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, unspoken(err)
	}
	for i := range s.Cookies {
		s.Cookies[i].Domain = strings.ToLower(s.Cookies[i].Domain)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &s, nil
}

// unspoken is a decoder's error without what it found: that may be part of a value.
func unspoken(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("field %s has the wrong type, at byte %d", kind.Field, kind.Offset)
	}
	return errors.New(`it is no JSON of the form {"cookies": [...], "origins": [...]}`)
}

func (s *State) check() error {
	switch {
	case len(s.Cookies) > maxCookies:
		return fmt.Errorf("it has %d cookies, at most %d are taken", len(s.Cookies), maxCookies)
	case len(s.Origins) > maxOrigins:
		return fmt.Errorf("it has %d origins, at most %d are taken", len(s.Origins), maxOrigins)
	case len(s.Cookies) == 0 && len(s.Origins) == 0:
		return errors.New("it holds neither cookies nor storage")
	}
	for i := range s.Cookies {
		if err := s.Cookies[i].check(); err != nil {
			return fmt.Errorf("cookies[%d]: %w", i, err)
		}
	}
	seen := map[string]bool{}
	for i := range s.Origins {
		if err := s.Origins[i].check(); err != nil {
			return fmt.Errorf("origins[%d]: %w", i, err)
		}
		if seen[s.Origins[i].Origin] {
			return fmt.Errorf("origins[%d]: it is there twice", i)
		}
		seen[s.Origins[i].Origin] = true
	}
	return nil
}

func (c *Cookie) check() error {
	switch {
	case len(c.Name)+len(c.Value) > maxCookie:
		return fmt.Errorf("name and value are longer than %d bytes", maxCookie)
	case c.Name == "" && c.Value == "":
		return errors.New("it has neither a name nor a value")
	case strings.ContainsFunc(c.Name+c.Value, control) || strings.ContainsAny(c.Name, "=;") || strings.Contains(c.Value, ";"):
		return errors.New("name or value has a character that no cookie may have")
	case !validHost(strings.TrimPrefix(c.Domain, ".")):
		return errors.New("domain is no host name")
	case c.Path == "" || c.Path[0] != '/' || strings.ContainsFunc(c.Path, control) || strings.Contains(c.Path, ";"):
		return errors.New("path does not begin with a slash, or has a character that no path may have")
	case !slices.Contains([]string{"", "Strict", "Lax", "None"}, c.SameSite):
		return errors.New("sameSite is none of Strict, Lax and None")
	case !slices.Contains([]string{"", "Unset", "NonSecure", "Secure"}, c.SourceScheme):
		return errors.New("sourceScheme is none of Unset, NonSecure and Secure")
	case c.SourcePort < -1 || c.SourcePort > 65535:
		return errors.New("sourcePort is no port")
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func (o *Origin) check() error {
	if _, err := hostOf(o.Origin); err != nil {
		return err
	}
	for kind, items := range map[string][]Item{"localStorage": o.LocalStorage, "sessionStorage": o.SessionStorage} {
		if len(items) > maxItems {
			return fmt.Errorf("%s has %d entries, at most %d are taken", kind, len(items), maxItems)
		}
	}
	return nil
}

// Session reports whether the cookie ends with the browser.
func (c *Cookie) Session() bool { return c.Expires <= 0 }

// Expired reports whether the cookie is over.
func (c *Cookie) Expired(now time.Time) bool { return !c.Session() && !c.expires().After(now) }

func (c *Cookie) expires() time.Time {
	// A year that does not fit, as 400 days and far more are written by some tools.
	const latest = 253402300799 // 9999-12-31T23:59:59Z
	return time.Unix(int64(min(c.Expires, latest)), 0).UTC()
}

// String says which cookie it is, without its value.
func (c Cookie) String() string { return "cookie " + c.Name + " of " + c.Domain }

// GoString is String.
func (c Cookie) GoString() string { return c.String() }

// String says which entry it is, without its value.
func (i Item) String() string { return "entry " + i.Name }

// GoString is String.
func (i Item) GoString() string { return i.String() }

// String counts what the state holds.
func (s State) String() string {
	return fmt.Sprintf("%d cookies, storage of %d origins", len(s.Cookies), len(s.Origins))
}

// GoString is String.
func (s State) GoString() string { return s.String() }

// LogValue is String, for slog, which would write JSON otherwise.
func (s State) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Digest is the SHA-256 in hex of a state file, as sha256sum gives it: what records say
// of the state that was used.
func Digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// Summary is what may be told of a state.
type Summary struct {
	// Cookies is how many there are, Expired how many of them are over.
	Cookies, Expired int
	// SessionCookies last as long as the server remembers: no date says when they end.
	SessionCookies int
	// Origins have web storage.
	Origins int
	// Earliest is when the first of the cookies ends that are not over, Latest when the
	// last does; zero when none has a date.
	Earliest, Latest time.Time
	// Over is set when every cookie has a date that has passed and there is no storage.
	Over bool
}

// Summary sums a state up.
func (s *State) Summary(now time.Time) Summary {
	sum := Summary{Cookies: len(s.Cookies), Origins: len(s.Origins)}
	for i := range s.Cookies {
		c := &s.Cookies[i]
		switch {
		case c.Session():
			sum.SessionCookies++
			continue
		case c.Expired(now):
			sum.Expired++
		case sum.Earliest.IsZero() || c.expires().Before(sum.Earliest):
			sum.Earliest = c.expires()
		}
		if c.expires().After(sum.Latest) {
			sum.Latest = c.expires()
		}
	}
	sum.Over = sum.Cookies > 0 && sum.Expired == sum.Cookies && sum.Origins == 0
	return sum
}
