package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/versity/versitygw/auth"
)

// User is one who gets into the store beside the root account, and may do what a policy says and nothing
// else.
type User struct {
	// Policy is a file with a policy as AWS has them for users (without Principal), Credentials an AWS
	// credentials file with the user's keys.
	Policy, Credentials string
}

// ParseUsers reads flags, each POLICY=CREDENTIALS.
func ParseUsers(flags []string) ([]User, error) {
	var users []User
	for _, flag := range flags {
		policy, credentials, ok := strings.Cut(flag, "=")
		if !ok || policy == "" || credentials == "" {
			return nil, fmt.Errorf("--s3-user %q: must be POLICY=CREDENTIALS, two files", flag)
		}
		users = append(users, User{policy, credentials})
	}
	return users, nil
}

// policyDocument is a policy, for a user or for a bucket.
type policyDocument struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal *principal `json:",omitempty"`
	Action    list
	Resource  list
	Condition map[string]map[string]any `json:",omitempty"`
}

type principal struct{ AWS []string }

// list is one word or several.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// member is a user as it was read.
type member struct {
	keys   Keys
	policy policyDocument
}

func loadUsers(users []User) ([]member, error) {
	var members []member
	for _, u := range users {
		data, err := os.ReadFile(u.Policy)
		if err != nil {
			return nil, fmt.Errorf("read the policy of a user of the store: %w", err)
		}
		var m member
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&m.policy); err != nil {
			return nil, fmt.Errorf("policy %s: %w", u.Policy, err)
		}
		for _, s := range m.policy.Statement {
			if s.Principal != nil {
				return nil, fmt.Errorf("policy %s: statement %q has a Principal; it is the user's", u.Policy, s.Sid)
			}
		}
		if m.keys, err = LoadKeys(Options{Credentials: u.Credentials}); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// writesOnce tells of a statement that it forbids to put anything without If-None-Match. The gateway
// knows no such condition and takes no policy that has it: [once] keeps it.
func (s *statement) writesOnce() bool {
	_, ok := s.Condition["Null"]["s3:if-none-match"]
	return ok && s.Effect == "Deny"
}

const arn = "arn:aws:s3:::"

// bucketPolicy is the policy of a bucket by which each user may do there what its own policy says: the
// gateway knows policies of buckets alone. It is empty when nobody may do anything.
func bucketPolicy(bucket string, members []member) ([]byte, error) {
	all := policyDocument{Version: "2012-10-17"}
	for _, m := range members {
		for _, s := range m.policy.Statement {
			if s.writesOnce() {
				continue
			}
			var here list
			for _, r := range s.Resource {
				if name, _, _ := strings.Cut(strings.TrimPrefix(r, arn), "/"); name == bucket {
					here = append(here, r)
				}
			}
			if len(here) == 0 {
				continue
			}
			s.Resource, s.Principal = here, &principal{AWS: []string{m.keys.Access}}
			all.Statement = append(all.Statement, s)
		}
	}
	if len(all.Statement) == 0 {
		return nil, nil
	}
	return json.Marshal(all)
}

// onceOnly are the access keys of those who may never put without If-None-Match.
func onceOnly(members []member) map[string]bool {
	keys := map[string]bool{}
	for _, m := range members {
		for _, s := range m.policy.Statement {
			if s.writesOnce() {
				keys[m.keys.Access] = true
			}
		}
	}
	return keys
}

// accounts are the root account and the users, as they were when the store started. Nobody makes
// others over the network.
type accounts map[string]auth.Account

func newAccounts(root Keys, members []member) (accounts, error) {
	all := accounts{root.Access: {Access: root.Access, Secret: root.Secret, Role: auth.RoleAdmin}}
	for _, m := range members {
		if _, taken := all[m.keys.Access]; taken {
			return nil, fmt.Errorf("two users of the store have the access key %q", m.keys.Access)
		}
		all[m.keys.Access] = auth.Account{Access: m.keys.Access, Secret: m.keys.Secret, Role: auth.RoleUser}
	}
	return all, nil
}

var errFixed = errors.New("the users of the store are those that it was started with")

// GetUserAccount implements auth.IAMService.
func (a accounts) GetUserAccount(access string) (auth.Account, error) {
	account, ok := a[access]
	if !ok {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return account, nil
}

// ResolveAccounts implements auth.IAMService: it tells which of them there are not.
func (a accounts) ResolveAccounts(access []string) ([]string, error) {
	var missing []string
	for _, key := range access {
		if _, ok := a[key]; !ok {
			missing = append(missing, key)
		}
	}
	return missing, nil
}

// CreateAccount implements auth.IAMService.
func (accounts) CreateAccount(auth.Account) error { return errFixed }

// UpdateUserAccount implements auth.IAMService.
func (accounts) UpdateUserAccount(string, auth.MutableProps) error { return errFixed }

// DeleteUserAccount implements auth.IAMService.
func (accounts) DeleteUserAccount(string) error { return errFixed }

// ListUserAccounts implements auth.IAMService.
func (accounts) ListUserAccounts() ([]auth.Account, error) { return nil, errFixed }

// Shutdown implements auth.IAMService.
func (accounts) Shutdown() error { return nil }
