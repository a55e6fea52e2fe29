package urls

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCanonicalize(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		raw    string
		want   string
	}{
		"Plain":            {"A canonical URL stays.", "https://example.org/a?b=c", "https://example.org/a?b=c"},
		"EmptyPath":        {"The empty path is the root.", "https://example.org", "https://example.org/"},
		"EmptyPathQuery":   {"The empty path before a query is the root.", "https://example.org?q", "https://example.org/?q"},
		"LetterCase":       {"Scheme and host have no case, the path has.", "HTTPS://Example.ORG/Path", "https://example.org/Path"},
		"DefaultPort":      {"The scheme's own port is not written.", "http://example.org:80/", "http://example.org/"},
		"DefaultPortTLS":   {"The scheme's own port is not written.", "https://example.org:0443/", "https://example.org/"},
		"OtherPort":        {"Another port is.", "https://example.org:80/", "https://example.org:80/"},
		"EmptyPort":        {"A colon without port is no port.", "https://example.org:/", "https://example.org/"},
		"Fragment":         {"Fragments are not sent to servers.", "https://example.org/a#b?c", "https://example.org/a"},
		"FragmentAtHost":   {"A fragment ends the host.", "https://example.org#b", "https://example.org/"},
		"DotSegments":      {"Dot segments are resolved.", "https://example.org/a/./b/../c/%2e%2E/d/.", "https://example.org/a/d/"},
		"DotsAboveRoot":    {"There is nothing above the root.", "https://example.org/../../a", "https://example.org/a"},
		"DoubleSlash":      {"Empty segments are kept: servers tell them apart.", "https://example.org//a//b/", "https://example.org//a//b/"},
		"Backslash":        {"Browsers read a backslash as a slash.", `https:\\example.org\a\b?c\d`, `https://example.org/a/b?c\d`},
		"NoSlashes":        {"Browsers forgive missing slashes.", "https:example.org/a", "https://example.org/a"},
		"ManySlashes":      {"Browsers forgive too many slashes.", "https:////example.org/a", "https://example.org/a"},
		"WhiteSpace":       {"White space around is trimmed, line breaks are dropped.", " \thttps://exam\nple.org/a b ", "https://example.org/a%20b"},
		"EscapeCase":       {"Escapes are written in upper case.", "https://example.org/%c3%a9?x=%c3", "https://example.org/%C3%A9?x=%C3"},
		"EscapeUnreserved": {"Unreserved characters need no escape.", "https://example.org/%7Euser/%41?%2d=%5F", "https://example.org/~user/A?-=_"},
		"EscapeReserved":   {"Reserved characters keep theirs.", "https://example.org/a%2Fb?c%26d", "https://example.org/a%2Fb?c%26d"},
		"BrokenEscape":     {"What is not an escape is left, with all around it.", "https://example.org/100%/%%34%31", "https://example.org/100%/%%34%31"},
		"NonASCII":         {"Letters are encoded as UTF-8.", "https://example.org/é?ü=ß", "https://example.org/%C3%A9?%C3%BC=%C3%9F"},
		"InvalidUTF8":      {"What is not UTF-8 is replaced, as in a browser.", "https://example.org/\xff", "https://example.org/%EF%BF%BD"},
		"Quote":            {"A quote is encoded in the query, not in the path.", "https://example.org/it's?it's", "https://example.org/it's?it%27s"},
		"EmptyQuery":       {"A question mark alone is sent by browsers.", "https://example.org/?", "https://example.org/?"},
		"QueryOrder":       {"The order of parameters means something to servers.", "https://example.org/?b=1&a=2&&", "https://example.org/?b=1&a=2&&"},
		"IDNA":             {"Names are written in ASCII.", "https://Bücher.example/", "https://xn--bcher-kva.example/"},
		"IDNASharpS":       {"Nontransitional processing keeps the sharp s.", "https://faß.example/", "https://xn--fa-hia.example/"},
		"IDNADot":          {"The ideographic full stop separates labels.", "https://例え。example/", "https://xn--r8jz45g.example/"},
		"HostEscape":       {"Escapes in a host are decoded.", "https://ex%61mple.org/", "https://example.org/"},
		"Underscore":       {"Names with underscores exist.", "https://my_shop.example.org/", "https://my_shop.example.org/"},
		"TrailingDot":      {"A name with a trailing dot is another host to browsers.", "https://example.org./", "https://example.org./"},
		"DecimalIPv4":      {"Addresses are written one way.", "http://2130706433/", "http://127.0.0.1/"},
		"OctalIPv4":        {"Addresses are written one way.", "http://0177.0.0.0x1/", "http://127.0.0.1/"},
		"ShortIPv4":        {"Addresses are written one way.", "http://127.1/", "http://127.0.0.1/"},
		"IPv6":             {"Addresses are written one way.", "http://[2001:DB8:0:0::0001]:8080/", "http://[2001:db8::1]:8080/"},
		"IPv6Mapped":       {"The standard has no dotted form.", "http://[::ffff:10.0.0.1]/", "http://[::ffff:a00:1]/"},
		"IPv6Middle":       {"The longest run of zeros is shortened.", "http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/"},
		"EmptyUser":        {"No user name at all is fine.", "http://@example.org/", "http://example.org/"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Canonicalize(tc.raw)
			if err != nil {
				t.Fatalf("\n%s\nCanonicalize(%q): %v", tc.reason, tc.raw, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nCanonicalize(%q): -want, +got:\n%s", tc.reason, tc.raw, diff)
			}
		})
	}
}

func TestCanonicalizeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		raw, reason, scheme string
	}{
		"Empty":          {raw: " ", reason: ReasonEmpty},
		"FragmentOnly":   {raw: "#top", reason: ReasonEmpty},
		"NoScheme":       {raw: "//example.org/", reason: ReasonRelative},
		"NoSchemePath":   {raw: "/a", reason: ReasonRelative},
		"HostWithPort":   {raw: "localhost:8080/a", reason: ReasonScheme, scheme: "localhost"},
		"Mail":           {raw: "mailto:info@example.org", reason: ReasonScheme, scheme: "mailto"},
		"Telephone":      {raw: "TEL:+1-555-0100", reason: ReasonScheme, scheme: "tel"},
		"Script":         {raw: "java\nscript:alert(1)", reason: ReasonScheme, scheme: "javascript"},
		"File":           {raw: "file:///etc/passwd", reason: ReasonScheme, scheme: "file"},
		"NoHost":         {raw: "https://", reason: ReasonHost},
		"NoHostPort":     {raw: "https://:80/", reason: ReasonHost},
		"SpaceInHost":    {raw: "https://exa mple.org/", reason: ReasonHost},
		"EscapedSlash":   {raw: "https://exa%2Fmple.org/", reason: ReasonHost},
		"BadIPv4":        {raw: "https://256.0.0.1/", reason: ReasonHost},
		"FiveParts":      {raw: "https://1.2.3.4.5/", reason: ReasonHost},
		"NameThenNumber": {raw: "https://example.0x1/", reason: ReasonHost},
		"BadIPv6":        {raw: "https://[::1/", reason: ReasonHost},
		"IPv6Zone":       {raw: "https://[fe80::1%25eth0]/", reason: ReasonHost},
		"BadPunycode":    {raw: "https://xn--0/", reason: ReasonHost},
		"Port":           {raw: "https://example.org:65536/", reason: ReasonPort},
		"PortName":       {raw: "https://example.org:http/", reason: ReasonPort},
		"PortSign":       {raw: "https://example.org:+80/", reason: ReasonPort},
		"Credentials":    {raw: "https://ada:secret@example.org/", reason: ReasonCredentials},
		"Long":           {raw: "https://example.org/" + strings.Repeat("a", MaxLength), reason: ReasonTooLong},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Canonicalize(tc.raw)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Canonicalize(%q): got %q, %v; want an *Error", tc.raw, got, err)
			}
			if e.Reason != tc.reason || e.Scheme != tc.scheme {
				t.Errorf("Canonicalize(%q): got reason %q, scheme %q; want %q, %q (%v)", tc.raw, e.Reason, e.Scheme, tc.reason, tc.scheme, err)
			}
			if strings.Contains(err.Error(), "secret") || len(err.Error()) > 500 {
				t.Errorf("Canonicalize(%q): error tells too much: %v", tc.raw, err)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const base = "https://example.org/a/b?q=1"
	cases := map[string]struct{ base, ref, want string }{
		"Absolute":       {base, "http://other.example/x", "http://other.example/x"},
		"SchemeRelative": {base, "//other.example/x", "https://other.example/x"},
		"Backslashes":    {base, `\\other.example\x`, "https://other.example/x"},
		"Root":           {base, "/x", "https://example.org/x"},
		"Sibling":        {base, "c", "https://example.org/a/c"},
		"Up":             {base, "../c", "https://example.org/c"},
		"Query":          {base, "?r=2", "https://example.org/a/b?r=2"},
		"Fragment":       {base, "#top", base},
		"Empty":          {base, "", base},
		"DropsQuery":     {base, "./", "https://example.org/a/"},
		"SchemeOnly":     {base, "https:c", "https://example.org/a/c"},
		"SchemeOnlyHTTP": {base, "http:c/d", "http://c/d"},
		"Dir":            {"https://example.org/a/", "b", "https://example.org/a/b"},
		"ColonInPath":    {base, "./x:y", "https://example.org/a/x:y"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Resolve(tc.base, tc.ref)
			if err != nil || got != tc.want {
				t.Errorf("Resolve(%q, %q): got %q, %v; want %q", tc.base, tc.ref, got, err, tc.want)
			}
		})
	}
	for _, tc := range [][2]string{{base, "mailto:info@example.org"}, {"/a", "b"}, {base, "x:y"}} {
		if got, err := Resolve(tc[0], tc[1]); err == nil {
			t.Errorf("Resolve(%q, %q): got %q; want an error", tc[0], tc[1], got)
		}
	}
}

