package access

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	f.want("who logs in is where they wanted to, as Kubernetes knows them", 200,
		`{"Name":"idp:ann","Groups":["idp:vice","idp:night shift"],"UID":"","Extra":null,"Shown":"Ann Example"`)(b.login("/me?a=b%20c", "ann", "one"))
	if last := b.visited[len(b.visited)-2]; last != f.portal.URL+"/me?a=b%20c" {
		t.Errorf("led back to %q", last)
	}
	for name := range b.cookies() {
		if name != sessionCookie {
			t.Errorf("a cookie is left over: %s", name)
		}
	}
	f.want("and stays logged in", 200, "idp:ann")(b.get("/me"))
	f.want("also for programs of the page", 200, "idp:ann")(b.get("/me", "Accept", "application/json"))
	f.want("nobody else is", 401, ReasonNotLoggedIn)(f.browser().get("/me", "Accept", "application/json"))
	f.want("a part of a page is not led to log in", 401, ReasonNotLoggedIn)(f.browser().get("/me", "Sec-Fetch-Mode", "no-cors"))
	f.want("a form is not led to log in", 401, ReasonNotLoggedIn)(f.browser().do(http.MethodPost, "/me", url.Values{}))
	f.want("what is public is for all", 200, `"Name":""`)(f.browser().get("/healthz"))
	f.want("a route without a need is for nobody", 500, "Other")(b.get("/forgotten"))
	f.want("nor is one about nothing", 500, "Other")(b.get("/nothing"))
	if strings.Contains(f.said.String(), "ann") || strings.Contains(f.said.String(), "Ann") {
		t.Errorf("a name is in the portal's log: %s", &f.said)
	}
}

func TestTwoTabsLogInAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.get("/me?tab=1")
	first := b.visited[len(b.visited)-2]
	f.want("the second", 200, "idp:ann")(b.login("/me?tab=2", "ann", "one"))
	f.want("the first", 200, "idp:bob")(b.do(http.MethodPost, first, url.Values{"user": {"bob"}, "password": {"two"}}))
	if last := b.visited[len(b.visited)-2]; last != f.portal.URL+"/me?tab=1" {
		t.Errorf("led back to %q", last)
	}
}

func TestLoginLeadsToThisPortalAlone(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"//evil.test/", "https://evil.test/", "/\\evil.test", "/%2fevil.test", "javascript:alert(1)", ""} {
		f := newFixture(t)
		b := f.browser()
		b.login("/login?return="+url.QueryEscape(to), "ann", "one")
		if last := b.visited[len(b.visited)-2]; last != f.portal.URL+"/" {
			t.Errorf("%q: led to %q", to, last)
		}
	}
}

// callback begins a log-in and gives the address that the provider sends the browser back to, without going there.
func (b *browser) callback() *url.URL {
	b.f.Helper()
	b.get("/me")
	var to *url.URL
	follow := b.CheckRedirect
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		to = r.URL
		return http.ErrUseLastResponse
	}
	b.do(http.MethodPost, b.visited[len(b.visited)-2], url.Values{"user": {"ann"}, "password": {"one"}})
	b.CheckRedirect = follow
	return to
}

func TestForgedCallbacks(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("A", 26)
	for _, tc := range []struct {
		reason string
		change func(f *fixture, b *browser, to *url.URL, query url.Values)
		status int
		want   string
	}{
		{"as it is", func(*fixture, *browser, *url.URL, url.Values) {}, 200, "idp:ann"},
		{"another state", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("state", other) }, 400, ReasonLoginExpired},
		{"a state with the same beginning", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("state", q.Get("state")[:8]+other) }, 400, ReasonLoginExpired},
		{"no state", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Del("state") }, 400, ReasonLoginExpired},
		{"a state that names no cookie", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("state", "../../../etc") }, 400, ReasonLoginExpired},
		{"no code", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Del("code") }, 403, ReasonLoginFailed},
		{"another code", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("code", other) }, 403, ReasonLoginFailed},
		{"of another provider", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("iss", "https://evil.test") }, 403, ReasonLoginFailed},
		{"of no provider", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Del("iss") }, 403, ReasonLoginFailed},
		{"denied", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("error", "access_denied") }, 403, ReasonLoginDenied},
		{"the provider is ill", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("error", "server_error") }, 503, ReasonProviderUnreachable},
		{"an odd error", func(_ *fixture, _ *browser, _ *url.URL, q url.Values) { q.Set("error", "<script>") }, 403, ReasonLoginFailed},
		{"too late", func(f *fixture, _ *browser, _ *url.URL, _ url.Values) { f.at.pass(loginFor) }, 400, ReasonLoginExpired},
		{"a code that is over", func(f *fixture, _ *browser, _ *url.URL, _ url.Values) { f.at.pass(time.Minute) }, 403, ReasonLoginFailed},
		{"another browser", func(f *fixture, b *browser, _ *url.URL, _ url.Values) { b.Jar = f.browser().Jar }, 400, ReasonLoginExpired},
		{"a code of another log-in", func(_ *fixture, b *browser, _ *url.URL, q url.Values) {
			q.Set("code", b.callback().Query().Get("code"))
		}, 403, ReasonLoginFailed},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			b := f.browser()
			to := b.callback()
			query := to.Query()
			tc.change(f, b, to, query)
			to.RawQuery = query.Encode()
			f.want("the callback", tc.status, tc.want)(b.get(to.String()))
			if tc.status != http.StatusOK {
				f.want("afterwards", 401, ReasonNotLoggedIn)(b.get("/me", "Accept", "application/json"))
			}
		})
	}
}

