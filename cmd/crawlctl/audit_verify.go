package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

func newAuditVerify() *cobra.Command {
	var f auditFlags
	var checkpoints, witnesses []string
	cmd := &cobra.Command{
		Use:   "verify [PROOF...]",
		Short: "Compute a log anew and compare it with what it says, or check proofs",
		Long: `Verify reads the whole log and computes it anew: every entry, the root and the
signature of every batch and checkpoint, and that nothing is missing between them.
With --checkpoint it also checks that the log still says what it said when that
checkpoint was kept. It names the first object that is not as it must be.

With PROOF files it reads no log: it checks that a key of the log signed that the
entry in each is part of it.

With --witness what it checks by must be cosigned by that witness, who made sure that
the log was not rewritten: one of the checkpoints of --checkpoint, or those in the
proofs (see crawlctl audit prove --checkpoint). How long ago that was, and how many of
the log's newest entries it does not cover, is told and is no fault. Get the witness's
public key from the witness, not from the keeper of the log.

Exit codes: 0 when all holds, 1 when something does not, 2 when the command line made
no sense.`,
		Example: `  crawlctl audit verify --dir copy --key custody.pub --checkpoint kept.txt
  crawlctl audit verify --dir copy --key custody.pub --checkpoint kept.txt --witness witness.pub
  crawlctl audit verify --key custody.pub --witness witness.pub exhibit-7.tlog-proof`,
		RunE: func(cmd *cobra.Command, args []string) error {
			trusted, err := readWitnesses(witnesses)
			if err != nil {
				return err
			}
			switch {
			case len(args) > 0 && len(checkpoints) > 0:
				return cli.Usage("--checkpoint: is for a log, not for proofs")
			case len(args) > 0:
				return f.verifyProofs(cmd.OutOrStdout(), args, trusted)
			case len(trusted) > 0 && len(checkpoints) == 0:
				return cli.Usage("--witness needs --checkpoint, the file that the witness cosigned: the log itself holds none")
			}
			log, err := f.open()
			if err != nil {
				return err
			}
			known, err := openCheckpoints(log, checkpoints)
			if err != nil {
				return err
			}
			report, err := log.Verify(cmd.Context(), known...)
			var cosigned []cosignature
			if err == nil {
				cosigned, err = cosignedOf(report.Entries, trusted, known)
			}
			return f.verdict(cmd.OutOrStdout(), report, cosigned, err)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "`FILE` with a checkpoint that was kept (repeatable)")
	cmd.Flags().StringArrayVar(&witnesses, "witness", nil, "the public `KEY` of a witness that must have cosigned, or a file with one a line (repeatable)")
	return cmd
}

func openCheckpoints(log *custody.Log, paths []string) ([]custody.Checkpoint, error) {
	var known []custody.Checkpoint
	for _, path := range paths {
		raw, err := readSmall(path)
		if err != nil {
			return nil, cli.Input("--checkpoint: %w", err)
		}
		c, err := custody.OpenCheckpoint(raw, log.Origin, log.Verifiers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		known = append(known, c)
	}
	return known, nil
}

// auditVerdict is what verify says of a log.
type auditVerdict struct {
	Holds bool `json:"holds"`
	custody.Report
	// Size and Root are those of the last checkpoint.
	Size   int64  `json:"size"`
	Root   string `json:"root,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Cosigned says what the witnesses that were named have signed.
	Cosigned []cosignature `json:"cosigned,omitempty"`
	// Object and Entry are where the log is not what it says.
	Object blob.Key `json:"object,omitempty"`
	Entry  *int64   `json:"entry,omitempty"`
}

// verdict says what a verification found. A log that is not what it says is told on standard
// output; what kept from looking is an error.
func (f *auditFlags) verdict(w io.Writer, report custody.Report, cosigned []cosignature, err error) error {
	v := auditVerdict{Holds: err == nil, Report: report, Size: report.Head.Size, Cosigned: cosigned}
	if report.Head.Size > 0 {
		v.Root = report.Head.Root.String()
	}
	var divergence *custody.Divergence
	var fork *custody.ForkError
	var unwitnessed *unwitnessedError
	switch {
	case errors.As(err, &divergence):
		v.Reason, v.Object = divergence.Reason, divergence.Key
		if divergence.Entry >= 0 {
			v.Entry = &divergence.Entry
		}
	case errors.As(err, &fork):
		v.Reason = fork.Error()
	case errors.As(err, &unwitnessed):
		v.Reason = unwitnessed.Error()
	case err != nil:
		return err
	}
	if f.output == "json" {
		if err := cli.WriteJSON(w, v); err != nil {
			return err
		}
	} else if err := v.print(w, err); err != nil {
		return err
	}
	if !v.Holds {
		return &cli.Error{Code: cli.ExitFailed}
	}
	return nil
}

func (v *auditVerdict) print(w io.Writer, wrong error) error {
	if wrong != nil {
		_, err := fmt.Fprintf(w, "does not hold: %s\nsound before that: %d batches, %d entries\n", cli.OneLine(wrong.Error()), v.Batches, v.Entries)
		return err
	}
	fmt.Fprintf(w, "holds: %d entries in %d batches, %d checkpoints; %d derived objects agree", v.Entries, v.Batches, v.Checkpoints, v.Derived)
	if v.Missing > 0 {
		fmt.Fprintf(w, ", %d are missing and can be made anew", v.Missing)
	}
	if v.Root == "" {
		_, err := fmt.Fprintln(w, "\nno checkpoint is stored: entries are signed in their batches alone")
		return err
	}
	_, err := fmt.Fprintf(w, "\nlast checkpoint: %d entries, root %s\n", v.Size, v.Root)
	for i := range v.Cosigned {
		if err == nil {
			err = v.Cosigned[i].print(w)
		}
	}
	return err
}

// proofVerdict is what verify says of a proof.
type proofVerdict struct {
	File       string         `json:"file"`
	Holds      bool           `json:"holds"`
	Reason     string         `json:"reason,omitempty"`
	Index      int64          `json:"index"`
	Entry      *custody.Entry `json:"entry,omitempty"`
	Checkpoint int64          `json:"size,omitempty"`
	Cosigned   []cosignature  `json:"cosigned,omitempty"`
}

func (f *auditFlags) verifyProofs(w io.Writer, paths []string, witnesses []note.Verifier) error {
	if err := f.check(); err != nil {
		return err
	}
	origin, verifiers, err := f.verifiers()
	if err != nil {
		return err
	}
	bad := false
	for _, path := range paths {
		v := verifyProof(path, origin, verifiers, witnesses)
		bad = bad || !v.Holds
		if err := f.printProof(w, v); err != nil {
			return err
		}
	}
	if bad {
		return &cli.Error{Code: cli.ExitFailed}
	}
	return nil
}

func verifyProof(path, origin string, verifiers note.Verifiers, witnesses []note.Verifier) proofVerdict {
	v := proofVerdict{File: path}
	raw, err := readSmall(path)
	if err != nil {
		v.Reason = err.Error()
		return v
	}
	var p custody.Proof
	if err := p.UnmarshalText(raw); err != nil {
		v.Reason = err.Error()
		return v
	}
	c, err := custody.VerifyProof(&p, origin, verifiers)
	if err != nil {
		v.Reason = err.Error()
		return v
	}
	if v.Cosigned, err = cosignedBy(witnesses, c); err != nil {
		v.Reason = err.Error()
		return v
	}
	v.Holds, v.Index, v.Entry, v.Checkpoint = true, p.Index, &p.Entry, c.Size
	return v
}

func (f *auditFlags) printProof(w io.Writer, v proofVerdict) error {
	if f.output == "json" {
		return cli.WriteJSON(w, v)
	}
	if !v.Holds {
		_, err := fmt.Fprintf(w, "%s: does not hold: %s\n", v.File, cli.OneLine(v.Reason))
		return err
	}
	_, err := fmt.Fprintf(w, "%s: holds: entry %d of %d: %s %s by %s at %s%s\n", v.File, v.Index, v.Checkpoint,
		v.Entry.Event, v.Entry.Object, v.Entry.Who, v.Entry.When.Format(time.RFC3339Nano), cosignedText(v.Cosigned))
	return err
}

func newAuditProve() *cobra.Command {
	var f auditFlags
	var out, checkpoint string
	var index int64
	cmd := &cobra.Command{
		Use:   "prove ID | --index N",
		Short: "Write a proof that an entry is in the log",
		Long: `Prove writes a text that holds an entry and all that it takes to check, offline and with
the log's public key alone, that it is in the log (c2sp.org/tlog-proof): see crawlctl
audit verify. With --checkpoint it proves that the entry was there when that checkpoint
was kept, and who cosigned it.`,
		Example: `  crawlctl audit prove --dir copy --key custody.pub --index 41 --out exhibit-7.tlog-proof
  crawlctl audit prove --dir copy --key custody.pub --index 41 --checkpoint kept.txt --out exhibit-7.tlog-proof`,
		RunE: func(cmd *cobra.Command, args []string) error {
			byIndex := cmd.Flags().Changed("index")
			if byIndex == (len(args) == 1) || len(args) > 1 {
				return cli.Usage("want one ID, or --index")
			}
			log, err := f.open()
			if err != nil {
				return err
			}
			prove := func() (custody.Proof, error) { return log.ProveIndex(cmd.Context(), index) }
			if !byIndex {
				prove = func() (custody.Proof, error) { return log.Prove(cmd.Context(), args[0]) }
			}
			p, err := prove()
			if err != nil {
				return err
			}
			if checkpoint != "" {
				if p, err = proveAt(cmd.Context(), log, checkpoint, p.Index); err != nil {
					return err
				}
			}
			return f.writeProof(cmd.OutOrStdout(), out, &p)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write the proof to `FILE` (default: standard output)")
	cmd.Flags().Int64Var(&index, "index", 0, "prove the entry at an index")
	cmd.Flags().StringVar(&checkpoint, "checkpoint", "", "prove by the checkpoint in `FILE`, such as one that a witness cosigned (default: the log's last)")
	return cmd
}

// proveAt proves an entry by a checkpoint that was kept.
func proveAt(ctx context.Context, log *custody.Log, path string, index int64) (custody.Proof, error) {
	known, err := openCheckpoints(log, []string{path})
	if err != nil {
		return custody.Proof{}, err
	}
	return log.ProveAt(ctx, known[0], index)
}

// proofOutput is a proof in JSON: its parts, and the text that verify reads.
type proofOutput struct {
	Index int64         `json:"index"`
	Entry custody.Entry `json:"entry"`
	Path  []string      `json:"path"`
	Proof string        `json:"proof"`
}

func (f *auditFlags) writeProof(w io.Writer, out string, p *custody.Proof) error {
	text, err := p.MarshalText()
	if err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(out, text, 0o600); err != nil {
			return err
		}
	}
	switch {
	case f.output == "json":
		o := proofOutput{Index: p.Index, Entry: p.Entry, Path: []string{}, Proof: string(text)}
		for _, h := range p.Path {
			o.Path = append(o.Path, base64.StdEncoding.EncodeToString(h[:]))
		}
		return cli.WriteJSON(w, o)
	case out == "":
		_, err = w.Write(text)
	}
	return err
}
