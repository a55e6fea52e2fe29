// Package idp is a small OpenID Connect provider for development and tests: people who are
// configured log in with a password, and programs get ID tokens that a real client checks like
// those of any other provider.
//
// It knows discovery, one client, the authorization code flow with PKCE (RFC 7636, S256 alone)
// and codes that count once, keys that are exchanged while the old ones still verify, and log-out
// that a client asks for (OpenID Connect RP-Initiated Logout 1.0). It knows no sessions of its own:
// who logs in is asked each time. It keeps nothing and listens on loopback alone. It must not be
// used for anything that matters.
package idp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

// User is somebody who can log in.
type User struct {
	// Name is what they log in as, the claim preferred_username, and the claim email where it is an
	// address. Subject is the claim sub; Name when it is empty.
	Name     string
	Subject  string
	Password string
	// FullName is the claim name, Groups the claim groups.
	FullName string
	Groups   []string
}

// Options say what a provider is like.
type Options struct {
	// Listen is a loopback address, such as 127.0.0.1:0.
	Listen string
	// ClientID and ClientSecret are those of the one client; without a secret it is a public one.
	ClientID, ClientSecret string
	// Redirects are where the client may have people sent back to, and where after a log-out.
	Redirects []string
	Users     []User
	// TokenFor is how long an ID token counts; ten minutes when it is 0.
	TokenFor time.Duration
	// Now is the time; time.Now where it is nil.
	Now func() time.Time
}

const (
	defaultTokenFor = 10 * time.Minute
	codeFor         = time.Minute
	codesKept       = 1000
)

// Server is a provider that runs.
type Server struct {
	// Issuer is its address.
	Issuer string

	options Options
	server  *http.Server
	done    chan error

	mu    sync.Mutex
	keys  []key // the last signs
	codes map[string]grant
}

// Start starts a provider. It listens on loopback or not at all.
func Start(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Issuer: "http://" + listener.Addr().String(), options: o, done: make(chan error, 1), codes: map[string]grant{},
	}
	if err := s.Rotate(); err != nil {
		listener.Close()
		return nil, err
	}
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// Close stops it and waits until it has.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (o *Options) check() error {
	addr, err := netip.ParseAddrPort(o.Listen)
	if err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("listen on %q: must be a loopback address with a port, such as 127.0.0.1:0: this provider is for development alone", o.Listen)
	}
	if o.ClientID == "" {
		return errors.New("there is no client ID")
	}
	for _, redirect := range o.Redirects {
		if u, err := url.Parse(redirect); err != nil || !u.IsAbs() || u.Fragment != "" {
			return fmt.Errorf("redirect %q: must be an address without a fragment", redirect)
		}
	}
	for i, u := range o.Users {
		same := func(other User) bool { return other.Name == u.Name }
		if u.Name == "" || u.Password == "" || slices.ContainsFunc(o.Users[:i], same) {
			return fmt.Errorf("user %q: must have a name of their own and a password", u.Name)
		}
	}
	return nil
}

func (s *Server) now() time.Time {
	if s.options.Now == nil {
		return time.Now()
	}
	return s.options.Now()
}

func (s *Server) tokenFor() time.Duration {
	if s.options.TokenFor > 0 {
		return s.options.TokenFor
	}
	return defaultTokenFor
}

func (s *Server) user(name string) (User, bool) {
	i := slices.IndexFunc(s.options.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return User{}, false
	}
	return s.options.Users[i], true
}

// grant is what a code stands for.
type grant struct {
	user      User
	redirect  string
	nonce     string
	challenge string
	until     time.Time
}

// issue makes a code for a grant.
func (s *Server) issue(g grant) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for code, old := range s.codes {
		if !now.Before(old.until) {
			delete(s.codes, code)
		}
	}
	if len(s.codes) >= codesKept {
		return "", errors.New("too many log-ins at the same time")
	}
	code := rand.Text()
	g.until = now.Add(codeFor)
	s.codes[code] = g
	return code, nil
}

// redeem takes what a code stands for. It counts once.
func (s *Server) redeem(code string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.codes[code]
	delete(s.codes, code)
	return g, ok && s.now().Before(g.until)
}
