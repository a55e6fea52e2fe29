package command

import (
	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// Trust are the flags that say whom to trust.
type Trust struct {
	keys, custodyKeys  []string
	names              []string
	domains, stampings string
}

// Add adds the flags.
func (t *Trust) Add(f *pflag.FlagSet) {
	t.AddSigners(f)
	f.StringArrayVar(&t.custodyKeys, "custody-key", nil, "a public `KEY` of the custody log that is trusted, or a file with one a line; may be given many times")
}

// AddSigners adds the flags for signatures alone.
func (t *Trust) AddSigners(f *pflag.FlagSet) {
	f.StringArrayVar(&t.keys, "trust-key", nil, "a signing `KEY` that is trusted: its fingerprint (sha256:...), or a file with one a line, each with the times from and until when it is trusted, if bounded (RFC 3339, - for none); may be given many times")
	f.StringVar(&t.domains, "trust-roots", "", "a PEM `FILE` with the roots of domain certificates that are trusted")
	f.StringArrayVar(&t.names, "trust-domain", nil, "a domain that may sign, by a certificate under --trust-roots; may be given many times")
	f.StringVar(&t.stampings, "timestamp-roots", "", "a PEM `FILE` with the roots of time-stamp authorities that are trusted")
}

// Evidence is whom to trust with signatures.
func (t *Trust) Evidence() (trust evidence.Trust, err error) {
	for _, value := range t.keys {
		keys, err := evidence.ReadTrustedKeys(value)
		if err != nil {
			return trust, cli.Input("--trust-key: %w", err)
		}
		trust.Keys = append(trust.Keys, keys...)
	}
	if trust.Domains, err = evidence.ReadRoots(t.domains); err != nil {
		return trust, cli.Input("--trust-roots: %w", err)
	}
	if len(t.names) > 0 && trust.Domains == nil {
		return trust, cli.Usage("--trust-domain needs --trust-roots")
	}
	trust.Names = t.names
	if trust.Authorities, err = evidence.ReadRoots(t.stampings); err != nil {
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
