package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// providerTimeout is how long the provider may take to answer, providerAnswer how many bytes
	// it may answer with.
	providerTimeout = 10 * time.Second
	providerAnswer  = 1 << 20
	// providerAgain is how long a provider that does not answer is not asked again.
	providerAgain = 3 * time.Second
)

// Provider is an OpenID Connect provider (OpenID Connect Core 1.0). It is asked what it can when
// it is first needed, so that the portal starts without it, too.
type Provider struct {
	// Issuer is its address, ClientID the portal's name at it, and SecretFile a file with the
	// portal's secret, read when it is needed; empty for a public client.
	Issuer, ClientID, SecretFile string
	Claims                       Claims
	// External is the portal's address as browsers know it, without a path.
	External *url.URL
	// Transport leads to the provider; http.DefaultTransport where it is nil.
	Transport http.RoundTripper
	// Now is the time; time.Now where it is nil.
	Now func() time.Time

	mu     sync.Mutex
	found  *discovered
	failed error
	tried  time.Time
}

// discovered is what the provider says of itself (OpenID Connect Discovery 1.0).
type discovered struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier

	EndSession  string   `json:"end_session_endpoint"`
	Scopes      []string `json:"scopes_supported"`
	AuthWays    []string `json:"token_endpoint_auth_methods_supported"`
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
}

// Check finds what is wrong with how the provider is named, without asking it.
func (p *Provider) Check() error {
	issuer, err := url.Parse(p.Issuer)
	switch {
	case err != nil || issuer.Host == "":
		return fmt.Errorf("issuer %q: must be an address such as https://login.example/realm", p.Issuer)
	case issuer.Scheme != "https" && !loopback(issuer):
		return fmt.Errorf("issuer %q: must begin with https", p.Issuer)
	case p.ClientID == "":
		return errors.New("there is no client ID")
	case p.External == nil || p.External.Host == "":
		return errors.New("the portal's own address is not known")
	case strings.Trim(p.External.Path, "/") != "" || p.External.RawQuery != "":
		return fmt.Errorf("the portal's address %q: must have no path", p.External)
	case p.External.Scheme != "https" && !loopback(p.External):
		return fmt.Errorf("the portal's address %q: must begin with https", p.External)
	}
	if _, err := p.secret(); err != nil {
		return err
	}
	return nil
}

// loopback tells an address of this machine, which needs no https.
func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// secret is empty for a public client.
func (p *Provider) secret() (string, error) {
	if p.SecretFile == "" {
		return "", nil
	}
	raw, err := os.ReadFile(p.SecretFile)
	if err != nil {
		return "", fmt.Errorf("the client's secret: %w", err)
	}
	if s := strings.TrimSpace(string(raw)); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("the client's secret: %q is empty", p.SecretFile)
}

// discover asks the provider what it can, once it answers.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.failed != nil && p.now().Sub(p.tried) < providerAgain {
		return nil, providerUnreachable(p.failed)
	}
	found := &discovered{}
	// The one visitor who happens to ask may go: the answer is for all.
	provider, err := oidc.NewProvider(p.context(context.WithoutCancel(ctx)), p.Issuer)
	if err == nil {
		found.provider = provider
		err = provider.Claims(found)
	}
	p.failed, p.tried = err, p.now()
	if err != nil {
		return nil, providerUnreachable(err)
	}
	found.verifier = provider.Verifier(&oidc.Config{ClientID: p.ClientID, Now: p.now})
	p.found = found
	return found, nil
}

// context has requests go through a client that bounds what the provider answers.
func (p *Provider) context(ctx context.Context) context.Context {
	transport := p.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return oidc.ClientContext(ctx, &http.Client{Timeout: providerTimeout, Transport: bounded{transport}})
}

// bounded breaks off answers that are too long.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, providerAnswer), res.Body}
	}
	return res, err
}

// client is the portal as a client of the provider (RFC 6749).
func (p *Provider) client(d *discovered) (*oauth2.Config, error) {
	secret, err := p.secret()
	if err != nil {
		return nil, providerUnreachable(err)
	}
	endpoint := d.provider.Endpoint()
	// Discovery section 3: client_secret_basic when nothing is said. A code must not be tried twice,
	// as x/oauth2 would to find out.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" || len(d.AuthWays) > 0 && !slices.Contains(d.AuthWays, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	scopes := []string{oidc.ScopeOpenID, "profile", "email"}
	if p.Claims.Groups != "" && slices.Contains(d.Scopes, "groups") {
		scopes = append(scopes, "groups")
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: secret, Endpoint: endpoint, Scopes: scopes, RedirectURL: p.own(CallbackPath),
	}, nil
}

// own is a path of the portal as browsers know it.
func (p *Provider) own(path string) string {
	return strings.TrimSuffix(p.External.String(), "/") + path
}

// exchange gets the person for a code that the provider sent a browser back with.
func (p *Provider) exchange(ctx context.Context, code string, a attempt) (Person, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	client, err := p.client(d)
	if err != nil {
		return Person{}, err
	}
	token, err := client.Exchange(p.context(ctx), code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < http.StatusInternalServerError {
			return Person{}, loginFailed(err)
		}
		return Person{}, providerUnreachable(err)
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := d.verifier.Verify(p.context(ctx), raw)
	if err != nil {
		return Person{}, loginFailed(err)
	}
	if a.Nonce == "" || subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(a.Nonce)) != 1 {
		return Person{}, loginFailed(errors.New("the ID token is of another log-in: its nonce differs"))
	}
	person, err := p.person(verified)
	if err != nil {
		return Person{}, loginFailed(err)
	}
	return person, nil
}

// issued tells whether a token says that it is of the provider. It proves nothing.
func (p *Provider) issued(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	return json.Unmarshal(raw, &said) == nil && said.Issuer == p.Issuer
}

// verify gives the person of an ID token that a program sends.
func (p *Provider) verify(ctx context.Context, token string) (Person, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	verified, err := d.verifier.Verify(p.context(ctx), token)
	if err != nil {
		return Person{}, tokenRefused(err)
	}
	person, err := p.person(verified)
	if err != nil {
		return Person{}, tokenRefused(err)
	}
	return person, nil
}

func (p *Provider) person(token *oidc.IDToken) (Person, error) {
	var said claims
	if err := token.Claims(&said); err != nil {
		return Person{}, err
	}
	return p.Claims.person(p.Issuer, said)
}

func (p *Provider) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func providerUnreachable(why error) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Reason: ReasonProviderUnreachable, Err: why,
		Text: "The identity provider does not answer as it should.", Hint: "Try to log in again in a while; if it stays so, tell whoever runs the portal: its log says what is wrong.",
	}
}

func loginFailed(why error) *Problem {
	return &Problem{
		Status: http.StatusForbidden, Reason: ReasonLoginFailed, Err: why,
		Text: "The log-in did not succeed.", Hint: "Log in again. If it fails again, tell whoever runs the portal: its log says why.",
	}
}
