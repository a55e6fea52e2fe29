package access

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The cookies, and what is sealed in them (RFC 6265bis).
const (
	sessionCookie = "crawlfleet-session"
	purposeCookie = "crawlfleet-purpose"
	loginCookie   = "crawlfleet-login-" // with the beginning of the state
)

// A browser keeps a cookie of 4096 bytes; somebody of many groups needs more than one.
const (
	cookiePart  = 3800
	cookieParts = 4
)

// errNoCookie is that the browser sent none.
var errNoCookie = errors.New("no cookie")

// name is the name of a cookie. The prefix has the browser see to it that no other host, and
// nobody without https, can set it.
func (s *Sessions) name(base string) string {
	if s.Secure {
		return "__Host-" + base
	}
	return base
}

func partName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(i)
}

// set gives the browser a sealed value, in as many cookies as it takes; the first begins with
// their number. Age is in seconds, 0 until the browser ends.
func (s *Sessions) set(w http.ResponseWriter, base, use string, value any, age int) error {
	sealed, err := s.Keys.Seal(use, value)
	if err != nil {
		return err
	}
	text := base64.RawURLEncoding.EncodeToString(sealed)
	parts := (len(text) + cookiePart - 1) / cookiePart
	if parts > cookieParts {
		return fmt.Errorf("needs %d bytes, browsers are given %d at most", len(text), cookiePart*cookieParts)
	}
	for i := range parts {
		part := text[i*cookiePart : min((i+1)*cookiePart, len(text))]
		if i == 0 {
			part = strconv.Itoa(parts) + "." + part
		}
		http.SetCookie(w, s.cookie(partName(s.name(base), i), part, age))
	}
	return nil
}

// get opens the sealed value that the browser has.
func (s *Sessions) get(r *http.Request, base, use string, value any) error {
	name := s.name(base)
	first, err := r.Cookie(name)
	if err != nil {
		return errNoCookie
	}
	number, text, _ := strings.Cut(first.Value, ".")
	parts, err := strconv.Atoi(number)
	if err != nil || parts < 1 || parts > cookieParts {
		return fmt.Errorf("cookie %s: not as it was set", name)
	}
	for i := 1; i < parts; i++ {
		part, err := r.Cookie(partName(name, i))
		if err != nil {
			return fmt.Errorf("cookie %s: part %d is missing", name, i)
		}
		text += part.Value
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("cookie %s: not as it was set", name)
	}
	if err := s.Keys.Open(use, sealed, value); err != nil {
		return fmt.Errorf("cookie %s: %w", name, err)
	}
	return nil
}

// clear has the browser forget a value that it has.
func (s *Sessions) clear(w http.ResponseWriter, r *http.Request, base string) {
	for i := range cookieParts {
		name := partName(s.name(base), i)
		if _, err := r.Cookie(name); err == nil {
			http.SetCookie(w, s.cookie(name, "", -1))
		}
	}
}

func (s *Sessions) cookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	}
}
