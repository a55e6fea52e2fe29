package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

func newAuditWitness() *cobra.Command {
	var f auditFlags
	var kept, keyFile string
	cmd := &cobra.Command{
		Use:   "witness --checkpoint-file FILE",
		Short: "Keep a log's checkpoint, and refuse a log that does not extend the one kept before",
		Long: `Witness asks the log for a proof that all that it had when FILE was kept is unchanged
and still there, and then keeps the new checkpoint in FILE. Run it regularly: whoever
holds the log and its keys cannot rewrite what a witness has seen without being found.

When FILE is not there yet, the whole log is verified first.

With --witness-key the checkpoint is cosigned (c2sp.org/tlog-cosignature): give FILE back
to the keeper of the log, who can show it to others.

Exit codes:
  0    the log extends the checkpoint that was kept; the new one is kept
  1    it does not, and both roots are told; or the log could not be read. FILE is as it was
  2    the command line made no sense`,
		Example: `  crawlctl audit witness --dir copy --key custody.pub --checkpoint-file kept.txt --witness-key witness.key`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kept == "" {
				return cli.Usage("--checkpoint-file: give the file that the checkpoint is kept in")
			}
			log, err := f.open()
			if err != nil {
				return err
			}
			cosigner, err := readCosigner(keyFile)
			if err != nil {
				return err
			}
			return f.witness(cmd, log, kept, cosigner)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&kept, "checkpoint-file", "", "`FILE` that the checkpoint is kept in (required)")
	cmd.Flags().StringVar(&keyFile, "witness-key", "", "`FILE` with the witness's private key: cosign the checkpoint")
	return cmd
}

// witness compares the log with the checkpoint in a file, and keeps the new one there.
func (f *auditFlags) witness(cmd *cobra.Command, log *custody.Log, kept string, cosigner note.Signer) error {
	before, now, err := observe(cmd.Context(), log, kept)
	if fork := (*custody.ForkError)(nil); errors.As(err, &fork) && f.output == "json" {
		w := witnessed{Kept: treeOf(&fork.Kept), Found: treeOf(&fork.Head), RootNow: rootText(fork), Reason: fork.Error()}
		if err := cli.WriteJSON(cmd.OutOrStdout(), w); err != nil {
			return err
		}
		return &cli.Error{Code: cli.ExitFailed}
	}
	if err != nil {
		return err
	}
	if cosigner != nil {
		if now, err = custody.Cosign(now, log.Verifiers, cosigner); err != nil {
			return err
		}
	}
	if err := replaceCheckpoint(kept, now.Note); err != nil {
		return err
	}
	return f.printWitnessed(cmd.OutOrStdout(), before, &now, cosigner != nil)
}

func readCosigner(path string) (note.Signer, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := readSmall(path)
	if err != nil {
		return nil, cli.Input("--witness-key: %w", err)
	}
	signer, err := custody.NewCosigner(string(raw), time.Now)
	if err != nil {
		return nil, cli.Input("--witness-key %s: %w", path, err)
	}
	return signer, nil
}

// observe gives the checkpoint that was kept, nil when there is none, and the log's.
func observe(ctx context.Context, log *custody.Log, kept string) (*custody.Checkpoint, custody.Checkpoint, error) {
	raw, err := readSmall(kept)
	if errors.Is(err, fs.ErrNotExist) {
		report, err := log.Verify(ctx)
		if err == nil && report.Head.Size == 0 {
			err = errors.New("no checkpoint of the log is stored yet")
		}
		return nil, report.Head, err
	}
	if err != nil {
		return nil, custody.Checkpoint{}, err
	}
	before, err := custody.OpenCheckpoint(raw, log.Origin, log.Verifiers)
	if err != nil {
		return nil, custody.Checkpoint{}, fmt.Errorf("%s: %w", kept, err)
	}
	now, err := log.Extends(ctx, before)
	return &before, now, err
}

// replaceCheckpoint writes a file so that it is the old or the new one, whole, at any moment.
func replaceCheckpoint(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".checkpoint-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// witnessed is what witness says in JSON.
type witnessed struct {
	Holds    bool       `json:"holds"`
	Kept     *treeState `json:"kept,omitempty"`
	Found    *treeState `json:"found"`
	RootNow  string     `json:"rootNow,omitempty"` // of as many entries as Kept has
	Reason   string     `json:"reason,omitempty"`
	Cosigned bool       `json:"cosigned"`
}

type treeState struct {
	Size int64  `json:"size"`
	Root string `json:"root"`
}

func treeOf(c *custody.Checkpoint) *treeState {
	if c == nil {
		return nil
	}
	return &treeState{c.Size, c.Root.String()}
}

func rootText(fork *custody.ForkError) string {
	var none custody.ForkError
	if fork.Root == none.Root {
		return ""
	}
	return fork.Root.String()
}

func (f *auditFlags) printWitnessed(w io.Writer, before, now *custody.Checkpoint, cosigned bool) error {
	if f.output == "json" {
		return cli.WriteJSON(w, witnessed{Holds: true, Kept: treeOf(before), Found: treeOf(now), Cosigned: cosigned})
	}
	what := "kept"
	if cosigned {
		what = "cosigned and kept"
	}
	if before == nil {
		_, err := fmt.Fprintf(w, "holds: the whole log was verified; %s: %d entries, root %s\n", what, now.Size, now.Root)
		return err
	}
	_, err := fmt.Fprintf(w, "holds: extends %d entries, root %s\n%s: %d entries, root %s\n", before.Size, before.Root, what, now.Size, now.Root)
	return err
}
