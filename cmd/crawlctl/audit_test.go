package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// auditCase is a log in a folder, with the keys that crawlctl made for it.
type auditCase struct {
	t            *testing.T
	dir, private string
	public       string // file
}

func newAuditCase(t *testing.T) *auditCase {
	t.Helper()
	dir := t.TempDir()
	a := &auditCase{t: t, dir: filepath.Join(dir, "log"), private: filepath.Join(dir, "key"), public: filepath.Join(dir, "key.pub")}
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	out, _ := a.run(cli.ExitOK, "audit", "keys", "create", "fleet.example/custody", "--out", a.private)
	if err := os.WriteFile(a.public, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// run runs crawlctl and expects an exit code.
func (a *auditCase) run(code int, args ...string) (stdout, stderr string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	if got := run(args, nil, &out, &errs); got != code {
		a.t.Fatalf("crawlctl %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// on adds the flags that name the log.
func (a *auditCase) on(args ...string) []string {
	return append(append([]string{"audit"}, args...), "--dir", a.dir, "--key", a.public)
}

// log opens the log to write it.
func (a *auditCase) log(store custody.Store) *custody.Log {
	a.t.Helper()
	private, err := os.ReadFile(a.private)
	if err != nil {
		a.t.Fatal(err)
	}
	public, err := os.ReadFile(a.public)
	if err != nil {
		a.t.Fatal(err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(private)))
	if err != nil {
		a.t.Fatal(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		a.t.Fatal(err)
	}
	log, err := custody.New(custody.Config{Store: store, Prefix: "custody", Origin: "fleet.example/custody", Verifiers: note.VerifierList(verifier), Signer: signer})
	if err != nil {
		a.t.Fatal(err)
	}
	return log
}

// write appends n entries, all but the first of a case.
func (a *auditCase) write(store custody.Store, name string, n int) {
	a.t.Helper()
	log := a.log(store)
	for i := range n {
		e := custody.Entry{
			Event: custody.Stored, ID: fmt.Sprintf("%s-%d", name, i), Object: blob.Key("archive/cases/fleet/1/chunks/" + name + ".wacz"),
			SHA256: strings.Repeat("ab", 32), When: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Who: "worker/1",
		}
		if i > 0 {
			e.Event, e.Case, e.Why = custody.TiedToCase, "17/2030", `shows "the number"`
		}
		if _, err := log.Append(a.t.Context(), e); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *auditCase) folder() *custody.Folder {
	a.t.Helper()
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { root.Close() })
	return &custody.Folder{Root: root}
}

func expectText(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in:\n%s", w, got)
		}
	}
}

func TestAuditVerifyAndProve(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	_, stderr := a.run(cli.ExitFailed, a.on("verify")...)
	expectText(t, stderr, "the log is empty")
	a.write(a.folder(), "a", 5)
	out, _ := a.run(cli.ExitOK, a.on("verify")...)
	expectText(t, out, "holds: 5 entries in 5 batches, 5 checkpoints", "last checkpoint: 5 entries, root ")
	proof := filepath.Join(t.TempDir(), "a.tlog-proof")
	a.run(cli.ExitOK, a.on("prove", "a-3", "--out", proof)...)
	out, _ = a.run(cli.ExitOK, "audit", "verify", "--key", a.public, proof)
	expectText(t, out, "holds: entry 3 of 5: TiedToCase archive/cases/fleet/1/chunks/a.wacz by worker/1 at 2030-01-02T03:04:05Z")
	out, _ = a.run(cli.ExitOK, a.on("prove", "--index", "3", "-o", "json")...)
	var proved proofOutput
	if err := json.Unmarshal([]byte(out), &proved); err != nil || proved.Entry.ID != "a-3" || len(proved.Path) != 3 {
		t.Errorf("%s: %v", out, err)
	}
	text, err := os.ReadFile(proof)
	if err != nil || proved.Proof != string(text) {
		t.Errorf("the proofs differ: %v", err)
	}
	if err := os.WriteFile(proof, bytes.Replace(text, []byte("index 3"), []byte("index 2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = a.run(cli.ExitFailed, "audit", "verify", "--key", a.public, proof)
	expectText(t, out, "does not hold: proof: the way from the entry does not lead to the signed root")
	_, stderr = a.run(cli.ExitFailed, a.on("prove", "b-3")...)
	expectText(t, stderr, "no such entry in the log")
	batch := filepath.Join(a.dir, "custody/batches/000000000002")
	raw, err := os.ReadFile(batch)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(batch, bytes.Replace(raw, []byte("worker/1"), []byte("worker/2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = a.run(cli.ExitFailed, a.on("verify")...)
	expectText(t, out, "does not hold: custody log: custody/batches/000000000002: ", "sound before that: 2 batches, 2 entries")
	out, _ = a.run(cli.ExitFailed, a.on("verify", "-o", "json")...)
	expectText(t, out, `"holds":false`, `"object":"custody/batches/000000000002"`)
}

func TestAuditList(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	a.write(a.folder(), "a", 2)
	a.write(a.folder(), "b", 2)
	cases := map[string]struct {
		args []string
		want []string
	}{
		"All":    {want: []string{"0  2030-01-02T03:04:05.000Z  Stored", "3  2030"}},
		"Object": {args: []string{"--object", "archive/cases/fleet/1/chunks/b.wacz"}, want: []string{"2  2030", "3  2030"}},
		"Case":   {args: []string{"--case", "17/2030"}, want: []string{"1  2030", `case=17/2030 why="shows \"the number\""`}},
		"Event":  {args: []string{"--event", "Stored"}, want: []string{"0  2030", "2  2030"}},
		"From":   {args: []string{"--from", "2"}, want: []string{"2  2030", "3  2030"}},
		"JSON":   {args: []string{"-o", "json", "--from", "3"}, want: []string{`{"index":3,"case":"17/2030","event":"TiedToCase","id":"b-1"`}},
	}
	lines := map[string]int{"All": 4, "Object": 2, "Case": 2, "Event": 2, "From": 2, "JSON": 1}
	for name, tc := range cases {
		out, _ := a.run(cli.ExitOK, a.on(append([]string{"list"}, tc.args...)...)...)
		expectText(t, out, tc.want...)
		if got := strings.Count(out, "\n"); got != lines[name] {
			t.Errorf("%s: %d lines:\n%s", name, got, out)
		}
	}
}

func TestAuditWitness(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	dir := t.TempDir()
	kept, key := filepath.Join(dir, "kept"), filepath.Join(dir, "witness.key")
	vkey, _ := a.run(cli.ExitOK, "audit", "keys", "create", "police.example/witness", "--witness", "--out", key)
	watch := a.on("witness", "--checkpoint-file", kept, "--witness-key", key)
	a.write(a.folder(), "a", 3)
	out, _ := a.run(cli.ExitOK, watch...)
	expectText(t, out, "the whole log was verified; cosigned and kept: 3 entries, root ")
	a.write(a.folder(), "b", 3)
	out, _ = a.run(cli.ExitOK, watch...)
	expectText(t, out, "extends 3 entries", "cosigned and kept: 6 entries")
	raw, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := custody.NewWitnessVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := custody.Cosigned(custody.Checkpoint{Note: raw}, verifier); err != nil || time.Since(at) > time.Hour {
		t.Errorf("cosigned at %v, %v", at, err)
	}
	a.run(cli.ExitOK, a.on("verify", "--checkpoint", kept)...)
	a.write(a.folder(), "d", 3)
	out, _ = a.run(cli.ExitOK, a.on("verify", "--checkpoint", kept, "--witness", strings.TrimSpace(vkey))...)
	expectText(t, out, "holds: 9 entries", ": 6 entries, root ", "entries 6..8 are not cosigned yet by police.example/witness\n")

	// Whoever has the key writes another log in its place.
	if err := os.RemoveAll(filepath.Join(a.dir, "custody")); err != nil {
		t.Fatal(err)
	}
	a.write(a.folder(), "c", 9)
	a.run(cli.ExitOK, a.on("verify")...)
	_, stderr := a.run(cli.ExitFailed, watch...)
	expectText(t, stderr, "was changed or forked: the root of its first 6 entries was ", ", and is ")
	out, _ = a.run(cli.ExitFailed, append(watch, "-o", "json")...)
	expectText(t, out, `"holds":false`, `"kept":{"size":6,`, `"found":{"size":9,`, `"rootNow":"`)
	out, _ = a.run(cli.ExitFailed, a.on("verify", "--checkpoint", kept)...)
	expectText(t, out, "was changed or forked")
	if now, err := os.ReadFile(kept); err != nil || !bytes.Equal(now, raw) {
		t.Errorf("the checkpoint that was kept is another one: %v", err)
	}
}

// TestAuditStore reads the log from an S3 server.
func TestAuditStore(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	server := new(blobtest.Server)
	endpoint := server.Start(t)
	client, err := blob.NewClient(blob.Config{Endpoint: endpoint, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	a.write(client.Bucket("archive"), "a", 3)
	credentials := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(credentials, []byte("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := a.run(cli.ExitOK, "audit", "verify", "--s3-endpoint", endpoint, "--s3-credentials-file", credentials, "--bucket", "archive", "--key", a.public)
	expectText(t, out, "holds: 3 entries")
}

func TestAuditUsage(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	cases := map[string]struct {
		args []string
		want string
	}{
		"NoKey":      {[]string{"audit", "verify", "--dir", a.dir}, "--key: give the public key"},
		"NoStore":    {[]string{"audit", "verify", "--key", a.public, "--s3-endpoint="}, "give --dir, or --s3-endpoint"},
		"NoFolder":   {[]string{"audit", "verify", "--key", a.public, "--dir", a.dir + "x"}, "--dir: "},
		"PrivateKey": {[]string{"audit", "verify", "--key", a.private, "--dir", a.dir}, "is no public key"},
		"Output":     {a.on("verify", "-o", "yaml"), "want json"},
		"Both":       {a.on("prove", "a", "--index", "1"), "want one ID, or --index"},
		"NoFile":     {a.on("witness"), "--checkpoint-file: give the file"},
		"NoOut":      {[]string{"audit", "keys", "create", "a"}, "--out: give a file"},
		"NamePlus":   {[]string{"audit", "keys", "create", "a+b", "--out", a.dir + "/k"}, "no spaces and no +"},
	}
	for name, tc := range cases {
		_, stderr := a.run(cli.ExitUsage, tc.args...)
		if !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: %s", name, stderr)
		}
	}
	before, err := os.ReadFile(a.private)
	if err != nil {
		t.Fatal(err)
	}
	a.run(cli.ExitUsage, "audit", "keys", "create", "fleet.example/custody", "--out", a.private)
	if after, err := os.ReadFile(a.private); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a key was overwritten: %v", err)
	}
}
