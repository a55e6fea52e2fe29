package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workers/probe"
)

// probeTimeout is how long all of a probe may take.
const probeTimeout = 90 * time.Second

// probeOptions are the flags of the command probe.
type probeOptions struct {
	store                         blob.Config
	archiveBucket, frontierBucket string
	as, verdict                   string
}

// errUnusable is the error of a store that cannot be used; the verdict has told why.
var errUnusable = errors.New("the store cannot be used")

func probeCommand() *cobra.Command {
	var o probeOptions
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Try the store as a worker uses it, and tell in one line of JSON what came of it",
		Long: `probe puts, reads, lists and removes a small object in both buckets, below ` + probe.Prefix + `,
and compares the clocks. It ends with 0 when the store can be used. The operator has it done by a
pod like a worker's, and reads the verdict from its message of termination.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", string(probe.Conductor), "by whose rights: conductor, who must be able to do everything, or browser, who must be able to put")
	f.StringVar(&o.verdict, "verdict", "", "`FILE` that the line is written to, too, such as /dev/termination-log")
	addStore(f, &o.store, &o.archiveBucket, &o.frontierBucket)
	return cmd
}

func (o *probeOptions) run(ctx context.Context, out io.Writer) error {
	role := probe.Role(o.as)
	if role != probe.Conductor && role != probe.Browser {
		return fmt.Errorf("--as %q: use conductor or browser", o.as)
	}
	o.store.AccessKey, o.store.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	store, err := blob.NewClient(o.store)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	tried := &probe.Store{Buckets: []probe.Bucket{store.Bucket(o.archiveBucket), store.Bucket(o.frontierBucket)}, Role: role, Now: time.Now}
	verdict := tried.Run(ctx)
	line := verdict.Line()
	if _, err := io.WriteString(out, line); err != nil {
		return err
	}
	if o.verdict != "" {
		if err := os.WriteFile(o.verdict, []byte(line), 0o600); err != nil {
			return fmt.Errorf("--verdict: %w", err)
		}
	}
	if verdict.Reason != "" {
		return errUnusable
	}
	return nil
}
