package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxShown is how many characters of a name are shown.
const maxShown = 80

// Claims says who somebody is to Kubernetes, as the flags of the API server of the same names do,
// so that a RoleBinding holds for kubectl and for the portal
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server).
type Claims struct {
	// Username is the claim with the user name (--oidc-username-claim); sub when it is empty.
	Username string
	// UsernamePrefix is put before it (--oidc-username-prefix). Where it is empty, the issuer's
	// address and # are, unless the claim is email. "-" is for no prefix.
	UsernamePrefix string
	// Groups is the claim with the groups, a text or a list (--oidc-groups-claim), empty for no
	// groups, and GroupsPrefix is put before each (--oidc-groups-prefix).
	Groups, GroupsPrefix string
}

// claims are those of an ID token.
type claims map[string]json.RawMessage

func (c claims) text(name string) (s string, err error) {
	raw, ok := c[name]
	if !ok {
		return "", fmt.Errorf("the token has no claim %q", name)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("the claim %q is no text", name)
	}
	return s, nil
}

// person is whom the claims of an issuer's token are about.
func (c Claims) person(issuer string, token claims) (Person, error) {
	claim := c.usernameClaim()
	name, err := token.text(claim)
	if err != nil {
		return Person{}, err
	}
	if name == "" {
		return Person{}, fmt.Errorf("the claim %q is empty", claim)
	}
	if claim == "email" {
		if err := verified(token); err != nil {
			return Person{}, err
		}
	}
	groups, err := c.groups(token)
	if err != nil {
		return Person{}, err
	}
	p := Person{Name: c.usernamePrefix(issuer) + name, Groups: groups}
	p.Shown = shown(token, p.Name)
	return p, nil
}

func (c Claims) usernameClaim() string {
	if c.Username == "" {
		return "sub"
	}
	return c.Username
}

func (c Claims) usernamePrefix(issuer string) string {
	switch {
	case c.UsernamePrefix == "-":
		return ""
	case c.UsernamePrefix == "" && c.usernameClaim() != "email":
		return issuer + "#"
	}
	return c.UsernamePrefix
}

// verified refuses an address of which the provider says that nobody has checked it.
func verified(token claims) error {
	raw, ok := token["email_verified"]
	if !ok {
		return nil
	}
	var is bool
	if err := json.Unmarshal(raw, &is); err != nil || !is {
		return errors.New("the provider has not verified the e-mail address")
	}
	return nil
}

func (c Claims) groups(token claims) ([]string, error) {
	raw, ok := token[c.Groups]
	if c.Groups == "" || !ok || string(raw) == "null" {
		return nil, nil
	}
	var groups []string
	if err := json.Unmarshal(raw, &groups); err != nil {
		var one string
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("the claim %q is neither a text nor a list of texts", c.Groups)
		}
		groups = []string{one}
	}
	for i, group := range groups {
		groups[i] = c.GroupsPrefix + group
	}
	return slices.Compact(groups), nil
}

// shown is what a person is greeted by.
func shown(token claims, name string) string {
	for _, claim := range []string{"name", "preferred_username", "email"} {
		if s, err := token.text(claim); err == nil && strings.TrimSpace(s) != "" {
			name = s
			break
		}
	}
	letters := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, name)))
	return string(letters[:min(len(letters), maxShown)])
}
