package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

const secret = "s3cr3t-0f-nobody"

// stored is a state file of two sites.
const stored = `{
 "cookies": [
  {"name":"session","value":"` + secret + `","domain":"members.example.org","path":"/","expires":-1,"httpOnly":true,"secure":true,"sameSite":"Lax"},
  {"name":"sso","value":"` + secret + `","domain":".Example.org","path":"/","expires":1900000000.5,"httpOnly":true,"secure":true,"sameSite":"None"},
  {"name":"old","value":"` + secret + `","domain":".example.org","path":"/","expires":1000,"httpOnly":false,"secure":false},
  {"name":"ad","value":"` + secret + `","domain":".tracker.example","path":"/","expires":1800000000,"httpOnly":false,"secure":true,
   "partitionKey":{"topLevelSite":"https://example.org","hasCrossSiteAncestor":true}}],
 "origins": [
  {"origin":"https://members.example.org","localStorage":[{"name":"token","value":"` + secret + `"}],"sessionStorage":[{"name":"tab","value":"` + secret + `"}],"indexedDB":[]},
  {"origin":"http://shop.example:8080","localStorage":[{"name":"cart","value":"` + secret + `"}]}]
}`

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	cookie := func(fields string) string {
		return `{"cookies":[{"name":"a","value":"` + secret + `","domain":"example.org","path":"/",` + fields + `"expires":-1}],"origins":[]}`
	}
	for name, tc := range map[string]struct{ reason, file, want string }{
		"Empty":       {"An empty file is a slip.", "", "no JSON"},
		"NotJSON":     {"What is read is not repeated.", secret, "no JSON from byte 1 on"},
		"CutOff":      {"Neither is what stands before the end.", stored[:200], "no JSON from byte 200 on"},
		"Type":        {"The place is named, not the value.", `{"cookies":[{"name":"a","value":12345678}]}`, "cookies.value has the wrong type"},
		"Nothing":     {"A state of nothing logs nobody in.", `{"cookies":[],"origins":[]}`, "neither cookies nor storage"},
		"NoDomain":    {"A cookie is of a host.", `{"cookies":[{"name":"a","value":"` + secret + `","path":"/"}]}`, "cookies[0]: domain is no host name"},
		"Path":        {"A path begins with a slash.", strings.Replace(cookie(""), `"/"`, `""`, 1), "cookies[0]: path"},
		"SameSite":    {"The words are those of the standard.", cookie(`"sameSite":"lax",`), "sameSite is none of"},
		"Scheme":      {"And those of Chrome.", cookie(`"sourceScheme":"https",`), "sourceScheme is none of"},
		"Port":        {"A port is a number up to 65535.", cookie(`"sourcePort":70000,`), "sourcePort is no port"},
		"ControlChar": {"Nothing may be smuggled into a header.", strings.Replace(cookie(""), secret, `x\r\ny`, 1), "a character that no cookie may have"},
		"Origin":      {"A path is no part of an origin.", `{"origins":[{"origin":"https://example.org/"}]}`, "origins[0]: origin is not of the form"},
		"Twice":       {"Which of two would count?", `{"origins":[{"origin":"https://a.example"},{"origin":"https://a.example"}]}`, "origins[1]: it is there twice"},
		"Large":       {"Every string is bounded.", strings.Repeat(" ", MaxState+1), "at most 1048576"},
		"LongCookie":  {"Chrome would refuse it.", strings.Replace(cookie(""), secret, strings.Repeat("x", 4096), 1), "longer than 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.file))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%s\ngot %v, want %q", tc.reason, err, tc.want)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "12345678") {
				t.Errorf("the error tells a value: %v", err)
			}
		})
	}
}

func TestFor(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"example.org", "members.example.org", "shop.example", "tracker.example"}, s.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for name, tc := range map[string]struct {
		reason string
		hosts  []string
		want   []string
	}{
		"Domain":    {"A host is given with its subdomains.", []string{"example.org"}, []string{"session members.example.org", "sso .example.org", "old .example.org", "https://members.example.org"}},
		"Subdomain": {"A cookie that is for more is narrowed.", []string{"members.example.org"}, []string{"session members.example.org", "sso .members.example.org", "old .members.example.org", "https://members.example.org"}},
		"Sibling":   {"Another subdomain gets no host's own cookie.", []string{"www.example.org"}, []string{"sso .www.example.org", "old .www.example.org"}},
		"Port":      {"A port makes no other host.", []string{"shop.example"}, []string{"http://shop.example:8080"}},
		"Suffix":    {"Names are compared by labels.", []string{"ample.org", "op.example"}, nil},
	} {
		var got []string
		narrow := s.For(tc.hosts)
		for _, c := range narrow.Cookies {
			got = append(got, c.Name+" "+c.Domain)
		}
		for _, o := range narrow.Origins {
			got = append(got, o.Origin)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
	}
	if s.Cookies[1].Domain != ".example.org" {
		t.Errorf("narrowing has changed the state itself: %s", s.Cookies[1].Domain)
	}
}

func TestCoversURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://members.example.org/x": true, "wss://EXAMPLE.org:8443/": true, "https://example.org/100%-cotton": true,
		"https://ample.org/": false, "data:,example.org": false,
	} {
		if got := CoversURL([]string{"example.org"}, address); got != want {
			t.Errorf("%s is covered: %v, want %v", address, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Summary(time.Unix(1750000000, 0))
	want := Summary{Cookies: 4, Expired: 1, SessionCookies: 1, Origins: 2, Earliest: time.Unix(1800000000, 0).UTC(), Latest: time.Unix(1900000000, 0).UTC()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	dead := &State{Cookies: []Cookie{{Name: "a", Domain: "a.example", Path: "/", Expires: 10}}}
	if got := dead.Summary(time.Unix(11, 0)); !got.Over || dead.Summary(time.Unix(9, 0)).Over {
		t.Errorf("a state all of whose cookies have ended is %+v", got)
	}
}

// TestNothingIsPrinted formats and logs what holds secrets in every way that a slip would.
func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	p, err := New("board", "uid", []byte(stored), nil, LoginCheck{})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("x", "profile", p, "value", *p, "state", p.State, "pointer", &p.State)
	}
	for _, v := range []any{p, *p, p.State, &p.State, p.State.Cookies, p.State.Cookies[0], p.State.Origins, p.State.Origins[0], struct{ P *Profile }{p}} {
		fmt.Fprintf(&log, "%v %+v %#v %s", v, v, v, v)
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("a value is printed:\n%s", log.String())
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := Recipients(" " + key.Recipient().String() + ",\n")
	if err != nil || len(recipients) != 1 {
		t.Fatalf("%d recipients, %v", len(recipients), err)
	}
	identities, err := Identities(strings.NewReader("# created: today\n" + key.String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New("board", "uid", []byte(stored), []string{"example.org"}, LoginCheck{LoggedOutURL: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal(p, recipients)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), secret) || strings.Contains(string(sealed), "session") {
		t.Error("the sealed profile can be read")
	}
	got, err := Open(sealed, identities)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("(-sealed +opened):\n%s", diff)
	}
	if len(got.State.Cookies) != 3 || got.SHA256 != Digest([]byte(stored)) {
		t.Errorf("it holds %v with digest %s", got.State, got.SHA256)
	}
	if _, err := Open(sealed, []age.Identity{other}); !errors.Is(err, ErrKey) {
		t.Errorf("with another key the error is %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := Open(sealed, identities); err == nil {
		t.Error("a changed byte was not noticed")
	}
	p.State.Origins[0].LocalStorage[0].Value = strings.Repeat("x", MaxSealed)
	if _, err := Seal(p, recipients); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large state: %v", err)
	}
}

func TestKeysAreNotRepeated(t *testing.T) {
	t.Parallel()
	if _, err := Recipients("nonsense"); err == nil || !strings.Contains(err.Error(), "age1") {
		t.Errorf("recipients: %v", err)
	}
	if r, err := Recipients(" \n"); err != nil || r != nil {
		t.Errorf("no recipients: %v, %v", r, err)
	}
	if _, err := Identities(strings.NewReader("AGE-SECRET-KEY-1" + secret)); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("identities: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New("board", "", []byte(stored), []string{"other.example"}, LoginCheck{}); err == nil || !strings.Contains(err.Error(), "nothing for other.example") {
		t.Errorf("a state for other hosts: %v", err)
	}
	if _, err := New("board", "", []byte(stored), nil, LoginCheck{LoggedOutURL: "("}); err == nil || !strings.Contains(err.Error(), "urlPattern") {
		t.Errorf("a pattern that is none: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(stored))
	f.Add([]byte(`{"origins":[{"origin":"https://[::1]:80"}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Parse(file)
		if err != nil {
			return
		}
		s.Summary(time.Unix(0, 0))
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxState {
			return
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("what was taken is refused when it is written again: %v", err)
		}
		hosts := s.Hosts()
		if narrow := s.For(hosts); len(narrow.Cookies) < len(s.Cookies) || len(narrow.Origins) < len(s.Origins) {
			t.Fatalf("of %v %v is for its own hosts %q", s, narrow, hosts)
		}
	})
}
