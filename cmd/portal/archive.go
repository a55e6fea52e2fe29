package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/tempdir"
	"crawlfleet.dev/crawlfleet/internal/verify"
	trusting "crawlfleet.dev/crawlfleet/internal/verify/command"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/cdx"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/verdict"
)

// tempPrefix begins the names of the folders for temporary files.
const tempPrefix = "portal-"

// archiveOptions are the flags about what is derived from the archive.
type archiveOptions struct {
	catalog, dir string
	regions      []string
	trust        trusting.Trust
}

func (o *archiveOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.catalog, "catalog", os.Getenv("CRAWLFLEET_CATALOG"),
		"file of the catalog, for this portal alone, made anew from the archive when it is missing or of another version; without it one is made at each start, in --dir [$CRAWLFLEET_CATALOG]")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder for temporary files: what is verified, and the catalog unless --catalog names another place")
	f.StringSliceVar(&o.regions, "regions", []string{"NL", "BE", "DE", "GB"},
		"countries (ISO 3166-1) whose telephone numbers are known without their country's code, with commas between; with others than before the catalog is made anew")
	o.trust.AddSigners(f)
}

// check finds what is wrong with the flags.
func (o *archiveOptions) check() error {
	for i, r := range o.regions {
		o.regions[i] = strings.ToUpper(strings.TrimSpace(r))
		if !phonenumbers.GetSupportedRegions()[o.regions[i]] {
			return fmt.Errorf("--regions: %q is no country that telephone numbers are known of; use codes such as NL", r)
		}
	}
	slices.Sort(o.regions)
	o.regions = slices.Compact(o.regions)
	return nil
}

// archive is what is derived from the archive, and kept in step with it.
type archive struct {
	catalog *catalog.Catalog
	follow  *follow.Follower
	judge   *verdict.Judge
	tools   *cdx.Server
	stamps  *x509.CertPool // of time-stamp authorities that are trusted
	temp    *tempdir.Folder
	stop    context.CancelFunc
	stopped chan error
}

// open makes what is derived from a bucket. Close ends it. When it cannot be kept in step any more
// end is called, and close tells why.
func (o *archiveOptions) open(ctx context.Context, bucket *blob.Bucket, end func(), log *slog.Logger) (a *archive, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	trust, err := o.trust.Evidence()
	if err != nil {
		return nil, err
	}
	if _, err := tempdir.Sweep(o.dir, tempPrefix, nil); err != nil {
		log.Warn("what a portal that ended left behind cannot be removed", "dir", o.dir, "error", err)
	}
	a = &archive{stopped: make(chan error, 1), stamps: trust.Authorities}
	if a.temp, err = tempdir.Make(o.dir, tempPrefix); err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	// What is in it is what the archive holds: nobody else's to read.
	if err := os.Chmod(a.temp.Path, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("--dir: %w", err), a.temp.Remove())
	}
	path := o.catalog
	if path == "" {
		path = a.temp.Path + "/catalog.sqlite"
	}
	contacts := catalog.Contacts{Regions: o.regions}
	if a.catalog, err = catalog.Open(ctx, path, contacts.MadeWith()); err != nil {
		return nil, errors.Join(fmt.Errorf("--catalog: %w", err), a.temp.Remove())
	}
	a.catalog.Identifiers = contacts
	a.tools = &cdx.Server{Catalog: a.catalog, Archive: bucket, Logger: log, Now: time.Now}
	a.follow = &follow.Follower{Store: bucket, Catalog: forgetting{a.catalog, a.tools}, Identify: contacts.Of, Every: 2 * time.Second, Logger: log}
	a.judge = &verdict.Judge{Archive: bucket, Verifier: &verify.Verifier{Trust: trust}, Dir: a.temp.Path, Now: time.Now}
	run, stop := context.WithCancel(ctx)
	a.stop = stop
	context.AfterFunc(run, end)
	go a.keep(run)
	return a, nil
}

// keep keeps the catalog in step until the context ends. A catalog whose file is damaged is not
// mended: close removes it, and the next start makes it anew.
func (a *archive) keep(ctx context.Context) {
	defer a.stop()
	ended := make(chan error, 1)
	go func() { ended <- a.follow.Run(ctx) }()
	select {
	case <-a.catalog.Corrupt():
		a.stop()
		a.stopped <- <-ended
	case err := <-ended:
		a.stopped <- err
	}
}

// forgetting has what is kept of a chunk elsewhere go with it.
type forgetting struct {
	*catalog.Catalog
	tools *cdx.Server
}

// Remove implements follow.Catalog.
func (f forgetting) Remove(ctx context.Context, key blob.Key) error {
	f.tools.Forget(key)
	return f.Catalog.Remove(ctx, key)
}

// close ends what open began, and removes what is temporary.
func (a *archive) close() error {
	a.stop()
	return errors.Join(<-a.stopped, a.catalog.Close(), a.temp.Remove())
}
