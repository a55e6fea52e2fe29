package main

import (
	"context"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify/command"
)

// openCustody opens the custody log of a store, with the keys of --custody-key, and to write into it when
// there is a private key in the file writer.
func openCustody(open func() (custody.Store, error), trust *command.Trust, writer string) (*custody.Log, error) {
	keys, err := trust.Custody()
	if err != nil {
		return nil, err
	}
	if keys.Verifiers == nil {
		return nil, cli.Usage("the custody log needs --custody-key, its public key")
	}
	store, err := open()
	if err != nil {
		return nil, err
	}
	config := custody.Config{Store: store, Prefix: "custody", Origin: keys.Origin, Verifiers: keys.Verifiers}
	if writer != "" {
		raw, err := readSmall(writer)
		if err != nil {
			return nil, cli.Input("--custody-write-key: %w", err)
		}
		if config.Signer, err = note.NewSigner(strings.TrimSpace(string(raw))); err != nil {
			return nil, cli.Input("--custody-write-key: is no private key of a log: %w", err)
		}
	}
	return custody.New(config)
}

// custodyBatch is how many entries are written into the custody log at once.
const custodyBatch = 500

// noteSnapshots writes an entry into the custody log about each snapshot of a run: of says what it tells of the
// snapshot with a SHA-256, in hex.
func noteSnapshots(ctx context.Context, log *custody.Log, bucket retention.Store, prefix string, of func(sum string) custody.Entry) error {
	st, err := retention.ReadStatement(ctx, bucket, prefix)
	if err != nil {
		return err
	}
	var entries []custody.Entry
	for _, c := range st.Objects {
		if retention.UnitOf(c.Name) != c.Name {
			continue
		}
		e := of(c.SHA256)
		e.Object, e.SHA256 = blob.Key(prefix+c.Name), c.SHA256
		entries = append(entries, e)
	}
	for ; len(entries) > 0; entries = entries[min(custodyBatch, len(entries)):] {
		if _, err := log.Append(ctx, entries[:min(custodyBatch, len(entries))]...); err != nil {
			return err
		}
	}
	return nil
}
