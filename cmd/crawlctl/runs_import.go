package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/handover"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/command"
	"crawlfleet.dev/crawlfleet/workflows"
)

// runsImport are the flags of runs import.
type runsImport struct {
	archive                             bucketFlags
	temporal                            temporalconn.Config
	trust                               command.Trust
	namespace, by, custodyWriter, actor string
	unchecked                           bool
}

func newRunsImport() *cobra.Command {
	var o runsImport
	cmd := &cobra.Command{
		Use:   "import PATH --namespace NAMESPACE",
		Short: "Put a run that another agency has handed over into the archive",
		Long: `Import checks what runs export has made, as crawlctl verify does, and puts the run into your archive
under the very names that it had, where the portal finds it. Beside it, below received/, the
archive keeps from whom it came, with their signature, who took it in, and when.

NAMESPACE has to be the one that the run is of: who may see snapshots of that namespace sees it from
then on. Nothing is overwritten: a run that the archive has already, of its own or from another bag,
is not taken in. A second try goes on where the first one ended.

What cannot be checked, because no key is trusted that it is signed with, is not taken in without
--accept-unchecked. What does not hold never is.

Captures of the run are kept as long as its order says (its screening period begins anew), and
erased then that no case of yours needs: give --temporal-address, so that somebody looks after that.
Holds and dates of who handed it over do not come along.

Exit codes:
  0  it is in the archive, now or already
  1  it is not, or not wholly: it does not hold, cannot be checked, or the archive has another one
  2  the command line made no sense`,
		Example: `  age -d -i key.txt board.zip.age > board.zip
  crawlctl runs import board.zip --namespace research --trust-key sha256:... --timestamp-roots roots.pem \
    --temporal-address temporal.example:7233 --custody-key custody.pub --custody-write-key custody.key --actor analyst-7`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want the PATH of one run that was handed over")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	o.archive.add(f)
	f.StringVar(&o.archive.name, "bucket", "crawlfleet-archive", "`BUCKET` of your archive")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`NAMESPACE` of the run, whose people may see it from then on")
	f.StringVar(&o.by, "by", "", "who takes it in (default: who you are on this machine)")
	f.StringVar(&o.custodyWriter, "custody-write-key", "", "write into the custody log, in the archive's bucket, that each snapshot was stored, with its private key in `FILE`")
	f.StringVar(&o.actor, "actor", "", "who takes it in, for the custody log: an identifier, not a name")
	f.BoolVar(&o.unchecked, "accept-unchecked", false, "take in what holds as far as it could be checked")
	o.temporal.Add(f, "", workflows.Namespace)
	o.trust.Add(f)
	return cmd
}

func (o *runsImport) run(cmd *cobra.Command, name string) error {
	if o.namespace == "" {
		return cli.Usage("--namespace is missing: that of the run, whose people may see it from then on")
	}
	if o.by == "" {
		who, err := user.Current()
		if err != nil {
			return cli.Usage("--by is missing, and who you are is not known: %w", err)
		}
		o.by = who.Username
	}
	bucket, err := o.archive.open()
	if err != nil {
		return err
	}
	var log *custody.Log
	if o.custodyWriter != "" {
		if o.actor == "" {
			return cli.Usage("--custody-write-key needs --actor: the log says who took it in")
		}
		if log, err = openCustody(o.archive.openCustody, &o.trust, o.custodyWriter); err != nil {
			return err
		}
	}
	return o.trust.Open(cmd.Context(), name, cmd.ErrOrStderr(), func(fsys fs.FS, r verify.Report) error {
		run, err := handover.Open(fsys)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errNotTaken, name, err)
		}
		if err := o.believe(run, r); err != nil {
			return err
		}
		return o.take(cmd, bucket, log, run, r)
	})
}

// believe refuses a run that does not hold, cannot be checked, or is not expected.
func (o *runsImport) believe(run *handover.Run, r verify.Report) error {
	switch {
	case r.Verdict == verify.Fails, r.Verdict != verify.Holds && !o.unchecked:
		var why strings.Builder
		if err := verify.Print(&why, r, false); err != nil {
			return err
		}
		next := "ask for it again"
		if r.Verdict != verify.Fails {
			next = "name who may sign with --trust-key and --timestamp-roots, or take it in as it is with --accept-unchecked"
		}
		return fmt.Errorf("%w: %s:\n%s", errNotTaken, next, why.String())
	case run.Namespace != o.namespace:
		return cli.Usage("the run is of namespace %q, and --namespace is %q: people of that namespace would see it", run.Namespace, o.namespace)
	}
	return nil
}

func (o *runsImport) take(cmd *cobra.Command, bucket *blob.Bucket, log *custody.Log, run *handover.Run, r verify.Report) error {
	ctx := cmd.Context()
	signer := ""
	if r.Signer != nil && r.Signer.Vouched {
		signer = cmp.Or(r.Signer.Domain, r.Signer.Key)
	}
	progress, clear := steps(cmd.ErrOrStderr())
	origin, err := run.Receive(ctx, bucket, r.Verdict, signer, o.by, time.Now(), progress)
	clear()
	if err != nil {
		return fmt.Errorf("%w; a second try goes on where this one ended", err)
	}
	if log != nil {
		if err := o.note(ctx, log, bucket, run, origin); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d objects, received from %s, in bucket %s\n", run.Prefix, len(run.Names), cli.OneLine(origin.From), bucket.Name()); err != nil {
		return err
	}
	return o.lookAfter(ctx, cmd, bucket.Name(), run)
}

// note writes into the custody log that the snapshots of a run were stored, once.
func (o *runsImport) note(ctx context.Context, log *custody.Log, bucket retention.Store, run *handover.Run, origin handover.Origin) error {
	return noteSnapshots(ctx, log, bucket, run.Prefix, func(sum string) custody.Entry {
		return custody.Entry{ID: "received/" + origin.TagManifest[:32] + "/" + sum[:32], Event: custody.Stored, When: origin.At, Who: o.actor, Why: "run received"}
	})
}

// lookAfter has the captures of a run erased when their time is over, or says that nobody does.
func (o *runsImport) lookAfter(ctx context.Context, cmd *cobra.Command, bucket string, run *handover.Run) error {
	switch {
	case run.Screening <= 0:
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), "note: its order had no screening period, so nothing of it is erased by itself")
		return err
	case o.temporal.Address == "":
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), "note: nobody looks after how long it is kept, and nothing of it is erased: run this again with --temporal-address")
		return err
	}
	log := telemetry.New(telemetry.Options{Level: slog.LevelWarn})
	options, err := o.temporal.Options(log)
	if err != nil {
		return fmt.Errorf("the run is in the archive, but nobody looks after how long it is kept: %w", err)
	}
	options.Logger = telemetry.Temporal(log)
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return fmt.Errorf("the run is in the archive, but Temporal at %s does not answer, so nobody looks after how long it is kept: run this again: %w", o.temporal.Address, err)
	}
	defer c.Close()
	_, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.RetainWorkflowID(run.UID), TaskQueue: workflows.TaskQueueRun, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, workflows.WorkflowRetain, workflows.RetainInput{
		FormatVersion: workflows.FormatVersion, Run: run.UID, Namespace: run.Namespace, Name: run.Name,
		Archive: workflows.Archive{Bucket: bucket, Prefix: run.Prefix}, Retention: workflows.Retention{Screening: run.Screening}, EndedAt: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("the run is in the archive, but nobody looks after how long it is kept: run this again: %w", err)
	}
	return nil
}
