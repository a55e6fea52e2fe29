package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/kube"
	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
	"crawlfleet.dev/crawlfleet/devstack/temporal"
)

// status is what "devstack status -o json" prints.
type status struct {
	// Running tells whether a process holds the folder.
	Running bool `json:"running"`
	// PID is that process.
	PID int `json:"pid,omitempty"`
	// Parts are in the order kube, temporal, s3; none before the stack is up.
	Parts []partStatus `json:"parts,omitempty"`
}

type partStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	PID     int    `json:"pid"`
	Healthy bool   `json:"healthy"`
	Message string `json:"message,omitempty"`
}

func newStatusCommand() *cobra.Command {
	var dir, format string
	cmd := &cobra.Command{
		Use:   "status --dir DIR",
		Short: "Show what runs and whether it answers; exit status 1 if not all does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return fmt.Errorf("unknown output format %q: use table or json", format)
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			st, problem := look(cmd.Context(), dir)
			if err := st.print(cmd.OutOrStdout(), format); err != nil {
				return err
			}
			return problem
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVarP(&format, "output", "o", "table", "output format: table or json")
	return cmd
}

// look finds out how the stack in dir is; the error says what is wrong with it.
func look(ctx context.Context, dir string) (status, error) {
	holder, held, err := stack.FindHolder(dir)
	if err != nil {
		return status{}, err
	}
	if !held {
		return status{}, fmt.Errorf("%w: nothing holds %s; start one with \"devstack start --dir %s\"", stack.ErrNotRunning, dir, dir)
	}
	st := status{Running: true, PID: holder.PID}
	state, err := stack.ReadState(dir)
	if errors.Is(err, stack.ErrNotRunning) {
		return st, fmt.Errorf("process %d is still starting, or stopping: %s is not there", holder.PID, stack.StateFile)
	}
	if err != nil {
		return st, err
	}
	st.Parts = probe(ctx, dir, state)
	for _, p := range st.Parts {
		if !p.Healthy {
			return st, fmt.Errorf("%s does not answer; see the logs in %s", p.Name, filepath.Join(dir, stack.LogDir))
		}
	}
	return st, nil
}

func probe(ctx context.Context, dir string, state *stack.State) []partStatus {
	parts := []partStatus{
		{Name: stack.Kube, Address: state.APIServer},
		{Name: stack.Temporal, Address: state.Temporal.Address},
		{Name: stack.S3, Address: state.S3.Endpoint},
	}
	probes := []func() error{
		func() error { return kube.Probe(ctx, dir, state.APIServer) },
		func() error { return temporal.Probe(ctx, state.Temporal.Address) },
		func() error { return s3.Probe(ctx, state.S3.Endpoint) },
	}
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			parts[i].PID = state.PIDs[parts[i].Name]
			err := probes[i]()
			parts[i].Healthy = err == nil
			if err != nil {
				parts[i].Message = err.Error()
			}
		})
	}
	wg.Wait()
	return parts
}

func (s status) print(out io.Writer, format string) error {
	if format == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	if len(s.Parts) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "PART\tHEALTH\tADDRESS\tPROCESS\tMESSAGE")
	for _, p := range s.Parts {
		health := "healthy"
		if !p.Healthy {
			health = "failing"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", p.Name, health, p.Address, p.PID, p.Message)
	}
	return w.Flush()
}
