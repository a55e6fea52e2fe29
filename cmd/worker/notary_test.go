package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// TestNotaryFlags: what is given has to fit together, and a worker that vouches for nothing says so.
func TestNotaryFlags(t *testing.T) {
	t.Parallel()
	private, public, err := note.GenerateKey(nil, "fleet.test/custody")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	log := file("custody.key", private)
	urls := []string{"http://tsa.test/", "https://tsa.example:3161/x"}
	cases := map[string]struct {
		reason         string
		in             notaryOptions
		wrong          string // part of the error, empty when it is good
		signed, logged bool
	}{
		"Nothing":     {reason: "a fleet may be tried unsigned"},
		"All":         {reason: "a key, authorities and a log", in: notaryOptions{key: "key.pem", stampURLs: urls, custodyKey: log, retired: file("old", public)}, signed: true, logged: true},
		"KeyAlone":    {reason: "the key is looked at when there is something to sign", in: notaryOptions{key: "missing.pem"}, signed: true},
		"LogAlone":    {reason: "they do not depend on each other", in: notaryOptions{custodyKey: log}, logged: true},
		"NoKey":       {reason: "stamps are over signatures", in: notaryOptions{stampURLs: urls}, wrong: "need --sign-key"},
		"Domain":      {reason: "a domain's signature has a stamp", in: notaryOptions{key: "k", cert: "c", stampURLs: urls}, signed: true},
		"DomainAlone": {reason: "and cannot do without", in: notaryOptions{key: "k", cert: "c"}, wrong: "needs --timestamp-url"},
		"NoAddress":   {reason: "an authority has an address", in: notaryOptions{key: "k", stampURLs: []string{"tsa.test"}}, wrong: "--timestamp-url"},
		"NoRoots":     {reason: "a file without certificates vouches for nobody", in: notaryOptions{key: "k", roots: file("roots", "none")}, wrong: "--timestamp-roots"},
		"NoLog":       {reason: "retired keys are those of a log", in: notaryOptions{retired: "old"}, wrong: "needs --custody-key"},
		"PublicKey":   {reason: "a public key signs nothing", in: notaryOptions{custodyKey: file("public", public)}, wrong: "--custody-key"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			n, err := newNotary(tc.in, new(blob.Bucket), time.Now, slog.New(slog.NewTextHandler(&said, nil)))
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			if err != nil || (n.Signer != nil) != tc.signed || (n.Custody != nil) != tc.logged || len(n.Authorities) != len(tc.in.stampURLs) {
				t.Fatalf("%s: %+v, %v", tc.reason, n, err)
			}
			if tc.signed && (n.Signer.Authority != nil) != (tc.in.cert != "") {
				t.Errorf("%s: a stamp in the file is for a domain's signature alone", tc.reason)
			}
			if strings.Contains(said.String(), "nothing is signed") == tc.signed {
				t.Errorf("%s: it said %s", tc.reason, said.String())
			}
		})
	}
}

// TestCustodyLogIsOfWhoPlans: a worker with browsers alone neither has its key nor says that it has none.
func TestCustodyLogIsOfWhoPlans(t *testing.T) {
	t.Parallel()
	private, _, err := note.GenerateKey(nil, "fleet.test/custody")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "custody.key")
	if err := os.WriteFile(key, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		role, key     string
		logged, warns bool
	}{
		"Planner":           {role: rolePlan, key: key, logged: true},
		"PlannerWithoutKey": {role: rolePlan, warns: true},
		"Browser":           {role: roleBrowser, key: key},
		"BrowserWithoutKey": {role: roleBrowser},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			o := options{roles: []string{tc.role}, archiveBucket: "archive", notary: notaryOptions{custodyKey: tc.key}}
			n, err := o.vouching(t.TempDir(), new(blob.Client), time.Now, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil || n.Logs() != tc.logged || strings.Contains(said.String(), "no custody log") != tc.warns {
				t.Errorf("there is a log: %t, %v; it said %s", n.Logs(), err, said.String())
			}
		})
	}
}
