package replay

import (
	"encoding/base64"
	"errors"
	"fmt"

	"crawlfleet.dev/crawlfleet/internal/sealing"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// maxToken bounds a token in characters, before anything is done with it: of the longest names, a purpose and a case
// of a person who looks, and of a run of Kubernetes' longest names, twice.
const maxToken = 8192

// What is wrong with a token.
var (
	// ErrToken: it was not made with a key of this portal, or was changed.
	ErrToken = errors.New("this is no address that the portal has given")
	// ErrExpired: its time is over.
	ErrExpired = errors.New("this address has expired: open the page in the portal again")
)

// sealed is what the keys of tokens are for.
const sealed = "crawlfleet replay token"

// RandomKeys seal tokens, for one process: addresses that it gave end with it.
func RandomKeys() *sealing.Keys { return sealing.Random(sealed) }

// OpenKeys reads a file of secrets to seal tokens with, as package sealing has it. Portals behind one name need the
// same.
func OpenKeys(path string) (*sealing.Keys, error) { return sealing.Open(path, sealed) }

// claim is what a token says.
type claim struct {
	// Person, Purpose and Case are what the custody log is told of who looks.
	Person  string      `json:"p,omitempty"`
	Purpose string      `json:"w,omitempty"`
	Case    string      `json:"c,omitempty"`
	Run     catalog.Run `json:"r"`
	// Folder is where the run's files are, with a slash at its end; File the one of the page that was opened.
	Folder string `json:"d"`
	File   string `json:"f"`
	// Single is set when that file is shown by itself.
	Single  bool  `json:"s,omitempty"`
	Expires int64 `json:"e"` // Unix seconds
}

// seal makes a token, in base64url (RFC 4648 section 5).
func (s *Server) seal(c claim) (string, error) {
	b, err := s.Keys.Seal("", c)
	if err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(b)
	if len(token) > maxToken {
		return "", fmt.Errorf("it would have %d characters, and may have %d", len(token), maxToken) // would not be opened
	}
	return token, nil
}

// open opens a token. An error that is neither ErrToken nor ErrExpired is for the log.
func (s *Server) open(token string) (c claim, err error) {
	if len(token) > maxToken {
		return claim{}, ErrToken
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return claim{}, ErrToken
	}
	switch err := s.Keys.Open("", b, &c); {
	case errors.Is(err, sealing.ErrForeign):
		return claim{}, ErrToken
	case err != nil:
		return claim{}, err
	case s.Now().Unix() >= c.Expires:
		return claim{}, ErrExpired
	}
	return c, nil
}
