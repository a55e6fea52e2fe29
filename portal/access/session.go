package access

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"crawlfleet.dev/crawlfleet/internal/sealing"
)

// How long a session lasts when nothing else is said.
const (
	DefaultSession = 8 * time.Hour
	DefaultIdle    = time.Hour
)

// Sessions are kept by the browsers, sealed, so that each replica of the portal knows them and
// none keeps any. Nobody else can end one: it ends when its person logs out, in that browser, or
// with its time. Rights are asked for anew all the while; the groups are those of the log-in.
type Sessions struct {
	Keys *sealing.Keys
	// Secure is set where browsers come by https.
	Secure bool
	// Absolute is how long a session lasts, Idle how long without a request; the defaults when
	// they are 0.
	Absolute, Idle time.Duration
	// Now is the time; time.Now where it is nil.
	Now func() time.Time
}

// session is what the browser keeps. Times are in seconds since 1970.
type session struct {
	// ID tells sessions apart.
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
	Shown  string   `json:"shown,omitempty"`
	Begun  int64    `json:"begun"`
	Seen   int64    `json:"seen"`
}

// begin begins the session of somebody who has logged in.
func (s *Sessions) begin(w http.ResponseWriter, p Person) error {
	now := s.now().Unix()
	return s.set(w, sessionCookie, "session", session{
		ID: rand.Text(), Name: p.Name, Groups: p.Groups, Shown: p.Shown, Begun: now, Seen: now,
	}, 0)
}

// read gives the session of a browser.
func (s *Sessions) read(r *http.Request) (session, error) {
	var kept session
	if err := s.get(r, sessionCookie, "session", &kept); err != nil {
		return session{}, err
	}
	now := s.now()
	switch {
	case kept.Name == "":
		return session{}, errors.New("a session of nobody")
	case now.Sub(time.Unix(kept.Begun, 0)) >= s.absolute():
		return session{}, errors.New("the session is over")
	case now.Sub(time.Unix(kept.Seen, 0)) >= s.idle():
		return session{}, errors.New("the session was not used for too long")
	}
	return kept, nil
}

// refresh is the header of requests that a page makes by itself, while nobody may sit before it.
const refresh = "Crawlfleet-Refresh"

// person is whose session the browser has. Now and then the browser is told that it was used.
func (s *Sessions) person(w http.ResponseWriter, r *http.Request) (Person, error) {
	kept, err := s.read(r)
	if err != nil {
		return Person{}, err
	}
	if now := s.now(); r.Header.Get(refresh) == "" && now.Sub(time.Unix(kept.Seen, 0)) >= s.idle()/12 {
		kept.Seen = now.Unix()
		if err := s.set(w, sessionCookie, "session", kept, 0); err != nil {
			return Person{}, err
		}
	}
	return Person{Name: kept.Name, Groups: kept.Groups, Shown: kept.Shown}, nil
}

// end has the browser forget the session and what it was for.
func (s *Sessions) end(w http.ResponseWriter, r *http.Request) {
	s.clear(w, r, sessionCookie)
	s.clear(w, r, purposeCookie)
}

// said is what a person said they look for. It has a cookie of its own: the one of the session is
// set anew by requests that may have begun before it was said.
type said struct {
	Name    string `json:"name"`
	Session string `json:"session,omitempty"`
	Purpose string `json:"purpose"`
	Case    string `json:"case,omitempty"`
	At      int64  `json:"at"`
}

// purpose is what the person said they look for, in this session.
func (s *Sessions) purpose(r *http.Request, p Person) (purpose, reference string) {
	var kept said
	if err := s.get(r, purposeCookie, "purpose", &kept); err != nil {
		return "", ""
	}
	if kept.Name != p.Name || kept.Session != s.id(r) || s.now().Sub(time.Unix(kept.At, 0)) >= s.absolute() {
		return "", ""
	}
	return kept.Purpose, kept.Case
}

func (s *Sessions) setPurpose(w http.ResponseWriter, r *http.Request, p Person, purpose, reference string) error {
	return s.set(w, purposeCookie, "purpose", said{
		Name: p.Name, Session: s.id(r), Purpose: purpose, Case: reference, At: s.now().Unix(),
	}, 0)
}

// id is that of the session, empty for none.
func (s *Sessions) id(r *http.Request) string {
	kept, err := s.read(r)
	if err != nil {
		return ""
	}
	return kept.ID
}

func (s *Sessions) absolute() time.Duration {
	if s.Absolute > 0 {
		return s.Absolute
	}
	return DefaultSession
}

func (s *Sessions) idle() time.Duration {
	if s.Idle > 0 {
		return s.Idle
	}
	return DefaultIdle
}

func (s *Sessions) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
