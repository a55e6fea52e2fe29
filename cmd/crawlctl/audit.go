package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check the log of who did what with which snapshot",
		Long: `The custody log says of every snapshot when it was captured, stored, read, copied,
exported, tied to a case, held and erased, by whom and why. It is a Merkle tree whose
states are signed: these commands check it without trusting who keeps it.

They read a copy of the log in a folder (--dir) or the store itself, and need the
log's public keys (--key). They write nothing to it.

Exit codes:
  0    what was asked for holds
  1    it does not, or the log could not be read
  2    the command line made no sense`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditVerify(), newAuditProve(), newAuditList(), newAuditWitness(), newAuditKeys())
	return cmd
}

// auditFlags say which log it is.
type auditFlags struct {
	dir, prefix string
	store       bucketFlags
	keys        []string
	output      string
}

func (f *auditFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", "", "`FOLDER` with a copy of the log, instead of the store")
	fl.StringVar(&f.prefix, "prefix", "custody", "where the log is in the folder or bucket")
	f.store.add(fl)
	fl.StringVar(&f.store.name, "bucket", "crawlfleet-archive", "the bucket that the log is in")
	f.addKeys(cmd)
}

func (f *auditFlags) addKeys(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.keys, "key", nil, "a public `KEY` of the log, or a file with one a line (repeatable, retired keys too; required)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "`FORMAT`: json")
}

func (f *auditFlags) check() error {
	if f.output != "" && f.output != "json" {
		return cli.Usage("--output %q: want json", f.output)
	}
	if len(f.keys) == 0 {
		return cli.Usage("--key: give the public key of the log")
	}
	return nil
}

// verifiers reads the public keys. All have the name of the log.
func (f *auditFlags) verifiers() (origin string, verifiers note.Verifiers, err error) {
	origin, verifiers, err = custody.ReadKeys(f.keys)
	if err != nil {
		return "", nil, cli.Input("--key: %w", err)
	}
	return origin, verifiers, nil
}

// readSmall reads a file of keys, a checkpoint or a proof.
func readSmall(path string) ([]byte, error) {
	const most = 1 << 20
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(raw) > most {
		err = fmt.Errorf("%s: has more than %d bytes", path, most)
	}
	return raw, err
}

// open opens the log for reading.
func (f *auditFlags) open() (*custody.Log, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	origin, verifiers, err := f.verifiers()
	if err != nil {
		return nil, err
	}
	prefix, err := blob.NewKey(f.prefix)
	if err != nil {
		return nil, cli.Usage("--prefix: %w", err)
	}
	store, err := f.openStore()
	if err != nil {
		return nil, err
	}
	return custody.New(custody.Config{Store: store, Prefix: prefix, Origin: origin, Verifiers: verifiers})
}

func (f *auditFlags) openStore() (custody.Store, error) {
	if f.dir != "" {
		root, err := os.OpenRoot(f.dir)
		if err != nil {
			return nil, cli.Input("--dir: %w", err)
		}
		return &custody.Folder{Root: root}, nil
	}
	if f.store.config.Endpoint == "" {
		return nil, cli.Usage("give --dir, or --s3-endpoint and credentials")
	}
	return f.store.open()
}

func newAuditKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and look at the keys of a log or of a witness",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditKeysCreate(), newAuditKeysShow())
	return cmd
}

func newAuditKeysCreate() *cobra.Command {
	var witness bool
	var out string
	cmd := &cobra.Command{
		Use:   "create NAME --out FILE",
		Short: "Make a key pair (Ed25519)",
		Long: `Create writes a private key to FILE, which only you can read, and prints the public
key. NAME is the name of the log, the same for all its keys, such as
fleet.example/custody; or, with --witness, that of the witness. A FILE that exists is
left alone: crawlctl audit keys show prints its public key.`,
		Example: `  crawlctl audit keys create fleet.example/custody --out custody.key > custody.pub
  crawlctl audit keys create police.example/witness --witness --out witness.key > witness.pub`,
		Args: oneArg("one NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return cli.Usage("--out: give a file for the private key")
			}
			generate := func(name string) (string, string, error) { return note.GenerateKey(nil, name) }
			if witness {
				generate = custody.GenerateWitnessKey
			}
			if strings.ContainsAny(args[0], "+ \t\r\n") || args[0] == "" {
				return cli.Usage("NAME %q: must have no spaces and no +", args[0])
			}
			private, public, err := generate(args[0])
			if err != nil {
				return err
			}
			err = writeNew(out, []byte(private+"\n"))
			if errors.Is(err, fs.ErrExist) {
				return cli.Input("%s exists and was left alone; crawlctl audit keys show prints its public key", out)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), public)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the private key; it must not be there yet (required)")
	cmd.Flags().BoolVar(&witness, "witness", false, "make the key of a witness")
	return cmd
}

func newAuditKeysShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Print the public key of a private key",
		Long: `Show prints the public key of the private key in FILE, of a log or of a witness: the
same line that create printed.`,
		Example: `  crawlctl audit keys show custody.key > custody.pub`,
		Args:    oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readSmall(args[0])
			if err != nil {
				return cli.Input("%w", err)
			}
			public, err := custody.PublicKey(string(raw))
			if err != nil {
				return cli.Input("%s: %w", args[0], err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), public)
			return err
		},
	}
}
