package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

func newSnapshotsOpen(p *portalFlags) *cobra.Command {
	only := false
	cmd := &cobra.Command{
		Use:   "open ID",
		Short: "Open a snapshot in the browser",
		Long: `Open prints the address of a snapshot in the portal, and opens it in your browser, where you may be
asked to log in. With --print it only prints. The portal is not asked.`,
		Example: `  crawlctl snapshots open 0f1e2d3c4b5a69788796a5b4c3d2e1f0
  crawlctl snapshots open 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --print`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want one ID: crawlctl snapshots list tells them")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			base, _, err := p.address()
			if err != nil {
				return err
			}
			address := base.String() + "/snapshots/" + id
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), address); err != nil || only {
				return err
			}
			return browse(cmd, address)
		},
	}
	cmd.Flags().BoolVar(&only, "print", false, "print the address and open nothing")
	return cmd
}

// browse has the system open an address, and waits until it has: only then it is known that there
// is a browser.
func browse(cmd *cobra.Command, address string) error {
	line := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		line = []string{"open"}
	case "windows":
		line = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	opener := exec.CommandContext(cmd.Context(), line[0], append(line[1:], address)...)
	opener.Stderr = cmd.ErrOrStderr()
	if err := opener.Run(); err != nil {
		return fmt.Errorf("no browser was opened (%s: %w): open the address yourself; --print asks for none", line[0], err)
	}
	return nil
}
