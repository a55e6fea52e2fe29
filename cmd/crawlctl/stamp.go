package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
)

func newStamp() *cobra.Command {
	var roots string
	cmd := &cobra.Command{
		Use:   "stamp FILE" + evidence.SidecarSuffix,
		Short: "Fetch the time stamps that a signed file is still owed",
		Long: `Stamp asks the authorities that FILE names for the stamps that are owed, and puts those
that come into it. Stamps that are there stay as they are.

Exit codes:
  0  no stamp is owed any more
  1  some still are; what came was kept`,
		Args: oneArg("one FILE" + evidence.SidecarSuffix),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasSuffix(args[0], ".wacz") {
				return cli.Input("%s holds no stamps that are owed: give %s", args[0], args[0]+evidence.SidecarSuffix)
			}
			stamps, err := newStampers(roots)
			if err != nil {
				return err
			}
			return fetchStamps(cmd.Context(), cmd.OutOrStdout(), args[0], stamps)
		},
	}
	cmd.Flags().StringVar(&roots, "timestamp-roots", "", "`FILE` with PEM certificates that the authorities' chains must end at (default: the chain is not judged)")
	return cmd
}

func fetchStamps(ctx context.Context, stdout io.Writer, path string, stamps stampers) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sidecar, err := evidence.ParseSidecar(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	before := len(sidecar.Owed())
	if before == 0 {
		_, err := fmt.Fprintln(stdout, "no stamp is owed")
		return err
	}
	got, owed := sidecar.Fetch(ctx, stamps.of)
	if got == nil {
		return owed
	}
	if raw, err = got.Marshal(); err != nil {
		return err
	}
	if err := replaceSidecar(path, raw); err != nil {
		return errors.Join(err, owed)
	}
	if fetched := before - len(got.Owed()); fetched > 0 {
		fmt.Fprintf(stdout, "%s fetched\n", count(fetched, "stamp"))
	}
	return owed
}

// replaceSidecar puts a sidecar in the place of the one that is there.
func replaceSidecar(path string, raw []byte) error {
	// It takes its place in one step: stamps must not be lost on the way.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".crawlctl-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // what counts has been moved away
	next := filepath.Join(dir, filepath.Base(path))
	if err := writeNew(next, raw); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func newTSA() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tsa",
		Short: "A time-stamp authority for tests and trials",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTSAServe())
	return cmd
}

func newTSAServe() *cobra.Command {
	var listen, dir string
	cmd := &cobra.Command{
		Use:   "serve --dir FOLDER",
		Short: "Give time stamps, for tests and trials",
		Long: `Serve is a time-stamp authority (RFC 3161) with a root of its own, for tests and trials:
its time is this machine's, and nobody else vouches for it. It makes its key and
certificates in FOLDER when there are none; FOLDER/root.pem is what to trust.`,
		Example: `  crawlctl tsa serve --dir tsa &
  crawlctl capture --sign-key key.pem --timestamp-url http://127.0.0.1:3161/ --timestamp-roots tsa/root.pem https://example.org/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return cli.Usage("--dir is missing")
			}
			authority, err := tsa.LoadAuthority(dir, "crawlfleet test TSA", time.Now)
			if err != nil {
				return err
			}
			return serveTSA(cmd.Context(), cmd.OutOrStdout(), listen, filepath.Join(dir, tsa.RootFile), authority)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:3161", "`ADDR:PORT` to listen on")
	cmd.Flags().StringVar(&dir, "dir", "", "`FOLDER` of its key and certificates (required)")
	return cmd
}

func serveTSA(ctx context.Context, stdout io.Writer, listen, root string, authority http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return cli.Usage("--listen: %w", err)
	}
	fmt.Fprintf(stdout, "time stamps, for tests and trials: http://%s/ (root: %s)\n", l.Addr(), root)
	server := &http.Server{Handler: authority, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // it ends
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
