package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// shown is the cookie of who asked to see the pictures of a comparison.
func shown(a, b catalog.Capture) string { return showCookie + "=" + showValue(a.ID, b.ID) }

// TestPicturesAreShownToWhoAsked: an address that somebody was sent shows nothing that is blurred; a button on the page does,
// that page alone, and not for long.
func TestPicturesAreShownToWhoAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	for _, tc := range []struct{ name, path, show, clear string }{
		{"a snapshot", "/snapshots/" + string(a.ID), showValue(a.ID), `src="/snapshots/` + string(a.ID) + `/picture"`},
		{"a comparison", comparePath(a, b), showValue(b.ID, a.ID), `src="/compare/picture?`},
		{"a comparison of hits", "/compare?id=" + string(b.ID) + "&id=" + string(a.ID), showValue(b.ID, a.ID), `src="/compare/picture?`},
	} {
		sent := tc.path + "?clear=1"
		if strings.Contains(tc.path, "?") {
			sent = tc.path + "&clear=1"
		}
		for _, from := range []string{"none", "cross-site", "same-origin"} {
			wantNone(t, tc.name+" that was sent, "+from, body(t, f.get(sent, "Sec-Fetch-Site", from, "Sec-Fetch-Mode", "navigate")), tc.clear)
		}
		wantAll(t, tc.name, body(t, f.get(tc.path)), `name="show" value="`+tc.show+`"`)
		res := f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", url.Values{"show": {tc.show}, "back": {tc.path + "#picture"}}.Encode())
		cookies := res.Cookies()
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != tc.path+"#picture" || len(cookies) != 1 {
			t.Fatalf("%s: %d %v", tc.name, res.StatusCode, res.Header)
		}
		c := cookies[0]
		if c.MaxAge != showFor || c.Path != strings.SplitN(tc.path, "?", 2)[0] || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("%s: %+v", tc.name, c)
		}
		cookie := c.Name + "=" + c.Value
		page := body(t, f.get(tc.path, "Cookie", cookie))
		wantAll(t, tc.name+" when asked for", page, tc.clear, `name="hide" value="`+tc.show+`"`)
		wantNone(t, tc.name+": the preference", page, `value="shown" selected`)
		for _, other := range []string{"/snapshots/" + string(b.ID), "/snapshots/" + string(a.ID) + "/replay", "/"} {
			wantNone(t, other+" with the cookie of "+tc.name, body(t, f.get(other, "Cookie", cookie)), `/picture"`, "/thumbnail/clear", `class="replay"`)
		}
		res = f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", url.Values{"hide": {tc.show}}.Encode())
		if cookies := res.Cookies(); len(cookies) != 1 || cookies[0].MaxAge >= 0 || cookies[0].Path != c.Path {
			t.Errorf("%s: hidden with %v", tc.name, cookies)
		}
	}
	for _, odd := range []string{"x", "../", strings.Repeat("0", 31), strings.Repeat("0", 32) + "-x", strings.Repeat("0", 32) + "; Path=/"} {
		res := f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", url.Values{"show": {odd}}.Encode())
		if len(res.Cookies()) > 0 {
			t.Errorf("%q sets %v", odd, res.Cookies())
		}
	}
	res := f.send(http.MethodPost, "/preferences", "application/x-www-form-urlencoded", "show="+string(a.ID), "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("another site has it shown: %d %v", res.StatusCode, res.Cookies())
	}
}
