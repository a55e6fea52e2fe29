package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

func newUpCommand() *cobra.Command {
	var dir node.Dir
	var programs string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster of a folder and wait until it is ready",
		Long: `Up starts a cluster and returns when its node and its DNS are ready; it runs until
"cluster down". It prints the line that tells kubectl where the cluster is.
Where the folder holds what an earlier one stored, resources, images and volumes are
there again, as after a restart of a machine.

The folder has, besides state: kubeconfig, and logs/ with a file for every component.`,
		Example: `  eval "$(cluster up --dir .run/cluster)"`,
		Args:    cobra.NoArgs,
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&programs, "programs", "", "folder of the components (default: build/cluster beside the folder of this program)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if programs == "" {
			programs = filepath.Join(filepath.Dir(self), "..", "build", "cluster")
		}
		if programs, err = filepath.Abs(programs); err != nil {
			return err
		}
		if err := node.Check(dir, programs); err != nil {
			return fmt.Errorf("this machine cannot run a cluster yet:\n%w", err)
		}
		unlock, err := dir.Lock()
		if err != nil {
			return err
		}
		defer unlock()
		switch s, err := node.Find(dir); {
		case err == nil:
			return fmt.Errorf("a cluster runs in %s already (process %d): end it with \"cluster down --dir %s\" or use another --dir", dir, s.PID, dir)
		case !errors.Is(err, node.ErrNotRunning):
			return err
		}
		// What one that was killed left.
		if err := node.Stop(cmd.Context(), dir); err != nil {
			return err
		}
		began := time.Now()
		child := exec.Command(self, "node", "--dir", string(dir), "--programs", programs)
		progress := func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), what) }
		if err := node.Start(cmd.Context(), dir, child, progress); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ready after %v\n", time.Since(began).Round(100*time.Millisecond))
		fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", quote(dir.Kubeconfig()))
		return nil
	}
	return cmd
}

// quote makes one word of a path for a POSIX shell.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// newNodeCommand is what "cluster up" starts as the first process of the node's namespaces.
func newNodeCommand() *cobra.Command {
	var dir node.Dir
	var programs string
	cmd := &cobra.Command{Use: "node", Hidden: true, Args: cobra.NoArgs}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&programs, "programs", "", "folder of the components")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
		socket := os.NewFile(3, "listener")
		listener, err := net.FileListener(socket)
		if err != nil {
			return err
		}
		socket.Close()
		pipe := os.NewFile(4, "messages")
		messages := node.Messages{Writer: pipe}
		err = node.Run(cmd.Context(), node.Options{
			Dir: dir, Programs: programs, Listener: listener, Progress: messages.Progress,
			Ready: func() {
				messages.Ready()
				pipe.Close()
			},
		})
		if err != nil {
			messages.Error(err)
		}
		return err
	}
	return cmd
}
