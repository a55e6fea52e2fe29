package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// dossierOptions are the flags about dossiers that are handed over.
type dossierOptions struct {
	organization, signKey string
	verifiers, stampURLs  []string
}

func (o *dossierOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.organization, "organization", os.Getenv("CRAWLFLEET_ORGANIZATION"), "who hands dossiers over; without it none are made [$CRAWLFLEET_ORGANIZATION]")
	f.StringArrayVar(&o.verifiers, "verifier", nil, "a program that checks dossiers, to be put in; default verify beside portal; may be given many times, such as for each system")
	f.StringVar(&o.signKey, "dossier-sign-key", "", "sign dossiers with the private key in `FILE` (PEM), as crawlctl keys create makes it")
	f.StringArrayVar(&o.stampURLs, "timestamp-url", nil, "a time-stamp authority that stamps the signatures of dossiers; may be given many times")
}

// open says how dossiers are made; nil for not at all.
func (o *dossierOptions) open(verifier *verify.Verifier, stamps *x509.CertPool, log access.Log) (*portal.Dossiers, error) {
	if o.organization == "" {
		if o.signKey != "" || len(o.verifiers) > 0 || len(o.stampURLs) > 0 {
			return nil, errors.New("--dossier-sign-key, --verifier and --timestamp-url need --organization: a dossier says who hands it over")
		}
		return nil, nil
	}
	if len(o.stampURLs) > 0 && o.signKey == "" {
		return nil, errors.New("--timestamp-url needs --dossier-sign-key: it is the signature that is stamped")
	}
	programs, err := o.programs()
	if err != nil {
		return nil, err
	}
	authorities, err := evidence.ParseAuthorities(o.stampURLs)
	if err != nil {
		return nil, fmt.Errorf("--timestamp-url %w", err)
	}
	d := &portal.Dossiers{
		Organization: o.organization, Programs: programs, Verifier: verifier, Software: "crawlfleet portal " + cli.ReadBuild().String(), Authorities: authorities,
		Stamper: func(a evidence.Authority) evidence.Stamper { return &tsa.Client{URL: a.URL, Roots: stamps} },
	}
	d.Log, _ = log.(*custody.Log) // none without a key
	if o.signKey != "" {
		keys := &evidence.KeyFile{Path: o.signKey}
		if _, err := keys.Key(); err != nil {
			return nil, fmt.Errorf("--dossier-sign-key: %w", err)
		}
		d.Keys = keys
	}
	return d, nil
}

// programs are the verifiers to be put in.
func (o *dossierOptions) programs() ([]string, error) {
	if len(o.verifiers) > 0 {
		for _, path := range o.verifiers {
			if _, err := os.Stat(path); err != nil {
				return nil, fmt.Errorf("--verifier: %w", err)
			}
		}
		return o.verifiers, nil
	}
	beside, err := cli.Beside("verify")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("--organization: there is no program verify beside portal to be put into dossiers: build it with go build ./cmd/verify, or name one with --verifier")
	}
	return []string{beside}, err
}
