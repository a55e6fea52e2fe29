package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"filippo.io/age"
)

// MaxSealed is the size in bytes of the largest sealed profile: it travels through
// Temporal, which refuses payloads of 2 MiB.
const MaxSealed = 512 << 10

// version of a sealed profile.
const version = 1

// Profile is a state and what it is for.
type Profile struct {
	// Name and UID are those of the BrowserProfile, SHA256 is the [Digest] of its state
	// file. They are what records say.
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"`
	SHA256 string `json:"sha256"`
	// Hosts are the hosts that the state is for, each with its subdomains; no other host
	// is visited with it. State is narrowed to them.
	Hosts []string   `json:"hosts"`
	State State      `json:"state"`
	Login LoginCheck `json:"login"`
}

// New makes a profile of a state file. Without hosts it is for those that the state
// names. Its errors hold no values.
func New(name, uid string, file []byte, hosts []string, login LoginCheck) (*Profile, error) {
	state, err := Parse(file)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		hosts = state.Hosts()
	}
	narrow := state.For(hosts)
	if len(narrow.Cookies) == 0 && len(narrow.Origins) == 0 {
		return nil, fmt.Errorf("it holds nothing for %s", strings.Join(hosts, ", "))
	}
	if err := login.Check(); err != nil {
		return nil, err
	}
	return &Profile{Name: name, UID: uid, SHA256: Digest(file), Hosts: hosts, State: *narrow, Login: login}, nil
}

// String says which profile it is, without what it holds.
func (p Profile) String() string { return "profile " + p.Name + " (" + p.State.String() + ")" }

// GoString is String.
func (p Profile) GoString() string { return p.String() }

// LogValue is String, for slog.
func (p Profile) LogValue() slog.Value { return slog.StringValue(p.String()) }

// LoginCheck tells the pages of a visitor who is logged in from those of one who is not.
// An empty sign is none; the zero value tells nothing.
type LoginCheck struct {
	// LoggedOutURL is a regular expression (RE2) that the final address of a page matches
	// when the log-in is over: that of the log-in page.
	LoggedOutURL string `json:"loggedOutURL,omitempty"`
	// LoggedOutSelector is a CSS selector of an element, LoggedOutText a text that a page
	// shows when the log-in is over.
	LoggedOutSelector string `json:"loggedOutSelector,omitempty"`
	LoggedOutText     string `json:"loggedOutText,omitempty"`
	// LoggedInSelector and LoggedInText are what every page shows as long as it holds.
	LoggedInSelector string `json:"loggedInSelector,omitempty"`
	LoggedInText     string `json:"loggedInText,omitempty"`
}

// Check says what is wrong with the pattern.
func (l LoginCheck) Check() error {
	if _, err := regexp.Compile(l.LoggedOutURL); err != nil {
		return fmt.Errorf("loginCheck.loggedOut.urlPattern: %w", err)
	}
	return nil
}

// Looks reports whether the check looks at what a page shows.
func (l LoginCheck) Looks() bool {
	return l.LoggedOutSelector+l.LoggedOutText+l.LoggedInSelector+l.LoggedInText != ""
}

// Recipients reads the public keys that profiles are encrypted to: age1..., one or more,
// divided by commas, spaces or lines. None of them is none.
func Recipients(text string) ([]age.Recipient, error) {
	lines := strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }), "\n")
	if lines == "" {
		return nil, nil
	}
	recipients, err := age.ParseRecipients(strings.NewReader(lines))
	if err != nil {
		return nil, fmt.Errorf("read the recipients of profiles, age1...: %w", err)
	}
	return recipients, nil
}

// Identities reads the secret keys that profiles are decrypted with: the file that
// age-keygen writes. Its errors hold no part of it.
func Identities(file io.Reader) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil, errors.New("it holds no identities as age-keygen writes them, AGE-SECRET-KEY-1... on a line")
	}
	return identities, nil
}

// ErrTooLarge is the error of a profile that is larger than MaxSealed when it is sealed.
var ErrTooLarge = errors.New("the state is too large")

// Seal encrypts a profile to whoever holds the identity of one of the recipients.
func Seal(p *Profile, recipients []age.Recipient) ([]byte, error) {
	plain, err := json.Marshal(struct {
		Version int `json:"version"`
		*Profile
	}{version, p})
	if err != nil {
		return nil, fmt.Errorf("encode the profile: %w", err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the profile: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("encrypt the profile: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt the profile: %w", err)
	}
	if sealed.Len() > MaxSealed {
		return nil, fmt.Errorf("%w: sealed it is %d bytes, at most %d are taken", ErrTooLarge, sealed.Len(), MaxSealed)
	}
	return sealed.Bytes(), nil
}

// ErrKey is the error of a profile that none of the identities opens.
var ErrKey = errors.New("none of the identities opens it")

// Open decrypts a profile. Its errors hold no part of it.
func Open(sealed []byte, identities []age.Identity) (*Profile, error) {
	if len(sealed) > MaxSealed {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(sealed))
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	var stranger *age.NoIdentityMatchError
	if errors.As(err, &stranger) {
		return nil, ErrKey
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt the profile: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("decrypt the profile: %w", err)
	}
	var p struct {
		Version int `json:"version"`
		Profile
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil, fmt.Errorf("decode the profile: %w", unspoken(err))
	}
	if p.Version > version {
		return nil, fmt.Errorf("the profile has version %d, this program knows %d: upgrade the workers", p.Version, version)
	}
	if err := p.State.check(); err != nil {
		return nil, fmt.Errorf("the profile's state: %w", err)
	}
	if err := p.Login.Check(); err != nil {
		return nil, err
	}
	return &p.Profile, nil
}
