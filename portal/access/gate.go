package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The paths of the gate itself.
const (
	LoginPath     = "/login"          // GET, with return: a local path
	CallbackPath  = "/login/callback" // where the provider sends people back to
	LogoutPath    = "/logout"         // POST
	LoggedOutPath = "/logged-out"     // GET
	PurposePath   = "/purpose"        // POST: purpose, case, return; GET, with return, asks for them
)

const (
	maxForm  = 16 << 10 // bytes of what a person posts
	maxToken = 16 << 10
	// tokensFor is for how long a token is known, tokensKnown how many are.
	tokensFor, tokensKnown = 10 * time.Second, 4 << 10
)

// Tokens knows the people of tokens that the portal cannot check itself. Kubernetes does, by a
// TokenReview. A token that is not accepted is no error.
type Tokens interface {
	Review(ctx context.Context, token string) (p Person, ok bool, err error)
}

// Gate knows who asks and lets through who may.
type Gate struct {
	// Provider is where people log in; nil for nowhere.
	Provider *Provider
	// Tokens knows other tokens; nil for none.
	Tokens Tokens
	// Local lets in who shows neither a session nor a token, with all rights. It is for a portal
	// without a Provider that listens on loopback, and not for any other.
	Local bool
	// Sessions seals what browsers keep.
	Sessions *Sessions
	Rights   *Rights
	// Policy says when a person is asked what they look for; nil for never.
	Policy  Policies
	Custody *Custody
	// Problem tells a person or a program that they are not let through: by a *[Problem], a
	// *[PurposeNeeded], or an error of a route's own.
	Problem func(http.ResponseWriter, *http.Request, error)
	// Said is what a form that is sent on says that its person looks for, where the page that asked for it
	// put it in; nil for none.
	Said   func(*http.Request) (purpose, reference string, ok bool)
	Logger *slog.Logger

	once   sync.Once
	tokens *recent[[sha256.Size]byte, Person]
}

// Handler answers for the paths of the gate itself and leaves all others to next. It refuses what
// pages of other sites have a browser send.
func (g *Gate) Handler(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET "+LoginPath, g.login)
	mux.HandleFunc("GET "+CallbackPath, g.callback)
	mux.HandleFunc("POST "+LogoutPath, g.logout)
	mux.HandleFunc("GET "+LoggedOutPath, g.loggedOut)
	mux.HandleFunc("GET "+PurposePath, g.changePurpose)
	mux.HandleFunc("POST "+PurposePath, g.setPurpose)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.refuse(w, r, crossOrigin())
	}))
	return protection.Handler(mux)
}

// Require lets through to next who has what is needed. The person is in the context: [From].
func (g *Gate) Require(need Need, next http.Handler) http.Handler {
	if need.level == everybody {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := g.person(w, r)
		if err == nil {
			p = g.purposed(r, p)
			purpose, reference, sentOn := g.sentOn(r, need)
			if sentOn {
				p.Purpose, p.Case = purpose, reference
			}
			r = r.WithContext(With(r.Context(), p))
			err = g.let(r, p, need, r.Method != http.MethodHead)
			if err == nil && sentOn { // it counts for the session, as with setPurpose
				err = g.Sessions.setPurpose(w, r, p, purpose, reference)
			}
		}
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Allow is nil for a person of a request that was let through who has a right in each of the
// namespaces that some subjects belong to, after the custody log was told as for [Allowed], by any method: for
// what only turns out while a request is answered.
func (g *Gate) Allow(r *http.Request, right Right, subjects ...Subject) error {
	need := Allowed(right, func(*http.Request) ([]Subject, error) { return subjects, nil })
	return g.let(r, From(r.Context()), need, true)
}

// let is nil for who has what is needed, and after the custody log was told of what they see where it is to be told.
func (g *Gate) let(r *http.Request, p Person, need Need, tell bool) error {
	switch need.level {
	case signedIn:
		return nil
	case allowed:
	default:
		return errors.New("a route that states no need")
	}
	subjects, err := need.about(r)
	if err != nil {
		return err
	}
	if len(subjects) == 0 {
		return errors.New("a request about nothing")
	}
	var snapshots []Snapshot
	for _, s := range subjects {
		for _, right := range append([]Right{need.right}, need.also...) {
			if err := g.Rights.Check(r.Context(), p, right, s.Namespace); err != nil {
				return g.hide(r.Context(), p, s, err)
			}
		}
		if s.Chunk != "" {
			snapshots = append(snapshots, s.Snapshot)
		}
	}
	if err := g.checkPurpose(r, p, need.right); err != nil {
		return err
	}
	switch {
	case !tell:
	case need.right == Look:
		return g.Custody.Read(r.Context(), p, snapshots...)
	case need.right == Copy:
		return g.Custody.Copied(r.Context(), p, "", snapshots...)
	}
	return nil
}

// hide is what a person is told who lacks a right to a subject: nothing of it when they may not find it.
func (g *Gate) hide(ctx context.Context, p Person, s Subject, refused error) error {
	var problem *Problem
	if s.Unknown == nil || !errors.As(refused, &problem) || problem.Reason != ReasonNotAllowed {
		return refused
	}
	switch may, err := g.Rights.May(ctx, p, Find, s.Namespace); {
	case err != nil:
		return err
	case may:
		return refused
	}
	return &HiddenError{problem, s.Unknown}
}

// person is who asks.
func (g *Gate) person(w http.ResponseWriter, r *http.Request) (Person, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		return g.bearer(r.Context(), header)
	}
	if g.Provider != nil {
		p, err := g.Sessions.person(w, r)
		if err != nil {
			return Person{}, notLoggedIn(err)
		}
		return p, nil
	}
	if g.Local && broughtHere(r) {
		return Person{}, crossOrigin()
	}
	if g.Local {
		return localPerson, nil
	}
	return Person{}, notLoggedIn(errors.New("no token"))
}

// bearer is the person of a token (RFC 6750).
func (g *Gate) bearer(ctx context.Context, header string) (Person, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return Person{}, tokenRefused(errors.New("not a bearer token"))
	}
	g.once.Do(func() { g.tokens = newRecent[[sha256.Size]byte, Person](tokensKnown) })
	sum, now := sha256.Sum256([]byte(token)), g.Sessions.now()
	if p, ok := g.tokens.get(sum, now); ok {
		if p.Name == "" {
			return Person{}, tokenRefused(errors.New("as a moment ago"))
		}
		return p, nil
	}
	p, err := g.review(ctx, token)
	var refused *Problem
	if err == nil || errors.As(err, &refused) && refused.Reason == ReasonTokenRefused {
		g.tokens.put(sum, p, now.Add(tokensFor))
	}
	return p, err
}

