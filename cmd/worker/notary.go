package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/workers/notary"
)

// stampTimeout is how long an authority may take.
const stampTimeout = 15 * time.Second

// custodyPrefix is where the custody log lies in the archive bucket.
const custodyPrefix blob.Key = "custody"

// notaryOptions are the flags about signatures and the custody log.
type notaryOptions struct {
	key, cert, roots    string
	stampURLs           []string
	custodyKey, retired string
}

func (o *notaryOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.key, "sign-key", os.Getenv("CRAWLFLEET_SIGN_KEY"), "private key (PEM) that what is stored is signed with, read again when it changes; without it nothing is signed [$CRAWLFLEET_SIGN_KEY]")
	f.StringVar(&o.cert, "sign-cert", os.Getenv("CRAWLFLEET_SIGN_CERT"), "certificate chain (PEM) for the key: a domain's signature; needs --timestamp-url [$CRAWLFLEET_SIGN_CERT]")
	f.StringArrayVar(&o.stampURLs, "timestamp-url", strings.Fields(os.Getenv("CRAWLFLEET_TIMESTAMP_URLS")),
		"time-stamp authority (RFC 3161) whose stamp each signature gets; may be repeated [$CRAWLFLEET_TIMESTAMP_URLS, with spaces between]")
	f.StringVar(&o.roots, "timestamp-roots", os.Getenv("CRAWLFLEET_TIMESTAMP_ROOTS"), "PEM certificates that the authorities' chains must end at (default: the chain is not judged) [$CRAWLFLEET_TIMESTAMP_ROOTS]")
	f.StringVar(&o.custodyKey, "custody-key", os.Getenv("CRAWLFLEET_CUSTODY_KEY"), "private key of the custody log, as \"crawlctl audit keys create\" writes it, read again when it changes; without it no log is kept; for the role plan [$CRAWLFLEET_CUSTODY_KEY]")
	f.StringVar(&o.retired, "custody-verifiers", os.Getenv("CRAWLFLEET_CUSTODY_VERIFIERS"), "file with the public keys, one a line, that the custody log was signed with before, or will be, read again when it changes [$CRAWLFLEET_CUSTODY_VERIFIERS]")
}

// newNotary makes what vouches for what is stored. It says when nothing does: a fleet may be
// tried that way.
func newNotary(o notaryOptions, archive *blob.Bucket, now func() time.Time, log *slog.Logger) (*notary.Notary, error) {
	n := &notary.Notary{Logger: log}
	var err error
	if n.Signer, err = o.signer(now); err != nil {
		return nil, err
	}
	if n.Custody, err = o.log(archive, log); err != nil {
		return nil, err
	}
	if n.Signer == nil {
		log.Warn("nothing is signed: whoever can write to the store can change what is in it; see --sign-key")
	}
	roots, err := evidence.ReadRoots(o.roots)
	if err != nil {
		return nil, fmt.Errorf("--timestamp-roots: %w", err)
	}
	n.Stamper = func(a evidence.Authority) evidence.Stamper {
		return &tsa.Client{URL: a.URL, Roots: roots, Timeout: stampTimeout}
	}
	if n.Authorities, err = evidence.ParseAuthorities(o.stampURLs); err != nil {
		return nil, fmt.Errorf("--timestamp-url %w", err)
	}
	if n.Signer != nil && o.cert != "" {
		n.Signer.Authority = n.Stamper(n.Authorities[0])
	}
	return n, nil
}

// vouching makes what vouches for what a worker stores: nil for one that stores nothing, which has no folder.
// The custody log is told by who plans: a worker with browsers alone needs no key of it.
func (o options) vouching(dir string, store *blob.Client, now func() time.Time, r *prometheus.Registry, log *slog.Logger) (*notary.Notary, error) {
	if dir == "" {
		return nil, nil
	}
	plans := slices.Contains(o.roles, rolePlan)
	if !plans {
		o.notary.custodyKey, o.notary.retired = "", ""
	}
	n, err := newNotary(o.notary, store.Bucket(o.archiveBucket), now, log)
	if err != nil {
		return nil, err
	}
	if plans && n.Custody == nil {
		log.Warn("no custody log is kept; see --custody-key")
	}
	n.Metrics = notary.NewMetrics(r)
	return n, nil
}

// signer is nil without a key.
func (o *notaryOptions) signer(now func() time.Time) (*evidence.Signer, error) {
	switch {
	case o.key == "" && (o.cert != "" || len(o.stampURLs) > 0 || o.roots != ""):
		return nil, errors.New("--sign-cert, --timestamp-url and --timestamp-roots need --sign-key")
	case o.key == "":
		return nil, nil
	case o.cert != "" && len(o.stampURLs) == 0:
		return nil, errors.New("--sign-cert needs --timestamp-url: the signature of a domain has a time stamp")
	}
	return &evidence.Signer{
		Keys: &evidence.KeyFile{Path: o.key, ChainPath: o.cert}, Software: "crawlfleet " + cli.ReadBuild().String(), Now: now,
	}, nil
}

// log is nil without a key.
func (o *notaryOptions) log(archive *blob.Bucket, log *slog.Logger) (*custody.Log, error) {
	if o.custodyKey == "" {
		if o.retired != "" {
			return nil, errors.New("--custody-verifiers needs --custody-key")
		}
		return nil, nil
	}
	var retired []string
	if o.retired != "" {
		retired = []string{o.retired}
	}
	keys, err := custody.OpenKeyFile(o.custodyKey, retired...)
	if err != nil {
		return nil, fmt.Errorf("--custody-key: %w", err)
	}
	return custody.New(custody.Config{
		Store: archive, Prefix: custodyPrefix, Origin: keys.Name(), Verifiers: keys, Signer: keys,
		Warn: func(err error) {
			log.Warn("the custody log is not as far as it could be; it is made up for", "error", err)
		},
	})
}
