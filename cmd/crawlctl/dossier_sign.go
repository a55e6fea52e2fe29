package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// signer signs the dossier, nil without a key.
func (o *dossierOptions) signer(cmd *cobra.Command, created time.Time, trust evidence.Trust) (func(context.Context, []byte) (dossier.File, error), error) {
	if o.signKey == "" {
		if len(o.stampURLs) > 0 {
			return nil, cli.Usage("--timestamp-url needs --sign-key")
		}
		return nil, nil
	}
	keys := &evidence.KeyFile{Path: o.signKey}
	if _, err := keys.Key(); err != nil {
		return nil, cli.Input("--sign-key: %w", err)
	}
	authorities, err := evidence.ParseAuthorities(o.stampURLs)
	if err != nil {
		return nil, cli.Usage("--timestamp-url %w", err)
	}
	return func(ctx context.Context, manifest []byte) (dossier.File, error) {
		raw, err := sidecarOf(ctx, cmd.ErrOrStderr(), keys, stampers{trust.Authorities}, evidence.Statement{
			Authorities: authorities, Authorization: o.reference, Created: created, Software: "crawlctl " + cli.ReadBuild().String(),
			Subject: evidence.Subject{Name: bagit.TagManifest, SHA256: warc.SHA256Of(manifest)},
		})
		return dossier.File{Name: bagit.TagManifest + evidence.SidecarSuffix, Content: raw}, err
	}, nil
}

// proofs gives what the custody log has of a snapshot, nil without a log.
func (o *dossierOptions) proofs(created time.Time) (func(context.Context, string, string) ([]dossier.File, error), error) {
	if o.custodyDir == "" {
		if o.custodyWriter != "" {
			return nil, cli.Usage("--custody-write-key needs --custody-dir")
		}
		return nil, nil
	}
	keys, err := o.trust.Custody()
	if err != nil {
		return nil, err
	}
	if keys.Verifiers == nil {
		return nil, cli.Usage("--custody-dir needs --custody-key, the public key of the log")
	}
	root, err := os.OpenRoot(o.custodyDir)
	if err != nil {
		return nil, cli.Input("--custody-dir: %w", err)
	}
	config := custody.Config{Store: &custody.Folder{Root: root}, Prefix: "custody", Origin: keys.Origin, Verifiers: keys.Verifiers}
	if o.custodyWriter != "" {
		if o.actor == "" || o.to == "" {
			return nil, cli.Usage("--custody-write-key needs --actor and --to: the log says who exported what to whom")
		}
		raw, err := readSmall(o.custodyWriter)
		if err != nil {
			return nil, cli.Input("--custody-write-key: %w", err)
		}
		if config.Signer, err = note.NewSigner(strings.TrimSpace(string(raw))); err != nil {
			return nil, cli.Input("--custody-write-key: is no private key of a log: %w", err)
		}
	}
	log, err := custody.New(config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sum, run string) ([]dossier.File, error) {
		return o.proofsOf(ctx, log, sum, run, created)
	}, nil
}

// proofsOf proves every entry about a snapshot, after it has noted that it is exported: that has to
// be in the log before the bytes go out.
func (o *dossierOptions) proofsOf(ctx context.Context, log *custody.Log, sum, run string, at time.Time) (files []dossier.File, err error) {
	about, err := entriesOf(ctx, log, sum, run)
	if err != nil {
		return nil, err
	}
	own := slices.IndexFunc(about, func(l logged) bool { return l.SHA256 == sum })
	if own < 0 {
		return nil, fmt.Errorf("knows nothing of the snapshot with the SHA-256 %s", sum)
	}
	if log.Signer != nil {
		if about, err = o.export(ctx, log, about, about[own].Object, sum, at); err != nil {
			return nil, err
		}
	}
	for i, e := range about {
		p, err := log.ProveIndex(ctx, e.index)
		if err != nil {
			return nil, err
		}
		text, err := p.MarshalText()
		if err != nil {
			return nil, err
		}
		files = append(files, dossier.File{Name: fmt.Sprintf("%03d-%s.proof", i+1, strings.ToLower(string(e.Event))), Content: text})
	}
	return files, nil
}

// export notes that a snapshot belongs to the case, unless that is known, and that it is exported.
func (o *dossierOptions) export(ctx context.Context, log *custody.Log, about []logged, object blob.Key, sum string, at time.Time) ([]logged, error) {
	exported := custody.Entry{
		ID: exportID(o, sum, at), Event: custody.Exported, Object: object, SHA256: sum, When: time.Now().UTC().Truncate(time.Millisecond),
		Who: o.actor, Why: "dossier", Case: custody.Word(o.reference), To: o.to,
	}
	entries := []custody.Entry{exported}
	if !slices.ContainsFunc(about, func(l logged) bool { return l.Event == custody.TiedToCase && l.Case == exported.Case }) {
		tied := exported
		tied.ID, tied.Event, tied.To = strings.Replace(exported.ID, "exported", "tiedtocase", 1), custody.TiedToCase, ""
		entries = []custody.Entry{tied, exported}
	}
	receipt, err := log.Append(ctx, entries...)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if at := receipt.Indexes[i]; !slices.ContainsFunc(about, func(l logged) bool { return l.index == at }) {
			about = append(about, logged{e, at})
		}
	}
	return about, nil
}

// exportID names an export, so that a page of the same snapshot, or a second try, adds nothing.
func exportID(o *dossierOptions, sum string, at time.Time) string {
	named := sha256.Sum256([]byte(strings.Join([]string{o.reference, o.actor, o.to, o.out, at.Format(time.RFC3339Nano), sum}, "\x00")))
	return "exported/" + hex.EncodeToString(named[:])
}

// logged is an entry, and its place in the log.
type logged struct {
	custody.Entry
	index int64
}

// entriesOf are the entries about an object, by its SHA-256, and about all of its run.
func entriesOf(ctx context.Context, log *custody.Log, sum, run string) (about []logged, err error) {
	err = log.Entries(ctx, 0, func(i int64, e custody.Entry) bool {
		if e.Concerns(sum, run) {
			about = append(about, logged{e, i})
		}
		return true
	})
	return about, err
}