// review has the provider check a token of its own, and then the cluster any token.
func (g *Gate) review(ctx context.Context, token string) (Person, error) {
	why := errors.New("nobody knows it")
	if g.Provider != nil && g.Provider.issued(token) {
		p, err := g.Provider.verify(ctx, token)
		if err == nil || g.Tokens == nil {
			return p, err
		}
		why = err
	}
	if g.Tokens == nil {
		return Person{}, tokenRefused(why)
	}
	p, ok, err := g.Tokens.Review(ctx, token)
	switch {
	case err != nil:
		return Person{}, rightsUnknown(errors.Join(why, err))
	case !ok || p.Name == "":
		return Person{}, tokenRefused(why)
	}
	p.Local = false
	return p, nil
}

// refuse answers who is not let through. A person in a browser who is not logged in is led there.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var problem *Problem
	if errors.As(err, &problem) {
		if problem.Reason == ReasonNotLoggedIn && g.Provider != nil && Navigates(r) {
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, LoginPath+"?return="+url.QueryEscape(returnPath(r)), http.StatusSeeOther)
			return
		}
		g.note(r, problem)
		if problem.authenticate != "" {
			w.Header().Set("WWW-Authenticate", problem.authenticate)
		}
	}
	if hidden := (*HiddenError)(nil); errors.As(err, &hidden) {
		g.note(r, hidden.Refused)
	}
	w.Header().Set("Cache-Control", "no-store")
	g.Problem(w, r, err)
}

// note logs trouble, and who tried what in vain; never a name.
func (g *Gate) note(r *http.Request, p *Problem) {
	switch {
	case p.Status >= http.StatusInternalServerError:
		g.Logger.Error("access cannot be decided", "reason", p.Reason, "error", p.Err)
	case p.Err != nil && p.Reason != ReasonNotLoggedIn:
		g.Logger.Warn("access refused", "reason", p.Reason, "error", p.Err)
	default:
		g.Logger.Debug("access refused", "reason", p.Reason, "method", r.Method)
	}
}

// broughtHere tells whether a page of another origin had a browser ask, other than that somebody followed a link
// (https://www.w3.org/TR/fetch-metadata/). No cookie that such a request would lack says so where nobody logs in,
// and it would have the custody log tell of looks that were none, or take the time of a search.
func broughtHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return !reads || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// Navigates tells whether a browser goes to a page, rather than that a page or a program asks.
func Navigates(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode == "" || mode == "navigate"
}

// returnPath is where a person goes on after they were asked for something.
func returnPath(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "/"
	}
	return LocalPath(r.URL.RequestURI())
}

// LocalPath is a path of this portal, with its query: what leads elsewhere, or to the gate's own
// pages, becomes "/".
func LocalPath(s string) string {
	const longest = 2 << 10
	outside := strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f })
	if len(s) > longest || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || outside {
		return "/"
	}
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	for _, own := range []string{LoginPath, CallbackPath, LogoutPath, LoggedOutPath, PurposePath} {
		if u.Path == own {
			return "/"
		}
	}
	return s
}
