package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

func newEnvCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "env --dir DIR",
		Short: "Print shell exports for kubectl, the operator and the workers",
		Long: `Print shell exports for kubectl, the operator and the workers. Use it as

  eval "$(devstack env --dir DIR)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			state, err := stack.ReadState(dir)
			if err != nil {
				return err
			}
			for _, v := range [][2]string{
				{"KUBECONFIG", state.Kubeconfig},
				{"TEMPORAL_ADDRESS", state.Temporal.Address},
				{"TEMPORAL_NAMESPACE", state.Temporal.Namespace},
				{"CRAWLFLEET_S3_ENDPOINT", state.S3.Endpoint},
				{"CRAWLFLEET_S3_REGION", state.S3.Region},
				{"CRAWLFLEET_S3_ACCESS_KEY", state.S3.AccessKey},
				{"CRAWLFLEET_S3_SECRET_KEY", state.S3.SecretKey},
				{"CRAWLFLEET_S3_CREDENTIALS_FILE", state.S3.CredentialsFile},
				{"CRAWLFLEET_ARCHIVE_BUCKET", state.S3.ArchiveBucket},
				{"CRAWLFLEET_FRONTIER_BUCKET", state.S3.FrontierBucket},
			} {
				fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", v[0], shellQuote(v[1]))
			}
			return nil
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}

// shellQuote makes one word of s for any POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
