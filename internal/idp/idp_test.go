package idp

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const redirect = "http://127.0.0.1:1/callback"

func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start(Options{
		Listen: "127.0.0.1:0", ClientID: "portal", ClientSecret: "s3cret", Redirects: []string{redirect},
		Users: []User{{Name: "ann", Password: "one", Groups: []string{"vice"}}, {Name: "bob", Password: "two"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestItListensOnLoopbackAlone: nobody else may find a provider whose passwords are in a file of options.
func TestItListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "localhost:0", "", "idp.test:80"} {
		if s, err := Start(Options{Listen: listen, ClientID: "portal"}); err == nil {
			_ = s.Close()
			t.Errorf("%q: it listens", listen)
		}
	}
	for name, o := range map[string]Options{
		"no client":       {Listen: "127.0.0.1:0"},
		"no password":     {Listen: "127.0.0.1:0", ClientID: "portal", Users: []User{{Name: "ann"}}},
		"a name twice":    {Listen: "127.0.0.1:0", ClientID: "portal", Users: []User{{Name: "ann", Password: "x"}, {Name: "ann", Password: "y"}}},
		"no redirect":     {Listen: "127.0.0.1:0", ClientID: "portal", Redirects: []string{"/callback"}},
		"with a fragment": {Listen: "127.0.0.1:0", ClientID: "portal", Redirects: []string{redirect + "#x"}},
	} {
		if s, err := Start(o); err == nil {
			_ = s.Close()
			t.Errorf("%s: it starts", name)
		}
	}
}

// client goes no further than it is told.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func ask(t *testing.T, method, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// The example of RFC 7636, appendix B.
const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

func query(change map[string]string) url.Values {
	q := url.Values{
		"client_id": {"portal"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid groups"}, "state": {"S"}, "nonce": {"N"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for name, value := range change {
		q.Set(name, value)
	}
	return q
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tc := range []struct {
		reason   string
		change   map[string]string
		form     url.Values
		status   int
		location string // what it holds
	}{
		{"a code for who knows the password", nil, url.Values{"user": {"ann"}, "password": {"one"}}, 303, "code="},
		{"with the state of the client", nil, url.Values{"user": {"ann"}, "password": {"one"}}, 303, "state=S"},
		{"and with who sends it", nil, url.Values{"user": {"ann"}, "password": {"one"}}, 303, "iss=http"},
		{"another's password", nil, url.Values{"user": {"ann"}, "password": {"two"}}, 403, ""},
		{"nobody", nil, url.Values{"user": {"eve"}, "password": {""}}, 403, ""},
		{"who breaks off", nil, url.Values{"cancel": {"1"}}, 303, "error=access_denied"},
		{"another client", map[string]string{"client_id": "other"}, nil, 400, ""},
		{"sent elsewhere", map[string]string{"redirect_uri": "https://evil.test/"}, nil, 400, ""},
		{"without PKCE", map[string]string{"code_challenge": ""}, nil, 303, "error=invalid_request"},
		{"with plain PKCE", map[string]string{"code_challenge_method": "plain"}, nil, 303, "error=invalid_request"},
		{"without OpenID", map[string]string{"scope": "groups"}, nil, 303, "error=invalid_scope"},
		{"the implicit flow", map[string]string{"response_type": "id_token"}, nil, 303, "error=unsupported_response_type"},
	} {
		address := s.Issuer + "/authorize?" + query(tc.change).Encode()
		res, _ := ask(t, http.MethodPost, address, tc.form)
		if res.StatusCode != tc.status || !strings.Contains(res.Header.Get("Location"), tc.location) {
			t.Errorf("%s: %d %q", tc.reason, res.StatusCode, res.Header.Get("Location"))
		}
		if res, body := ask(t, http.MethodGet, address, nil); tc.change == nil && (res.StatusCode != http.StatusOK || !strings.Contains(body, "vice")) {
			t.Errorf("%s: the form: %d %s", tc.reason, res.StatusCode, body)
		}
	}
}

func TestCodesCountOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	code := func() string {
		res, _ := ask(t, http.MethodPost, s.Issuer+"/authorize?"+query(nil).Encode(), url.Values{"user": {"ann"}, "password": {"one"}})
		to, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		return to.Query().Get("code")
	}
	used := code()
	for _, tc := range []struct {
		reason string
		change map[string]string
		status int
		want   string
	}{
		{"in order", map[string]string{"code": used}, 200, `"id_token"`},
		{"again", map[string]string{"code": used}, 400, "invalid_grant"},
		{"another verifier", map[string]string{"code_verifier": "x"}, 400, "invalid_grant"},
		{"another redirect", map[string]string{"redirect_uri": redirect + "/x"}, 400, "invalid_grant"},
		{"another secret", map[string]string{"client_secret": "x"}, 401, "invalid_client"},
		{"another client", map[string]string{"client_id": "x"}, 401, "invalid_client"},
		{"another grant", map[string]string{"grant_type": "password"}, 400, "unsupported_grant_type"},
		{"a code of nobody", map[string]string{"code": "x"}, 400, "invalid_grant"},
	} {
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code()}, "code_verifier": {verifier}, "redirect_uri": {redirect},
			"client_id": {"portal"}, "client_secret": {"s3cret"},
		}
		for name, value := range tc.change {
			form.Set(name, value)
		}
		res, body := ask(t, http.MethodPost, s.Issuer+"/token", form)
		if res.StatusCode != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s", tc.reason, res.StatusCode, body)
		}
	}
}

func TestKeysAreExchanged(t *testing.T) {
	t.Parallel()
	s := start(t)
	count := func() int {
		var set struct{ Keys []struct{ Kid, D string } }
		_, body := ask(t, http.MethodGet, s.Issuer+"/keys", nil)
		if err := json.Unmarshal([]byte(body), &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			if k.D != "" {
				t.Error("a private key is shown")
			}
		}
		return len(set.Keys)
	}
	for i := 1; i < 6; i++ {
		if got, want := count(), min(i, keysKept); got != want {
			t.Errorf("%d keys, want %d", got, want)
		}
		if err := s.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	s.Forget()
	if got := count(); got != 1 {
		t.Errorf("%d keys after the old ones were forgotten", got)
	}
}

func TestLogoutLeadsBackToTheClientAlone(t *testing.T) {
	t.Parallel()
	s := start(t)
	for to, want := range map[string]string{redirect: redirect, "https://evil.test/": ""} {
		res, _ := ask(t, http.MethodGet, s.Issuer+"/logout?client_id=portal&post_logout_redirect_uri="+url.QueryEscape(to), nil)
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("%s: %q", to, got)
		}
	}
}
