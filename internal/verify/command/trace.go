package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// trace follows bytes through what lies at the paths.
func trace(cmd *cobra.Command, v *verify.Verifier, what string, paths []string, asJSON bool) error {
	sum, err := sumOf(what)
	if err != nil {
		return err
	}
	chains := [][]dossier.Step{}
	for _, name := range paths {
		found, err := traceIn(cmd.Context(), v, name, sum)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		chains = append(chains, found...)
	}
	if asJSON {
		if err := cli.WriteJSON(cmd.OutOrStdout(), chains); err != nil {
			return err
		}
	} else if err := printChains(cmd.OutOrStdout(), chains); err != nil {
		return err
	}
	if len(chains) == 0 {
		return fmt.Errorf("no record has the SHA-256 %s: a picture that was saved from a screen or converted has other bytes than what was received", sum)
	}
	return exit(worst(chains), false)
}

// worst is the verdict about chains.
func worst(chains [][]dossier.Step) verify.Verdict {
	verdict := verify.Holds
	for _, chain := range chains {
		for _, step := range chain {
			switch step.What {
			case dossier.Broken:
				return verify.Fails
			case dossier.Unvouched:
				verdict = verify.Unchecked
			}
		}
	}
	return verdict
}

// sumOf is the SHA-256 in hex that is given, or that of a file.
func sumOf(what string) (string, error) {
	if sum := strings.TrimPrefix(what, "sha256:"); len(sum) == 2*sha256.Size {
		if _, err := hex.DecodeString(sum); err == nil {
			return strings.ToLower(sum), nil
		}
	}
	f, err := os.Open(what)
	if err != nil {
		return "", cli.Input("--trace: want a file or a SHA-256: %w", err)
	}
	defer f.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// traceIn follows bytes through what lies at a path.
func traceIn(ctx context.Context, v *verify.Verifier, name, sum string) (chains [][]dossier.Step, err error) {
	err = openDossier(name, func(fsys fs.FS, wrong []string) (err error) {
		if len(wrong) > 0 {
			return fmt.Errorf("the ZIP file is not sound: %s; look with verify alone", wrong[0])
		}
		chains, err = dossier.Trace(ctx, v, fsys, ".", sum)
		return err
	})
	if !errors.Is(err, errNoDossier) {
		return chains, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	dir, start := name, "."
	if !info.IsDir() {
		dir, start = filepath.Split(filepath.Clean(name))
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only read
	return dossier.Trace(ctx, v, root.FS(), start, sum)
}

func printChains(w io.Writer, chains [][]dossier.Step) error {
	for i, chain := range chains {
		if i > 0 {
			fmt.Fprintln(w)
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range chain {
			fmt.Fprintf(t, "%s\t%s\n", s.What, cli.OneLine(s.Value))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
