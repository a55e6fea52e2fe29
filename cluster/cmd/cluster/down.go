package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

func newDownCommand() *cobra.Command {
	var dir node.Dir
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the cluster of a folder",
		Long: `Down ends all processes of a cluster, and with them its mounts and its network, and
removes its cgroups; also after a crash. What it stored stays in the folder: remove that to
be rid of it all.`,
		Args: cobra.NoArgs,
	}
	dirFlag(cmd, &dir)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := os.Stat(string(dir)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is not there", dir)
		}
		unlock, err := dir.Lock()
		if err != nil {
			return err
		}
		defer unlock()
		return node.Stop(cmd.Context(), dir)
	}
	return cmd
}

func newExecCommand() *cobra.Command {
	var dir node.Dir
	cmd := &cobra.Command{
		Use:   "exec -- PROGRAM [ARGUMENT...]",
		Short: "Run a program in the node's namespaces",
		Long: `Exec runs a program where the node's addresses, mounts and processes are: one of the
cluster's own by its name, another by its path.`,
		Example: `  cluster exec -- /usr/sbin/nft list table ip crawlfleet-netpol
  cluster exec -- ctr --namespace k8s.io containers list`,
		Args: cobra.MinimumNArgs(1),
	}
	dirFlag(cmd, &dir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := node.Find(dir)
		if err != nil {
			return err
		}
		child := node.Command(cmd.Context(), s, args[0], args[1:]...)
		child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		err = child.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return programEnded(exit.ExitCode())
		}
		return err
	}
	return cmd
}
