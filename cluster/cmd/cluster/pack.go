package main

import (
	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/cluster/images"
)

func newPackCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "pack NAME PROGRAM",
		Short: "Make an image of one static program",
		Long: `Pack makes an image of a statically linked program alone, and writes it to standard output,
for "cluster load". NAME has a registry and a tag; the program is the image's entry point.`,
		Example: `  cluster pack example.test/program:1 ./program > program.tar
  cluster load --dir .run/cluster program.tar`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return images.Program{Ref: args[0], Path: args[1], User: user}.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&user, "user", "1000:1000", "who runs it, by number; empty for root")
	return cmd
}
