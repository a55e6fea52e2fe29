package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// custodyName is the name of the custody log of a machine.
const custodyName = "crawlfleet.local/custody"

// keys are what the fleet signs with. They are made once and stay in the folder.
type keys struct {
	// sign is the private key, fingerprint the public half of it as verifiers know it.
	sign, fingerprint string
	// custody is the private key of the custody log, custodyPublic the public one.
	custody, custodyPublic string
	// stamps is the address of the time-stamp authority, roots its certificate.
	stamps, roots string
}

// env are the variables by which a worker knows them.
func (k keys) env() []string {
	return []string{
		"CRAWLFLEET_SIGN_KEY=" + k.sign, "CRAWLFLEET_TIMESTAMP_URLS=" + k.stamps, "CRAWLFLEET_TIMESTAMP_ROOTS=" + k.roots,
		"CRAWLFLEET_CUSTODY_KEY=" + k.custody,
	}
}

// startKeys makes the keys unless an earlier run has, and starts a time-stamp authority, which
// is one for trials: its time is that of this machine.
func (o Options) startKeys(ctx context.Context, procs *processes) (k keys, err error) {
	dir := filepath.Join(o.Dir, "keys")
	k = keys{
		sign: filepath.Join(dir, "signing.pem"), custody: filepath.Join(dir, "custody.key"), custodyPublic: filepath.Join(dir, "custody.pub"),
		roots: filepath.Join(dir, "tsa", "root.pem"),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return k, err
	}
	if k.fingerprint, err = o.signingKey(ctx, k.sign); err != nil {
		return k, fmt.Errorf("make the key that is signed with: %w", err)
	}
	if err := o.custodyKey(ctx, k); err != nil {
		return k, fmt.Errorf("make the key of the custody log: %w", err)
	}
	address, err := sameAddress(filepath.Join(dir, "tsa-address"))
	if err != nil {
		return k, err
	}
	k.stamps = "http://" + address + "/"
	tsa := program{
		name: "tsa", path: filepath.Join(o.Bin, "crawlctl"), args: []string{"tsa", "serve", "--listen", address, "--dir", filepath.Dir(k.roots)}, stateless: true,
	}
	if err := procs.start(tsa); err != nil {
		return k, err
	}
	return k, procs.await(ctx, tsa.name, time.Minute, func() bool { return listens(ctx, address) })
}

// crawlctl runs a command and returns what it prints.
func (o Options) crawlctl(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(o.Bin, "crawlctl"), args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// signingKey makes the key unless it is there, and returns its fingerprint.
func (o Options) signingKey(ctx context.Context, path string) (string, error) {
	command := "show"
	if missing(path) {
		command = "create"
	}
	return o.crawlctl(ctx, "keys", command, path)
}

// custodyKey makes the key unless it is there. It takes its place when its public half is
// written: nobody could check what a key signed whose public half is lost.
func (o Options) custodyKey(ctx context.Context, k keys) error {
	if !missing(k.custody) {
		return nil
	}
	made := k.custody + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	public, err := o.crawlctl(ctx, "audit", "keys", "create", custodyName, "--out", made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.custodyPublic, []byte(public+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(made, k.custody)
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// listens tells whether somebody takes connections at an address.
func listens(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
