package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/handover"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

func newRuns() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "Hand whole runs from one archive to another",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRunsExport(), newRunsImport())
	return cmd
}

// runsExport are the flags of runs export: those of a dossier, and where the archive is.
type runsExport struct {
	dossierOptions
	archive bucketFlags
}

func newRunsExport() *cobra.Command {
	var o runsExport
	cmd := &cobra.Command{
		Use:   "export RUN --organization NAME --by NAME --out PATH",
		Short: "Write a run with all that belongs to it, for another agency",
		Long: `Export copies a run out of the archive, as it lies there: the closing statement, every snapshot
that it names, its lists, and the sidecars with signatures and time stamps. It makes a folder (BagIt,
RFC 8493) or one ZIP file, in which every file is listed with its SHA-256, and signs the list.

RUN is where the archive of a crawl lies: status.archive.prefix of its CrawlJob, such as
research/board/0b0e3c1e-0000-4000-8000-000000000001.

Everything is checked before it is signed: what does not hold is not handed over. Nor is what is to be
erased, nor a run that is not over. What was erased is not there; the decisions and proofs go
along then, and only then, so that whoever receives it can tell that nothing else is missing. Who
keeps and holds the others is the matter of each agency.

Whoever receives it checks it with crawlctl verify, offline, and takes it in with crawlctl runs import.`,
		Example: `  crawlctl runs export research/board/UID --organization "An agency" --by "An analyst" \
    --sign-key agency.pem --timestamp-url https://tsa.example/ --out board.zip
  crawlctl verify board.zip --trust-key sha256:...

  # encrypted to who receives it, and noted in the custody log
  crawlctl runs export ... --recipient age1... --out board.zip.age \
    --custody-key custody.pub --custody-write-key custody.key --actor analyst-7 --to partner-3`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want one RUN: status.archive.prefix of a CrawlJob")
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return o.export(cmd, args[0]) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	o.archive.add(f)
	f.StringVar(&o.archive.name, "bucket", "crawlfleet-archive", "`BUCKET` of the archive: status.archive.bucket of the CrawlJob")
	f.StringVar(&o.organization, "organization", "", "who hands it over")
	f.StringVar(&o.by, "by", "", "who prepared it")
	f.StringVar(&o.out, "out", "", "where to write it: a folder that is not there yet, NAME.zip, or NAME.zip.age")
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt it to this age recipient (age1...); may be given many times")
	f.StringVar(&o.signKey, "sign-key", "", "sign it with the private key in `FILE` (PEM), as keys create makes it")
	f.StringArrayVar(&o.stampURLs, "timestamp-url", nil, "a time-stamp authority that stamps the signature; may be given many times")
	f.StringVar(&o.custodyWriter, "custody-write-key", "", "write into the custody log, in the archive's bucket, that each snapshot was exported, with its private key in `FILE`")
	f.StringVar(&o.actor, "actor", "", "who exports it, for the custody log: an identifier, not a name")
	f.StringVar(&o.to, "to", "", "whom it is exported to, for the custody log: an identifier, not a name")
	o.trust.Add(f)
	return cmd
}

func (o *runsExport) export(cmd *cobra.Command, run string) error {
	prefix, err := prefixOf(run)
	if err != nil {
		return err
	}
	recipients, err := o.checkHandover()
	if err != nil {
		return err
	}
	bucket, err := o.archive.open()
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	trust, err := o.trust.Evidence()
	if err != nil {
		return err
	}
	sign, err := o.signer(cmd, now, trust)
	if err != nil {
		return err
	}
	log, err := o.exportLog()
	if err != nil {
		return err
	}
	names, err := handover.Names(cmd.Context(), bucket, prefix, now)
	if err != nil {
		return err
	}
	dir := o.out
	if o.packed() {
		if dir, err = os.MkdirTemp(filepath.Dir(o.out), ".run-*"); err != nil {
			return cli.Input("--out: %w", err)
		}
		defer os.RemoveAll(dir) // what counts has been packed
	}
	progress, clear := steps(cmd.ErrOrStderr())
	options := handover.Options{Organization: o.organization, PreparedBy: o.by, Created: now, Progress: progress}
	options.Check = func(ctx context.Context) error {
		clear()
		return soundRun(ctx, &verify.Verifier{Trust: trust}, filepath.Join(dir, "data", handover.Folder), prefix)
	}
	if sign != nil {
		options.Sign = func(ctx context.Context, manifest []byte) ([]byte, error) {
			file, err := sign(ctx, manifest)
			return file.Content, err
		}
	}
	if err := handover.Take(cmd.Context(), bucket, prefix, names, dir, options); err != nil {
		clear()
		if !o.packed() {
			err = fmt.Errorf("%w; what was written is in %s and is not whole: remove it, and try again", err, dir)
		}
		return err
	}
	if log != nil { // before the bytes go out
		if err := o.note(cmd.Context(), log, bucket, prefix, now); err != nil {
			return err
		}
	}
	if o.packed() {
		if err := o.pack(os.DirFS(dir), now, recipients); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d objects of %s; %scheck it with crawlctl verify %s\n", o.out, len(names), prefix, o.decrypt(), o.plain())
	return err
}

// checkHandover checks the flags, and returns whom the bag is encrypted to.
func (o *runsExport) checkHandover() (recipients []age.Recipient, err error) {
	if err := o.named(); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(o.out); err == nil {
		return nil, cli.Input("%s exists: choose another name", o.out)
	}
	return o.parseRecipients()
}

// exportLog is the custody log that exports are written into, nil for none.
func (o *runsExport) exportLog() (*custody.Log, error) {
	if o.custodyWriter == "" {
		return nil, nil
	}
	if o.actor == "" || o.to == "" {
		return nil, cli.Usage("--custody-write-key needs --actor and --to: the log says who exported what to whom")
	}
	return openCustody(o.archive.openCustody, &o.trust, o.custodyWriter)
}

// note writes into the custody log that the snapshots of a run are exported.
func (o *runsExport) note(ctx context.Context, log *custody.Log, bucket retention.Store, prefix string, at time.Time) error {
	return noteSnapshots(ctx, log, bucket, prefix, func(sum string) custody.Entry {
		return custody.Entry{ID: exportID(&o.dossierOptions, sum, at), Event: custody.Exported, When: time.Now().UTC().Truncate(time.Millisecond), Who: o.actor, Why: "run handed over", To: o.to}
	})
}

// soundRun refuses a run that does not hold.
func soundRun(ctx context.Context, v *verify.Verifier, dir, prefix string) error {
	r, err := v.Run(ctx, os.DirFS(dir), prefix)
	if err != nil {
		return err
	}
	if r.Verdict != verify.Fails {
		return nil
	}
	var why strings.Builder
	if err := verify.Print(&why, r, false); err != nil {
		return err
	}
	return fmt.Errorf("the run does not hold, and is not handed over:\n%s", why.String())
}

// steps tells how far something is, where somebody watches.
func steps(stderr io.Writer) (progress func(name string, n, of int), clear func()) {
	if !telemetry.IsTerminal(stderr) {
		return nil, func() {}
	}
	const again = "\r\x1b[K" // to the start of the line, and what is on it goes
	return func(name string, n, of int) { fmt.Fprintf(stderr, "%s%d of %d: %s", again, n, of, cli.OneLine(name)) }, func() { fmt.Fprint(stderr, again) }
}

// errNotTaken is the end when a run is not to be believed.
var errNotTaken = errors.New("not taken in")
