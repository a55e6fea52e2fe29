package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/bagit"
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
		raw, err := sidecarOf(ctx, cmd.ErrOrStderr(), keys, stampers{trust.Authorities}, o.stampLater(), evidence.Statement{
			Authorities: authorities, Authorization: o.reference, Created: created, Software: "crawlctl " + cli.ReadBuild().String(),
			Subject: evidence.Subject{Name: bagit.TagManifest, SHA256: warc.SHA256Of(manifest)},
		})
		return dossier.File{Name: bagit.TagManifest + evidence.SidecarSuffix, Content: raw}, err
	}, nil
}

// stampLater says how to fetch stamps that are owed: into a folder, as they cannot be put into a file.
func (o *dossierOptions) stampLater() string {
	stamp := func(folder string) string {
		return "crawlctl stamp " + filepath.Join(folder, bagit.TagManifest+evidence.SidecarSuffix)
	}
	if !o.packed() {
		return stamp(o.out)
	}
	folder := strings.TrimSuffix(o.plain(), ".zip")
	steps := []string{"unpack it, as nothing can be put into it", "unzip " + o.plain() + " -d " + folder, stamp(folder), "and hand over and verify the folder " + folder + ": the stamps are not in " + o.out}
	if o.plain() != o.out {
		steps = slices.Insert(steps, 1, o.decryption())
	}
	return strings.Join(steps, "\n")
}

// proofs gives what the custody log has of snapshots, nil without a log.
func (o *dossierOptions) proofs(created time.Time) (func(context.Context, []dossier.Subject) (map[dossier.Subject][]dossier.File, error), error) {
	switch {
	case o.custodyDir != "" && o.custodyStore.name != "":
		return nil, cli.Usage("--custody-dir and --custody-bucket: give one of them")
	case o.custodyWriter != "" && o.custodyStore.name == "":
		return nil, cli.Usage("--custody-write-key needs --custody-bucket: what is written into a copy of the log is a fork of it")
	case o.custodyDir == "" && o.custodyStore.name == "":
		return nil, nil
	case o.custodyWriter != "" && (o.actor == "" || o.to == ""):
		return nil, cli.Usage("--custody-write-key needs --actor and --to: the log says who exported what to whom")
	}
	log, err := openCustody(o.custodyLog, &o.trust, o.custodyWriter)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, snapshots []dossier.Subject) (map[dossier.Subject][]dossier.File, error) {
		return o.proofsOf(ctx, log, snapshots, created)
	}, nil
}

// custodyLog is where the log is.
func (o *dossierOptions) custodyLog() (custody.Store, error) {
	if o.custodyDir == "" {
		return o.custodyStore.open()
	}
	root, err := os.OpenRoot(o.custodyDir)
	if err != nil {
		return nil, cli.Input("--custody-dir: %w", err)
	}
	return &custody.Folder{Root: root}, nil
}

// proofsOf proves every entry about snapshots, after it has noted that they are exported: that has
// to be in the log before the bytes go out. It reads the log once for all of them.
func (o *dossierOptions) proofsOf(ctx context.Context, log *custody.Log, snapshots []dossier.Subject, at time.Time) (map[dossier.Subject][]dossier.File, error) {
	about, err := dossier.Histories(ctx, log, snapshots, o.reference)
	if err != nil {
		return nil, err
	}
	if log.Signer != nil {
		if err := o.export(ctx, log, about, at); err != nil {
			return nil, err
		}
	}
	return dossier.Prove(ctx, log, about)
}

// export notes that snapshots belong to the case, where that is not known, and that they are exported,
// and adds it to what is known about each.
func (o *dossierOptions) export(ctx context.Context, log *custody.Log, about []dossier.History, at time.Time) error {
	var entries []custody.Entry
	var whose []*dossier.History
	for i := range about {
		for _, e := range o.exports(&about[i], at) {
			entries, whose = append(entries, e), append(whose, &about[i])
		}
	}
	receipt, err := log.Append(ctx, entries...)
	if err != nil {
		return err
	}
	for i, e := range entries {
		index := receipt.Indexes[i]
		if !slices.ContainsFunc(whose[i].Entries, func(l dossier.Logged) bool { return l.Index == index }) {
			whose[i].Entries = append(whose[i].Entries, dossier.Logged{Entry: e, Index: index})
		}
	}
	return nil
}

// exports are the entries that tell of the export of a snapshot.
func (o *dossierOptions) exports(h *dossier.History, at time.Time) []custody.Entry {
	exported := custody.Entry{
		ID: exportID(o, h.Of.SHA256, at), Event: custody.Exported, Object: h.Object, SHA256: h.Of.SHA256, When: time.Now().UTC().Truncate(time.Millisecond),
		Who: o.actor, Why: "dossier", Case: custody.Word(o.reference), To: o.to,
	}
	if slices.ContainsFunc(h.Entries, func(l dossier.Logged) bool { return l.Event == custody.TiedToCase && l.Case == exported.Case }) {
		return []custody.Entry{exported}
	}
	tied := exported
	tied.ID, tied.Event, tied.To = strings.Replace(exported.ID, "exported", "tiedtocase", 1), custody.TiedToCase, ""
	return []custody.Entry{tied, exported}
}

// exportID names an export, so that a page of the same snapshot, or a second try, adds nothing.
func exportID(o *dossierOptions, sum string, at time.Time) string {
	named := sha256.Sum256([]byte(strings.Join([]string{o.reference, o.actor, o.to, o.out, at.Format(time.RFC3339Nano), sum}, "\x00")))
	return "exported/" + hex.EncodeToString(named[:])
}
