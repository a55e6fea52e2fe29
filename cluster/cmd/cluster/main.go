// Command cluster runs a real Kubernetes of one node on this machine, out of one folder, for
// tests and to try crawlfleet.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := newCommand().ExecuteContext(ctx)
	var ended programEnded
	if errors.As(err, &ended) {
		os.Exit(int(ended))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// programEnded is the exit status of a program that "cluster exec" ran, which has said
// itself what went wrong.
type programEnded int

func (e programEnded) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cluster",
		Short: "A real Kubernetes of one node on this machine",
		Long: `Cluster runs a real Kubernetes of one node on this machine: etcd, the control plane,
containerd, kubelet, kube-proxy and CoreDNS, as processes in namespaces of their own.

All it writes is in one folder (--dir), but for its cgroups (and the controllers that
cgroups get, where all are of the second version). No packet leaves the machine:
images come from files, and pods reach each other alone. Network policies are enforced.

It needs root, Linux with cgroups and overlay, and from Debian the packages
containernetworking-plugins and nftables. "make cluster" builds the rest.`,
		Example: `  cluster up --dir .run/cluster
  export KUBECONFIG=$PWD/.run/cluster/kubeconfig
  cluster load --dir .run/cluster build/images/*.tar
  kubectl get pods --all-namespaces
  cluster status --dir .run/cluster
  cluster down --dir .run/cluster`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUpCommand(), newDownCommand(), newLoadCommand(), newPackCommand(), newStatusCommand(), newExecCommand(),
		newNodeCommand(), newNetpolCommand(), newVolumesCommand())
	return root
}

// dirFlag adds --dir, with the folder made absolute before the command runs.
func dirFlag(cmd *cobra.Command, dir *node.Dir) {
	flag := cmd.Flags().String("dir", ".run/cluster", "the cluster's folder")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		absolute, err := filepath.Abs(*flag)
		if err != nil {
			return err
		}
		// By its one name, whatever links lead there.
		if real, err := filepath.EvalSymlinks(absolute); err == nil {
			absolute = real
		}
		*dir = node.Dir(absolute)
		return nil
	}
}
