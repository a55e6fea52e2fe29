package access

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// loginFor is how long a log-in may take.
const loginFor = 15 * time.Minute

// attempt is a log-in that has begun in a browser. It is sealed in a cookie of its own, so that
// two tabs may log in at the same time.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // RFC 7636
	Return   string `json:"return"`
	Begun    int64  `json:"begun"`
}

// stateName is the part of a state that names the cookie.
func stateName(state string) string {
	const length = 8
	for _, c := range state {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') { // the letters of rand.Text
			return ""
		}
	}
	if len(state) < length {
		return ""
	}
	return loginCookie + state[:length]
}

// login sends a browser to the provider.
func (g *Gate) login(w http.ResponseWriter, r *http.Request) {
	back := LocalPath(r.URL.Query().Get("return"))
	w.Header().Set("Cache-Control", "no-store")
	if g.Provider == nil {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	d, err := g.Provider.discover(r.Context())
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	client, err := g.Provider.client(d)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: back, Begun: g.Sessions.now().Unix()}
	if err := g.Sessions.set(w, stateName(a.State), "login", a, int(loginFor/time.Second)); err != nil {
		g.refuse(w, r, loginFailed(err))
		return
	}
	http.Redirect(w, r, client.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), http.StatusSeeOther)
}

// callback takes a browser that the provider sends back.
func (g *Gate) callback(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	a, p, err := g.finish(w, r)
	if err == nil {
		err = g.Sessions.begin(w, p)
		if err != nil {
			err = loginFailed(fmt.Errorf("the session: %w", err))
		}
	}
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, LocalPath(a.Return), http.StatusSeeOther)
}

// finish ends the log-in that the browser has begun: it counts once.
func (g *Gate) finish(w http.ResponseWriter, r *http.Request) (a attempt, p Person, err error) {
	if g.Provider == nil {
		return a, p, loginExpired(errors.New("there is no provider"))
	}
	query := r.URL.Query()
	state := query.Get("state")
	name := stateName(state)
	if name == "" {
		return a, p, loginExpired(errors.New("no state"))
	}
	if err := g.Sessions.get(r, name, "login", &a); err != nil {
		return a, p, loginExpired(err)
	}
	if subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) != 1 {
		return a, p, loginExpired(errors.New("the state is of another log-in"))
	}
	g.Sessions.clear(w, r, name)
	if g.Sessions.now().Sub(time.Unix(a.Begun, 0)) >= loginFor {
		return a, p, loginExpired(errors.New("it took too long"))
	}
	if err := g.answered(r, query); err != nil {
		return a, p, err
	}
	p, err = g.Provider.exchange(r.Context(), query.Get("code"), a)
	return a, p, err
}

// answered is nil when the provider itself sent the browser back with a code (RFC 6749 section
// 4.1.2, RFC 9207).
func (g *Gate) answered(r *http.Request, query url.Values) error {
	d, err := g.Provider.discover(r.Context())
	if err != nil {
		return err
	}
	if issuer := query.Get("iss"); issuer != g.Provider.Issuer && (issuer != "" || d.NamesItself) {
		return loginFailed(errors.New("the answer is of another provider"))
	}
	switch code := query.Get("error"); code {
	case "":
	case "access_denied":
		return &Problem{
			Status: http.StatusForbidden, Reason: ReasonLoginDenied, Err: errors.New(code),
			Text: "The identity provider did not let you in, or you broke off.", Hint: "Log in again, or ask whoever runs the identity provider for access to this portal.",
		}
	case "temporarily_unavailable", "server_error":
		return providerUnreachable(errors.New(code))
	default:
		return loginFailed(fmt.Errorf("the provider says %.40q", code))
	}
	if query.Get("code") == "" {
		return loginFailed(errors.New("the provider sent no code"))
	}
	return nil
}

// logout ends the session here, and then at the provider where it can (OpenID Connect RP-Initiated
// Logout 1.0). The browser goes there by itself, from a page: the portal's policy of contents
// lets no form lead to another host, and browsers take a redirect for a part of it.
func (g *Gate) logout(w http.ResponseWriter, r *http.Request) {
	g.Sessions.end(w, r)
	if g.Provider != nil {
		if d, err := g.Provider.discover(r.Context()); err == nil && d.EndSession != "" {
			if there, err := url.Parse(d.EndSession); err == nil {
				query := there.Query()
				query.Set("client_id", g.Provider.ClientID)
				query.Set("post_logout_redirect_uri", g.Provider.own(LoggedOutPath))
				there.RawQuery = query.Encode()
				w.Header().Set("Refresh", "0; url="+there.String())
			}
		}
	}
	g.loggedOut(w, r)
}

func (g *Gate) loggedOut(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	g.Problem(w, r, &Problem{
		Status: http.StatusOK, Reason: ReasonLoggedOut,
		Text: "You are logged out of the portal.", Hint: "Log in again to go on.",
	})
}

func loginExpired(why error) *Problem {
	return &Problem{
		Status: http.StatusBadRequest, Reason: ReasonLoginExpired, Err: why,
		Text: "This log-in is over, or was begun in another browser.", Hint: "Log in again, in this browser.",
	}
}