func TestMakeSURT(t *testing.T) {
	t.Parallel()
	// The wanted keys are what warcio.js makes; test/formats asks it for more.
	cases := map[string]SURT{
		"https://www.example.org/index.html":   "org,example)/index.html",
		"http://WWW2.Example.org":              "org,example)/",
		"https://wwwx.example.org/":            "org,example,wwwx)/",
		"https://example.org:8080/A?b=2&a=1&B": "org,example:8080)/a?a=1&b&b=2",
		"https://example.org:443/?":            "org,example)/",
		"http://127.0.0.1:9/":                  "1,0,0,127:9)/",
		"http://[::1]/":                        "[::1])/",
		"https://example.org/%C3%89?é":         "org,example)/%c3%89?%C3%A9",
		"https://ada:x@example.org/":           "org,example)/",
		"https://bücher.example/":              "example,xn--bcher-kva)/",
		"https://example.org/100%-cotton":      "org,example)/100%-cotton",
		"urn:pageinfo:https://example.org/A b": "urn:pageinfo:https://example.org/A%20b",
		"dns:example.org":                      "dns:example.org",
		"wss://example.org/ws":                 "wss://example.org/ws",
		"https://":                             "https://",
		"not a\nurl":                           "not%20a%0Aurl",
	}
	for raw, want := range cases {
		if got := MakeSURT(raw); got != want {
			t.Errorf("MakeSURT(%q): got %q; want %q", raw, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, address string
		want            Parts
	}{
		"Plain":     {"All parts.", "https://Shop.example.org:8443/a?b#c", Parts{"https", "shop.example.org:8443", "shop.example.org", "8443", "/a", "/a?b"}},
		"Bare":      {"The least there is.", "http://example.org", Parts{"http", "example.org", "example.org", "80", "/", "/"}},
		"Percent":   {"A sign that starts no escape is one of the path.", "http://example.org/100%-cotton?5%", Parts{"http", "example.org", "example.org", "80", "/100%-cotton", "/100%-cotton?5%"}},
		"Escapes":   {"Escapes stay as they are written.", "http://example.org/%7eada", Parts{"http", "example.org", "example.org", "80", "/%7eada", "/%7eada"}},
		"OwnPort":   {"The scheme's own port is not written.", "https://example.org:443/", Parts{"https", "example.org", "example.org", "443", "/", "/"}},
		"IPv6":      {"Brackets are of the host.", "http://[2001:DB8::1]:81/", Parts{"http", "[2001:db8::1]:81", "2001:db8::1", "81", "/", "/"}},
		"Socket":    {"Sockets have the ports of what carries them.", "WSS://example.org:443/s?x", Parts{"wss", "example.org", "example.org", "443", "/s", "/s?x"}},
		"OpenWS":    {"Sockets have the ports of what carries them.", "ws://example.org/", Parts{"ws", "example.org", "example.org", "80", "/", "/"}},
		"Password":  {"A password is left out.", "https://ada:secret@example.org/", Parts{"https", "example.org", "example.org", "443", "/", "/"}},
		"LongQuery": {"What a browser asks for may be long.", "http://a.test/?" + strings.Repeat("x", MaxLength), Parts{"http", "a.test", "a.test", "80", "/", "/?" + strings.Repeat("x", MaxLength)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Split(tc.address)
			if err != nil {
				t.Fatalf("\n%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
	for _, address := range []string{"", "/a", "data:,x", "http://", "ws://", "http://a b/", "about:blank"} {
		if got, err := Split(address); err == nil {
			t.Errorf("Split(%q): got %+v, want an error", address, got)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"%7eada":                       "https://example.org/a/%7eada",
		"100%":                         "https://example.org/a/100%",
		"//Other.example/x#y":          "https://other.example/x",
		"?":                            "https://example.org/a/100%-cotton?",
		"https://example.org:443/a/..": "https://example.org/",
	}
	for ref, want := range cases {
		if got, err := Follow("https://example.org/a/100%-cotton?b", ref); err != nil || got != want {
			t.Errorf("Follow(%q): got %q, %v; want %q", ref, got, err, want)
		}
	}
	if got, err := Follow("https://example.org/", "mailto:a@example.org"); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

func TestPoliteness(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ key, origin string }{
		"https://shop.example.co.uk/a":   {"example.co.uk", "https://shop.example.co.uk"},
		"https://shop.example.co.uk:444": {"example.co.uk", "https://shop.example.co.uk:444"},
		"https://Example.org./":          {"example.org", "https://example.org."},
		"https://ada.github.io/":         {"ada.github.io", "https://ada.github.io"},
		"https://github.io/":             {"github.io", "https://github.io"},
		"http://127.0.0.1:8080/":         {"127.0.0.1:8080", "http://127.0.0.1:8080"},
		"http://127.0.0.1/":              {"127.0.0.1:80", "http://127.0.0.1"},
		"https://[::1]/":                 {"[::1]:443", "https://[::1]"},
		"http://localhost:3000/":         {"localhost:3000", "http://localhost:3000"},
		"http://board/":                  {"board:80", "http://board"},
	}
	for raw, want := range cases {
		key, err := PolitenessKey(raw)
		if err != nil || key != want.key {
			t.Errorf("PolitenessKey(%q): got %q, %v; want %q", raw, key, err, want.key)
		}
		o, err := Origin(raw)
		if err != nil || o != want.origin {
			t.Errorf("Origin(%q): got %q, %v; want %q", raw, o, err, want.origin)
		}
	}
	for host, want := range map[string]string{
		"a.b.example.com:8443": "example.com",
		"localhost:8080":       "localhost:8080",
		"192.0.2.1:80":         "192.0.2.1:80",
		"[2001:db8::1]:80":     "[2001:db8::1]:80",
		"co.uk":                "co.uk",
		"..":                   "..",
	} {
		if got := RegistrableHost(host); got != want {
			t.Errorf("RegistrableHost(%q): got %q; want %q", host, got, want)
		}
	}
	if _, err := PolitenessKey("mailto:info@example.org"); err == nil {
		t.Error("PolitenessKey of a mail address: want an error")
	}
}

func FuzzCanonicalize(f *testing.F) {
	for _, s := range []string{
		"https://example.org/a/../b?c#d", "http://0x7f.1/", "http://[::1]:80", `http:\\a\..\%2e%2E`,
		"https://Bücher.example/%zz?%41", "https://a@b@c:1/", "//x", "HTTP:x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := Canonicalize(raw)
		if err != nil {
			return
		}
		twice, err := Canonicalize(once)
		if err != nil || once != twice {
			t.Fatalf("Canonicalize(%q) is %q, and of that %q, %v", raw, once, twice, err)
		}
		if self, err := Resolve(once, once); err != nil || self != once {
			t.Fatalf("Resolve(%q, itself): %q, %v", once, self, err)
		}
		if strings.ContainsAny(once, " \t\r\n#") || strings.ContainsFunc(once, func(r rune) bool { return r > 0x7e }) {
			t.Fatalf("Canonicalize(%q): %q has characters that no URL has", raw, once)
		}
		if u, err := url.Parse(once); err == nil && u.Host == "" {
			t.Fatalf("Canonicalize(%q): %q has no host", raw, once)
		}
		if _, err := PolitenessKey(once); err != nil {
			t.Fatalf("PolitenessKey(%q): %v", once, err)
		}
		if p, err := Split(once); err != nil || p.Scheme+"://"+p.Host+p.Target != once {
			t.Fatalf("Split(%q): %+v, %v", once, p, err)
		}
	})
}

func FuzzSURT(f *testing.F) {
	for _, s := range []string{"https://www.example.org/?b&a", "urn:x y", "http://www./", "http://\xff", "http://www1.www2.com:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s := MakeSURT(raw)
		if strings.ContainsFunc(string(s), func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			t.Fatalf("MakeSURT(%q): %q cannot be a key of an index", raw, s)
		}
		if s != MakeSURT(raw) {
			t.Fatalf("MakeSURT(%q) is not the same twice", raw)
		}
	})
}
