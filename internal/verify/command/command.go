// Package command is the command verify, which crawlctl and the verifier alone share.
package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// New makes the command, as a part of a program.
func New(program string) *cobra.Command {
	var asJSON, all bool
	var traced string
	var trust Trust
	cmd := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Check what was kept, without trusting whoever kept it",
		Long: `Verify checks files that crawlfleet made, and WACZ files of other tools, offline:
it needs nothing but the files.

A PATH is a WACZ file, the folder of a run as it lies in the archive (run.json,
chunks/, leads/, visits/), a snapshot as the portal hands it out (evidence.zip, or
the folder in it), a dossier (a folder, or a ZIP file), or a folder with any number of
WACZ files and runs. Of a WACZ file it checks that it has what its list says and nothing else, with the sizes and
SHA-256 sums that stand there; that every record is whole and has the digests
that it claims; that the index points to the records and to all of them; that
capture.json says of it what its records say, and that every page was asked for
within the time of the authorisation. Of a run it checks the closing statement,
that the books balance, and everything that the statement names; of a dossier
that nothing was changed, and that everything in it follows from its snapshots.

Who signed, and when, counts for nothing until you say whom you trust: get the
fingerprint of the signing key, the roots of the time-stamp authorities and the
public key of the custody log from the agency itself, on another way than the
files, and give them with the flags below.

With --trace it follows bytes, such as those of a picture that was on a page,
to the record that has them, and from there to the page, the snapshot, the order
and the authorisation that it was captured under.

Exit codes: 0 when everything holds; 1 when something does not, or cannot be
read; 3 when nothing speaks against it but not everything could be checked,
such as who made it; 2 when the command line made no sense.`,
		Example: `  ` + program + ` capture.wacz
  ` + program + ` --trust-key agency-keys.txt --timestamp-roots tsa.pem capture.wacz
  ` + program + ` --all ./run            # every check of every chunk
  ` + program + ` --json ./run | jq -r '.[].checks[] | select(.verdict != "holds")'
  ` + program + ` --trace picture.jpg 2026-17.zip   # which page had this picture?`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage("want at least one PATH: a WACZ file, the folder of a run, an evidence.zip, a dossier, or a folder of these")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			checker, err := trust.checker()
			if err != nil {
				return err
			}
			if traced != "" {
				return trace(cmd, checker.Verifier, traced, args, asJSON)
			}
			return run(cmd, checker, args, asJSON, all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON: a list of reports, each with its checks")
	cmd.Flags().StringVar(&traced, "trace", "", "follow the bytes of a file, or those of a SHA-256, to where they came from and under which authorisation")
	trust.Add(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "tell every check of every part, also what holds")
	return cmd
}

func run(cmd *cobra.Command, v *dossier.Checker, args []string, asJSON, all bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	reports, unread := []verify.Report{}, false
	clear := showProgress(v.Verifier, cmd.ErrOrStderr())
	for _, name := range args {
		found, err := checkPath(ctx, v, name)
		clear()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reports = append(reports, complete(found, name, err)...)
		if !asJSON {
			if err := printAll(out, found, all); err != nil {
				return err
			}
		}
		if err != nil { // the others are checked all the same
			unread = true
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: cannot be checked: %s\n", cli.OneLine(name), cli.OneLine(err.Error()))
		}
	}
	if asJSON {
		if err := cli.WriteJSON(out, reports); err != nil {
			return err
		}
	}
	return exit(verify.Overall(reports), unread)
}

// complete adds to what was found at a path that it could not be read to its end, for programs, that
// read nothing but the list.
func complete(found []verify.Report, name string, err error) []verify.Report {
	if err == nil {
		return found
	}
	r := verify.Report{Subject: name, Kind: verify.KindUnknown}
	if n := len(found) - 1; n == 0 && found[n].Subject == name { // half a report about it
		r, found = found[n], nil
	}
	r.Add(verify.CheckOpen, "", verify.Fails, err.Error())
	r.Conclude()
	return append(found, r)
}

// showProgress has a terminal say which of how many files is being checked, and returns what clears
// that line. Elsewhere nothing is shown.
func showProgress(v *verify.Verifier, stderr io.Writer) (clear func()) {
	if !telemetry.IsTerminal(stderr) {
		return func() {}
	}
	const again = "\r\x1b[K" // to the start of the line, and what is on it goes
	v.Progress = func(name string, n, of int) {
		fmt.Fprintf(stderr, "%s%d of %d: %s", again, n, of, cli.OneLine(name))
	}
	return func() { fmt.Fprint(stderr, again) }
}

func printAll(w io.Writer, reports []verify.Report, all bool) error {
	for _, r := range reports {
		if err := verify.Print(w, r, all); err != nil {
			return err
		}
	}
	return nil
}

// exit is how the command ends.
func exit(verdict verify.Verdict, unread bool) error {
	switch {
	case unread || verdict == verify.Fails:
		return &cli.Error{Code: cli.ExitFailed}
	case verdict == verify.Unchecked:
		return &cli.Error{Code: cli.ExitUnchecked}
	}
	return nil
}
