package command

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// maxTrust is the size in bytes that a file of keys or roots may have.
const maxTrust = 4 << 20

// Trust are the flags that say whom to trust.
type Trust struct {
	keys, custodyKeys  []string
	names              []string
	domains, stampings string
}

// Add adds the flags.
func (t *Trust) Add(f *pflag.FlagSet) {
	f.StringArrayVar(&t.keys, "trust-key", nil, "a signing `KEY` that is trusted: its fingerprint (sha256:...), or a file with one a line, each with the times from and until when it is trusted, if bounded (RFC 3339, - for none); may be given many times")
	f.StringVar(&t.domains, "trust-roots", "", "a PEM `FILE` with the roots of domain certificates that are trusted")
	f.StringArrayVar(&t.names, "trust-domain", nil, "a domain that may sign, by a certificate under --trust-roots; may be given many times")
	f.StringVar(&t.stampings, "timestamp-roots", "", "a PEM `FILE` with the roots of time-stamp authorities that are trusted")
	f.StringArrayVar(&t.custodyKeys, "custody-key", nil, "a public `KEY` of the custody log that is trusted, or a file with one a line; may be given many times")
}

// Evidence is whom to trust with signatures.
func (t *Trust) Evidence() (trust evidence.Trust, err error) {
	for _, value := range t.keys {
		keys, err := trustedKeys(value)
		if err != nil {
			return trust, cli.Input("--trust-key: %w", err)
		}
		trust.Keys = append(trust.Keys, keys...)
	}
	if trust.Domains, err = pool(t.domains); err != nil {
		return trust, cli.Input("--trust-roots: %w", err)
	}
	if len(t.names) > 0 && trust.Domains == nil {
		return trust, cli.Usage("--trust-domain needs --trust-roots")
	}
	trust.Names = t.names
	if trust.Authorities, err = pool(t.stampings); err != nil {
		return trust, cli.Input("--timestamp-roots: %w", err)
	}
	return trust, nil
}

// Custody is whom to trust with the custody log.
func (t *Trust) Custody() (keys dossier.CustodyKeys, err error) {
	if len(t.custodyKeys) == 0 {
		return keys, nil
	}
	if keys.Origin, keys.Verifiers, err = custody.ReadKeys(t.custodyKeys); err != nil {
		return keys, cli.Input("--custody-key: %w", err)
	}
	return keys, nil
}

// checker is who checks by these flags.
func (t *Trust) checker() (*dossier.Checker, error) {
	trust, err := t.Evidence()
	if err != nil {
		return nil, err
	}
	keys, err := t.Custody()
	return &dossier.Checker{Verifier: &verify.Verifier{Trust: trust}, Custody: keys}, err
}

// trustedKeys reads a fingerprint, or a file with one a line.
func trustedKeys(value string) (keys []evidence.TrustedKey, err error) {
	if strings.HasPrefix(value, "sha256:") {
		return []evidence.TrustedKey{{Fingerprint: value}}, evidence.CheckFingerprint(value)
	}
	raw, err := readSmall(value)
	if err != nil {
		return nil, fmt.Errorf("%q: is neither a fingerprint nor a file: %w", value, err)
	}
	for n, line := range strings.Split(string(raw), "\n") {
		line, _, _ = strings.Cut(line, "#") // a comment
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		key, err := trustedKey(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", value, n+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: has no fingerprint", value)
	}
	return keys, nil
}

// trustedKey reads the fields of a line: the fingerprint, from when and until when.
func trustedKey(fields []string) (k evidence.TrustedKey, err error) {
	k.Fingerprint = fields[0]
	if err := evidence.CheckFingerprint(k.Fingerprint); err != nil {
		return k, err
	}
	if len(fields) > 3 {
		return k, errors.New("has more than a fingerprint and two times")
	}
	for i, t := range fields[1:] {
		if t == "-" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t)
		if err != nil {
			return k, err
		}
		if i == 0 {
			k.NotBefore = at
		} else {
			k.NotAfter = at
		}
	}
	return k, nil
}

// pool reads roots, nil when no file is named.
func pool(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	raw, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	p, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: has a %s, which is no certificate", name, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", name, n+1, err)
		}
		p.AddCert(c)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: has no certificate in PEM", name)
	}
	return p, nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	raw, err := io.ReadAll(io.LimitReader(f, maxTrust+1))
	if err == nil && len(raw) > maxTrust {
		err = fmt.Errorf("%s: has more than %d bytes", name, maxTrust)
	}
	return raw, err
}
