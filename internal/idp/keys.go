package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keysKept is how many keys verify: the one that signs, and those of before.
const keysKept = 3

// key signs ID tokens (ES256, RFC 7518 section 3.4).
type key struct {
	id      string
	private *ecdsa.PrivateKey
}

// Rotate has a new key sign from now on. The two of before still verify.
func (s *Server) Rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, key{rand.Text(), private})
	s.keys = s.keys[max(0, len(s.keys)-keysKept):]
	return nil
}

// Forget has no key verify but the one that signs.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// public are the keys that verify (RFC 7517).
func (s *Server) public() jose.JSONWebKeySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range s.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"})
	}
	return set
}

// Sign makes a token of any claims, as tests need.
func (s *Server) Sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	k := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Claims are those of a user's ID token (OpenID Connect Core 1.0 section 2).
func (s *Server) Claims(name, nonce string) (map[string]any, error) {
	user, ok := s.user(name)
	if !ok {
		return nil, fmt.Errorf("there is no user %q", name)
	}
	now := s.now()
	claims := map[string]any{
		"iss": s.Issuer, "aud": s.options.ClientID, "sub": user.Subject, "preferred_username": user.Name,
		"iat": now.Unix(), "exp": now.Add(s.tokenFor()).Truncate(time.Second).Unix(), "groups": user.Groups,
	}
	if user.Subject == "" {
		claims["sub"] = user.Name
	}
	if user.Groups == nil {
		claims["groups"] = []string{}
	}
	if user.FullName != "" {
		claims["name"] = user.FullName
	}
	if strings.Contains(user.Name, "@") {
		claims["email"], claims["email_verified"] = user.Name, true
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return claims, nil
}

// Token is an ID token for a user, such as a program would have fetched.
func (s *Server) Token(name string) (string, error) {
	claims, err := s.Claims(name, "")
	if err != nil {
		return "", err
	}
	return s.Sign(claims)
}
