package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/workflows"
)

// retentionTime bounds what is asked of the store and of Temporal for one run.
const retentionTime = 5 * time.Minute

// storeFlags say where the archive is, and who is to be told of a decision.
type storeFlags struct {
	bucketFlags
	temporal temporalconn.Config
}

func (f *storeFlags) add(cmd *cobra.Command) {
	fl := cmd.PersistentFlags()
	f.bucketFlags.add(fl)
	fl.StringVar(&f.name, "bucket", "crawlfleet-archive", "`BUCKET` of the archive: status.archive.bucket of the CrawlJob")
}

func newRetention() *cobra.Command {
	f := &storeFlags{}
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "See and decide how long the captures of a crawl are kept",
		Long: `What a crawl captured is there to be looked through for a while
(spec.retention of its CrawlJob) and is erased then, unless a case needs it (keep)
or a legal hold stops that (hold). Decisions are objects beside the captures that
nobody can change: each says who decided, when and why.

RUN is where the archive of a crawl lies: status.archive.prefix of its CrawlJob,
such as research/board/0b0e3c1e-0000-4000-8000-000000000001.`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.add(cmd)
	cmd.AddCommand(newRetentionList(f),
		newDecision(f, retention.Keep, "keep RUN...", "Tie captures to a case and keep them until a date"),
		newDecision(f, retention.Hold, "hold RUN...", "Keep captures from being erased, whatever their date, until the same case releases them"),
		newDecision(f, retention.Release, "release RUN...", "End the hold of a case"))
	return cmd
}

// decisionFlags are what a person has to say.
type decisionFlags struct {
	chunks               []string
	caseName, until, why string
	by, output           string
}

func newDecision(f *storeFlags, action retention.Action, use, short string) *cobra.Command {
	d := &decisionFlags{}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: minArgs(1, "at least one RUN: status.archive.prefix of a CrawlJob"),
		RunE: func(cmd *cobra.Command, args []string) error { return decide(cmd, f, d, action, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&d.caseName, "case", "", "`CASE` that it is done for (required)")
	fl.StringVar(&d.why, "why", "", "the `REASON`, in a sentence (required)")
	fl.StringVar(&d.by, "by", "", "`WHO` decides (default: who is logged in)")
	fl.StringArrayVar(&d.chunks, "chunk", nil, "`NAME` of a chunk, such as chunks/b1-a1-x.wacz; may be repeated (default: all that the run has)")
	fl.StringVarP(&d.output, "output", "o", "text", "`FORMAT`: text, or json (one line a run)")
	f.temporal.Add(fl, "", workflows.Namespace)
	fl.Lookup("temporal-address").Usage = "host:port of Temporal, to have the decision seen at once and not within a day [$TEMPORAL_ADDRESS]"
	if action == retention.Keep {
		fl.StringVar(&d.until, "until", "", "`TIME` to which they are kept: RFC 3339, or a date, whose end is meant, in UTC (required)")
	}
	return cmd
}

// decision makes what is to be stored of the flags.
func (d *decisionFlags) decision(action retention.Action, now time.Time) (retention.Decision, error) {
	out := retention.Decision{Action: action, Case: d.caseName, Why: d.why, By: d.by, At: now.UTC()}
	if out.By == "" {
		who, err := user.Current()
		if err != nil || who.Username == "" {
			return out, cli.Usage("nobody knows who you are: say it with --by")
		}
		out.By = who.Username
	}
	for _, name := range d.chunks {
		if !strings.HasPrefix(name, retention.Chunks) {
			name = retention.Chunks + name
		}
		if !slices.Contains(out.Objects, name) {
			out.Objects = append(out.Objects, name)
		}
	}
	if action == retention.Keep {
		until, err := parseUntil(d.until)
		if err != nil {
			return out, err
		}
		if !until.After(now) {
			return out, cli.Usage("--until %s: has passed already", d.until)
		}
		out.Until = until
	}
	switch {
	case d.caseName == "":
		return out, cli.Usage("no case: say with --case what it is done for")
	case d.why == "":
		return out, cli.Usage("no reason: say with --why why it is done")
	case d.output != "text" && d.output != "json":
		return out, cli.Usage("--output %q: want text or json", d.output)
	}
	if err := out.Check(); err != nil {
		return out, cli.Usage("%v", err)
	}
	return out, nil
}

func parseUntil(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, cli.Usage("no date: say with --until to when they are kept")
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, cli.Usage("--until %q: want a date such as 2027-12-31, or a time such as 2027-12-31T12:00:00Z", s)
	}
	return at.UTC(), nil
}

