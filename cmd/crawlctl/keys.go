package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and look at keys that captures are signed with",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysCreate(), newKeysShow())
	return cmd
}

func newKeysCreate() *cobra.Command {
	return &cobra.Command{
		Use:   "create FILE",
		Short: "Make a key",
		Long: `Create writes a new private key (ECDSA on P-384, PKCS#8 PEM) to FILE, which only you can
read, and its fingerprint to standard output. Hand the fingerprint to whoever is to
verify what you sign. A file that exists is left alone.`,
		Example: `  crawlctl keys create signing.pem
  kubectl create secret generic signing-key --from-file=key.pem=signing.pem`,
		Args: oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := createKey(args[0]); err != nil {
				return err
			}
			return showKey(cmd.OutOrStdout(), args[0], "")
		},
	}
}

func newKeysShow() *cobra.Command {
	var cert string
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show the fingerprint of a key",
		Long: `Show writes the fingerprint of a private key (PEM, PKCS#8 or SEC 1): the SHA-256 of its
SubjectPublicKeyInfo. With --cert it checks that the certificate is for the key, and
writes its subject and end, too.`,
		Args: oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return showKey(cmd.OutOrStdout(), args[0], cert) },
	}
	cmd.Flags().StringVar(&cert, "cert", "", "`FILE` with the certificate chain for the key (PEM)")
	return cmd
}

func createKey(path string) error {
	key, err := evidence.GenerateKey()
	if err != nil {
		return err
	}
	err = writeNew(path, key)
	if errors.Is(err, fs.ErrExist) {
		return cli.Input("%s exists and was left alone", path)
	}
	return err
}

// writeNew writes a file that only its owner can read, whole or not at all, and replaces
// none.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		os.Remove(path) // the first error says more
		return err
	}
	return nil
}

func showKey(w io.Writer, path, cert string) error {
	key, err := (&evidence.KeyFile{Path: path, ChainPath: cert}).Key()
	if err != nil {
		return err
	}
	public, err := key.Public()
	if err != nil {
		return err
	}
	fingerprint, err := evidence.Fingerprint(public)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, fingerprint); err != nil || len(key.Chain) == 0 {
		return err
	}
	leaf := key.Chain[0]
	_, err = fmt.Fprintf(w, "%s, valid until %s\n", cli.OneLine(leaf.Subject.String()), leaf.NotAfter.UTC().Format("2006-01-02"))
	return err
}