// TestCodesAreNotReplayed sends a callback twice, with the cookie of the log-in: as somebody could who has seen both.
func TestCodesAreNotReplayed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, thief := f.browser(), f.browser()
	to := b.callback()
	for name, value := range b.cookies() {
		thief.setCookie(name, value)
	}
	f.want("the first", 200, "idp:ann")(b.get(to.String()))
	f.want("the second", 403, ReasonLoginFailed)(thief.get(to.String()))
	f.want("the same browser", 400, ReasonLoginExpired)(b.get(to.String()))
}

func TestLogout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.login("/me", "ann", "one")
	before := b.cookies()
	f.want("another site cannot log somebody out", 403, ReasonCrossOrigin)(b.do(http.MethodPost, LogoutPath, url.Values{}, "Sec-Fetch-Site", "cross-site"))
	f.want("nor with an old browser", 403, ReasonCrossOrigin)(b.do(http.MethodPost, LogoutPath, url.Values{}, "Origin", "https://evil.test"))
	f.want("nor a link", 404, "")(b.get(LogoutPath))
	f.want("still logged in", 200, "idp:ann")(b.get("/me"))
	b.visited = nil
	f.want("log-out", 200, ReasonLoggedOut)(b.do(http.MethodPost, LogoutPath, url.Values{}, "Sec-Fetch-Site", "same-origin"))
	there := strings.TrimPrefix(b.visited[0], "0; url=")
	if !strings.HasPrefix(there, f.idp.Issuer+"/logout?") {
		t.Errorf("led on to %q", there)
	}
	f.want("the provider leads back", 200, ReasonLoggedOut)(b.get(there))
	f.want("logged out", 401, ReasonNotLoggedIn)(b.get("/me", "Accept", "application/json"))
	if len(b.cookies()) != 0 || len(before) != 1 {
		t.Errorf("cookies: %v, before %v", b.cookies(), before)
	}
}

func TestTheProviderDoesNotAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	right := f.gate.Provider.Issuer
	f.gate.Provider.Issuer = "http://127.0.0.1:1"
	b := f.browser()
	f.want("nobody listens", 503, ReasonProviderUnreachable)(b.get("/me"))
	f.want("not asked again at once", 503, ReasonProviderUnreachable)(b.get("/me"))
	f.gate.Provider.Issuer = right
	f.at.pass(providerAgain)
	f.want("it is there again", 200, "idp:ann")(b.login("/me", "ann", "one"))

	f = newFixture(t)
	f.tamper = func(string, []byte) []byte { return []byte(strings.Repeat(" ", providerAnswer+1) + "{}") }
	f.want("an answer without end", 503, ReasonProviderUnreachable)(f.browser().get("/me"))
	f = newFixture(t)
	f.gate.Provider.Issuer = strings.Replace(f.gate.Provider.Issuer, "127.0.0.1", "localhost", 1)
	f.want("of another name than it says", 503, ReasonProviderUnreachable)(f.browser().get("/me"))
}

func TestHowAProviderIsNamed(t *testing.T) {
	t.Parallel()
	address := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	good := "https://portal.test"
	for reason, tc := range map[string]struct {
		provider *Provider
		ok       bool
	}{
		"in order":            {&Provider{Issuer: "https://idp.test/realm", ClientID: "portal", External: address(good)}, true},
		"this machine":        {&Provider{Issuer: "http://127.0.0.1:1", ClientID: "portal", External: address("http://localhost:8080")}, true},
		"no https":            {&Provider{Issuer: "http://idp.test", ClientID: "portal", External: address(good)}, false},
		"a portal no https":   {&Provider{Issuer: "https://idp.test", ClientID: "portal", External: address("http://portal.test")}, false},
		"a portal with path":  {&Provider{Issuer: "https://idp.test", ClientID: "portal", External: address(good + "/a")}, false},
		"no client":           {&Provider{Issuer: "https://idp.test", External: address(good)}, false},
		"no portal":           {&Provider{Issuer: "https://idp.test", ClientID: "portal"}, false},
		"no issuer":           {&Provider{ClientID: "portal", External: address(good)}, false},
		"a secret that isn't": {&Provider{Issuer: "https://idp.test", ClientID: "portal", External: address(good), SecretFile: "/nowhere"}, false},
	} {
		if err := tc.provider.Check(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