// decided is a line of -o json.
type decided struct {
	Run      string         `json:"run"`
	Bucket   string         `json:"bucket"`
	Decision retention.Mark `json:"decision"`
	// Objects are what it is about; none is all. Erased are those of a run of which it
	// comes too late.
	Objects []string `json:"objects,omitempty"`
	Erased  []string `json:"erased,omitempty"`
}

func decide(cmd *cobra.Command, f *storeFlags, flags *decisionFlags, action retention.Action, runs []string) error {
	d, err := flags.decision(action, time.Now())
	if err != nil {
		return err
	}
	if len(d.Objects) > 0 && len(runs) > 1 {
		return cli.Usage("--chunk names chunks of one RUN, and there are %d", len(runs))
	}
	bucket, err := f.open()
	if err != nil {
		return err
	}
	for _, run := range runs {
		prefix, err := prefixOf(run)
		if err != nil {
			return err
		}
		if err := decideOne(cmd, f, bucket, prefix, d, flags.output == "json"); err != nil {
			return fmt.Errorf("%s: %w", prefix, err)
		}
	}
	return nil
}

// prefixOf is where the archive of a run lies.
func prefixOf(run string) (string, error) {
	key, err := blob.NewKey(strings.TrimSuffix(run, "/"))
	if err != nil || strings.Count(string(key), "/") < 2 {
		return "", cli.Usage("RUN %q: want status.archive.prefix of a CrawlJob: NAMESPACE/NAME/UID, with the prefix of its storage before it if it has one", run)
	}
	return string(key) + "/", nil
}

func decideOne(cmd *cobra.Command, f *storeFlags, bucket *blob.Bucket, prefix string, d retention.Decision, asJSON bool) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), retentionTime)
	defer cancel()
	have, err := lookAt(ctx, bucket, prefix)
	if err != nil {
		return err
	}
	if err := have.knows(d.Objects); err != nil {
		return err
	}
	l, err := retention.Decide(ctx, bucket, prefix, d)
	if err != nil {
		return err
	}
	if err := l.Follows(have.log.Mark()); err != nil {
		return err
	}
	out := decided{Run: prefix, Bucket: bucket.Name(), Decision: l.Mark(), Objects: d.Objects}
	if d.Action != retention.Release && len(d.Objects) == 0 {
		out.Erased = have.erasing(l)
	}
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	for _, before := range l.Decisions[have.log.Mark().Seq:] {
		if before.Action == retention.Void {
			fmt.Fprintf(stderr, "note: decision %d, an erasure, is void: %s\n", before.Voids, before.Why)
		}
	}
	if len(out.Erased) > 0 {
		fmt.Fprintf(stderr, "warning: it comes too late for %d of its %d chunks, which are being erased or erased already: crawlctl retention list names them\n",
			len(out.Erased), len(have.chunks))
	}
	if asJSON {
		if err := cli.WriteJSON(stdout, out); err != nil {
			return err
		}
	} else if err := printDecided(stdout, d, out); err != nil {
		return err
	}
	return f.signal(ctx, retention.RunOf(prefix), stderr)
}

func printDecided(w io.Writer, d retention.Decision, out decided) error {
	what := "all that it has"
	if len(d.Objects) > 0 {
		what = strings.Join(d.Objects, ", ")
	}
	until := ""
	if !d.Until.IsZero() {
		until = " until " + d.Until.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(w, "%s: decision %d, %s for %s%s: %s\n", out.Run, out.Decision.Seq, d.Action, cli.OneLine(d.Case), until, what)
	return err
}

// signal has who looks after a run see a decision at once. That nobody does is no failure:
// before something is erased all decisions are read.
func (f *storeFlags) signal(ctx context.Context, uid string, stderr io.Writer) error {
	if f.temporal.Address == "" {
		return nil
	}
	log := telemetry.New(telemetry.Options{Level: slog.LevelWarn})
	options, err := f.temporal.Options(log)
	if err != nil {
		return fmt.Errorf("the decision is stored and is seen within a day: %w", err)
	}
	options.Logger = telemetry.Temporal(log)
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return fmt.Errorf("the decision is stored, but Temporal at %s does not answer: it is seen within a day: %w", f.temporal.Address, err)
	}
	defer c.Close()
	err = c.SignalWorkflow(ctx, workflows.RetainWorkflowID(uid), "", workflows.SignalDecided, nil)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		fmt.Fprintln(stderr, "note: nobody looks after the run now: it is not over yet, or nothing is left of it")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the decision is stored and is seen within a day: %w", err)
	}
	return nil
}
