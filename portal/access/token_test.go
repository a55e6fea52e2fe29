package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// forged makes a token of claims with a key that is not the provider's; by HMAC with the public key of the provider's,
// which is no secret, or by nobody at all.
func (f *fixture) forged(alg jose.SignatureAlgorithm, claims map[string]any) string {
	f.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		f.Fatal(err)
	}
	if alg == "none" {
		part := base64.RawURLEncoding.EncodeToString
		return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(payload) + "."
	}
	var key any
	if alg == jose.HS256 {
		_, public := f.browser().get(f.idp.Issuer + "/keys")
		key = []byte(public)
	} else if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		f.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		f.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		f.Fatal(err)
	}
	return compact
}

// TestForgedTokens sends each token as a program does, and has the provider answer a log-in with it.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		change func(f *fixture, claims map[string]any)
		alg    jose.SignatureAlgorithm // of a token that the provider has not signed
		ok     bool
	}{
		{reason: "as it is", ok: true},
		{reason: "expired", change: func(f *fixture, c map[string]any) { c["exp"] = f.at.now().Add(-time.Second).Unix() }},
		{reason: "not yet", change: func(f *fixture, c map[string]any) { c["nbf"] = f.at.now().Add(time.Hour).Unix() }},
		{reason: "without an end", change: func(_ *fixture, c map[string]any) { delete(c, "exp") }},
		{reason: "for somebody else", change: func(_ *fixture, c map[string]any) { c["aud"] = "other" }},
		{reason: "for nobody", change: func(_ *fixture, c map[string]any) { delete(c, "aud") }},
		{reason: "for the portal, too", change: func(_ *fixture, c map[string]any) { c["aud"] = []string{"other", "portal"} }, ok: true},
		{reason: "of another issuer", change: func(_ *fixture, c map[string]any) { c["iss"] = "https://evil.test" }},
		{reason: "of no issuer", change: func(_ *fixture, c map[string]any) { delete(c, "iss") }},
		{reason: "signed by nobody", alg: "none"},
		{reason: "signed by somebody else", alg: jose.ES256},
		{reason: "signed with the public key", alg: jose.HS256},
		{reason: "without a user", change: func(_ *fixture, c map[string]any) { delete(c, "preferred_username") }},
		{reason: "with an empty user", change: func(_ *fixture, c map[string]any) { c["preferred_username"] = "" }},
		{reason: "with a number for a user", change: func(_ *fixture, c map[string]any) { c["preferred_username"] = 7 }},
		{reason: "with odd groups", change: func(_ *fixture, c map[string]any) { c["groups"] = map[string]any{"a": 1} }},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			make := func(nonce string) string {
				claims, err := f.idp.Claims("ann", nonce)
				if err != nil {
					t.Fatal(err)
				}
				if tc.change != nil {
					tc.change(f, claims)
				}
				if tc.alg != "" {
					return f.forged(tc.alg, claims)
				}
				signed, err := f.idp.Sign(claims)
				if err != nil {
					t.Fatal(err)
				}
				return signed
			}
			status, holds := 401, ReasonTokenRefused
			if tc.ok {
				status, holds = 200, "idp:ann"
			}
			f.want("a program", status, holds)(f.browser().get("/me", "Authorization", "Bearer "+make("")))
			if !tc.ok {
				status, holds = 403, ReasonLoginFailed
			}
			f.swapIDToken(make)
			f.want("a log-in", status, holds)(f.browser().login("/me", "ann", "one"))
		})
	}
}

// swapIDToken has the provider answer with a token that is made for the nonce of its own.
func (f *fixture) swapIDToken(make func(nonce string) string) {
	f.tamper = func(path string, body []byte) []byte {
		if path != "/token" {
			return body
		}
		var answer map[string]any
		var claims struct{ Nonce string }
		if err := json.Unmarshal(body, &answer); err != nil {
			f.Error(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["id_token"].(string), ".")[1])
		if err != nil || json.Unmarshal(raw, &claims) != nil {
			f.Errorf("the provider's token: %v", err)
		}
		answer["id_token"] = make(claims.Nonce)
		if answer["id_token"] == "" {
			delete(answer, "id_token")
		}
		changed, err := json.Marshal(answer)
		if err != nil {
			f.Error(err)
		}
		return changed
	}
}

func TestTheNonceIsThatOfTheLogin(t *testing.T) {
	t.Parallel()
	for reason, nonce := range map[string]func(string) string{
		"another": func(string) string { return "another" },
		"none":    func(string) string { return "" },
	} {
		f := newFixture(t)
		f.swapIDToken(func(was string) string {
			claims, err := f.idp.Claims("ann", nonce(was))
			if err != nil {
				t.Error(err)
			}
			signed, err := f.idp.Sign(claims)
			if err != nil {
				t.Error(err)
			}
			return signed
		})
		f.want(reason, 403, ReasonLoginFailed)(f.browser().login("/me", "ann", "one"))
	}
	f := newFixture(t)
	f.swapIDToken(func(string) string { return "" })
	f.want("no token at all", 403, ReasonLoginFailed)(f.browser().login("/me", "ann", "one"))
}

func TestKeysAreExchanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want("the first key", 200, "idp:ann")(f.browser().login("/me", "ann", "one"))
	old, err := f.idp.Token("ann")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.idp.Rotate(); err != nil {
		t.Fatal(err)
	}
	f.want("a new key", 200, "idp:ann")(f.browser().login("/me", "ann", "one"))
	f.want("the key of before", 200, "idp:ann")(f.browser().get("/me", "Authorization", "Bearer "+old))
	f.idp.Forget()
	if err := f.idp.Rotate(); err != nil {
		t.Fatal(err)
	}
	f.want("a newer key", 200, "idp:ann")(f.browser().login("/me", "ann", "one"))
	f.at.pass(tokensFor)
	f.want("a key that is gone", 401, ReasonTokenRefused)(f.browser().get("/me", "Authorization", "Bearer "+old))
}

// tokens knows one token.
type tokens struct {
	asked   int
	trouble error
}

func (k *tokens) Review(_ context.Context, token string) (Person, bool, error) {
	k.asked++
	p := Person{Name: "system:serviceaccount:zeden:bot", UID: "7", Groups: []string{"system:serviceaccounts"}, Extra: map[string][]string{"k": {"v"}}, Local: true}
	return p, token == "right", k.trouble
}

func TestTokensOfTheCluster(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kube := &tokens{}
	f.gate.Tokens = kube
	b := f.browser()
	for range 3 {
		f.want("a token of the cluster", 200, `"UID":"7","Extra":{"k":["v"]},"Shown":"","Purpose":"","Case":"","Local":false`)(b.get("/me", "Authorization", "bearer right"))
		f.want("another", 401, ReasonTokenRefused)(b.get("/me", "Authorization", "Bearer wrong"))
	}
	if kube.asked != 2 {
		t.Errorf("asked %d times, want each once", kube.asked)
	}
	f.at.pass(tokensFor)
	kube.trouble = errors.New("connection refused")
	for range 2 {
		f.want("the cluster does not answer", 503, ReasonRightsUnknown)(b.get("/me", "Authorization", "Bearer right"))
	}
	kube.trouble = nil
	f.want("and does again", 200, "bot")(b.get("/me", "Authorization", "Bearer right"))
	for _, header := range []string{"Bearer", "Bearer ", "Basic YTpi", "Bearer " + strings.Repeat("x", maxToken+1)} {
		f.want("no token: "+header[:6], 401, ReasonTokenRefused)(b.get("/me", "Authorization", header))
	}
	f.gate.Provider, f.gate.Local = nil, true
	f.want("also without a provider", 200, "bot")(b.get("/me", "Authorization", "Bearer right"))
	f.want("a wrong token is not the local person", 401, ReasonTokenRefused)(b.get("/me", "Authorization", "Bearer wrong"))
	f.want("no token is", 200, `"Name":"local"`)(b.get("/me"))
	f.want("who may everything", 200, `"Local":true`)(b.get("/runs"))
	f.gate.Local = false
	f.want("but not elsewhere than on loopback", 401, ReasonNotLoggedIn)(b.get("/me"))
}

func TestLocalIsNothingWhereThereIsAProvider(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.gate.Local = true
	f.want("nobody", 401, ReasonNotLoggedIn)(f.browser().get("/me", "Accept", "application/json"))
}

// TestClaims: who somebody is to the portal is who they are to the API server with the same flags.
func TestClaims(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.test"
	for _, tc := range []struct {
		reason string
		flags  Claims
		token  string
		want   Person
		fails  bool
	}{
		{"sub with the issuer before it", Claims{}, `{"sub":"7","groups":["g"]}`, Person{Name: issuer + "#7", Shown: issuer + "#7"}, false},
		{"an e-mail address stands for itself", Claims{Username: "email"}, `{"email":"a@b.test"}`, Person{Name: "a@b.test", Shown: "a@b.test"}, false},
		{"one that was checked", Claims{Username: "email", UsernamePrefix: "p:"}, `{"email":"a@b.test","email_verified":true}`, Person{Name: "p:a@b.test", Shown: "a@b.test"}, false},
		{"one that was not", Claims{Username: "email"}, `{"email":"a@b.test","email_verified":false}`, Person{}, true},
		{"one of which nobody can tell", Claims{Username: "email"}, `{"email":"a@b.test","email_verified":"true"}`, Person{}, true},
		{"no prefix", Claims{Username: "name", UsernamePrefix: "-"}, `{"name":"Ann"}`, Person{Name: "Ann", Shown: "Ann"}, false},
		{"groups", Claims{Groups: "roles", GroupsPrefix: "p:"}, `{"sub":"7","roles":["a","b"],"name":" A\u0007nn "}`,
			Person{Name: issuer + "#7", Groups: []string{"p:a", "p:b"}, Shown: "A nn"}, false},
		{"one group", Claims{Groups: "roles"}, `{"sub":"7","roles":"a"}`, Person{Name: issuer + "#7", Groups: []string{"a"}, Shown: issuer + "#7"}, false},
		{"no groups", Claims{Groups: "roles"}, `{"sub":"7"}`, Person{Name: issuer + "#7", Shown: issuer + "#7"}, false},
		{"a number", Claims{Groups: "roles"}, `{"sub":"7","roles":1}`, Person{}, true},
	} {
		var token claims
		if err := json.Unmarshal([]byte(tc.token), &token); err != nil {
			t.Fatal(err)
		}
		got, err := tc.flags.person(issuer, token)
		if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != tc.fails {
			t.Errorf("%s: %v %s", tc.reason, err, diff)
		}
	}
}
