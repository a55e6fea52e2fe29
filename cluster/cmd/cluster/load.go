package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

func newLoadCommand() *cobra.Command {
	var dir node.Dir
	cmd := &cobra.Command{
		Use:   "load IMAGE.tar...",
		Short: "Make images from files known to the cluster",
		Long: `Load imports images from archives, of the OCI layout or of "docker save", and prints the
names by which pods use them, with imagePullPolicy IfNotPresent or Never: there is no
registry to ask.`,
		Args: cobra.MinimumNArgs(1),
	}
	dirFlag(cmd, &dir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := node.Find(dir)
		if err != nil {
			return err
		}
		for _, path := range args {
			if err := load(cmd.Context(), cmd.OutOrStdout(), s, path); err != nil {
				return fmt.Errorf("load %s: %w", path, err)
			}
		}
		return nil
	}
	return cmd
}

// load imports the images of an archive, and says which.
func load(ctx context.Context, out io.Writer, s node.State, path string) error {
	archive, err := os.Open(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	said, err := ctr(ctx, s, archive, node.ImportArgs()...)
	if err != nil {
		return err
	}
	names := saved(said)
	if len(names) == 0 {
		return errors.New("no image in it has a name")
	}
	for _, name := range names {
		whole, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return fmt.Errorf("%q is no name that pods can use: %w", name, err)
		}
		// Kubernetes looks for images by their whole names.
		if name != whole.String() {
			if _, err := ctr(ctx, s, nil, "--namespace", "k8s.io", "images", "tag", "--force", name, whole.String()); err != nil {
				return err
			}
		}
		fmt.Fprintln(out, "loaded", whole)
	}
	return nil
}

// ctr runs containerd's client in the node, and returns what it says.
func ctr(ctx context.Context, s node.State, in io.Reader, args ...string) (string, error) {
	var said, problems bytes.Buffer
	cmd := node.Command(ctx, s, "ctr", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &said, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return said.String(), nil
}

// saved are the names of images in what "ctr images import" says: a line "NAME saved" for
// each.
func saved(said string) []string {
	var names []string
	for line := range strings.Lines(said) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[1] == "saved" {
			names = append(names, fields[0])
		}
	}
	return names
}
