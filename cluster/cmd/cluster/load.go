package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

func newLoadCommand() *cobra.Command {
	var dir node.Dir
	cmd := &cobra.Command{
		Use:   "load IMAGE.tar...",
		Short: "Make images from files known to the cluster",
		Long: `Load imports images from archives, of the OCI layout or of "docker save". Pods use
them with imagePullPolicy IfNotPresent or Never: there is no registry to ask.`,
		Args: cobra.MinimumNArgs(1),
	}
	dirFlag(cmd, &dir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := node.Find(dir)
		if err != nil {
			return err
		}
		for _, path := range args {
			if err := load(cmd.Context(), s, path); err != nil {
				return fmt.Errorf("load %s: %w", path, err)
			}
		}
		return nil
	}
	return cmd
}

func load(ctx context.Context, s node.State, path string) error {
	archive, err := os.Open(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	var said bytes.Buffer
	ctr := node.Command(ctx, s, "ctr", node.ImportArgs()...)
	ctr.Stdin, ctr.Stdout, ctr.Stderr = archive, &said, &said
	if err := ctr.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}
