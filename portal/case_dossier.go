package portal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/selection"
)

// Dossiers says how dossiers are made: what crawlctl dossier create is told by its flags
// (docs/dossier.md).
type Dossiers struct {
	// Organization hands them over.
	Organization string
	// Programs are the paths of the verifiers that are put in, at least one.
	Programs []string
	// Verifier checks each snapshot first: what fails is not handed over.
	Verifier *verify.Verifier
	// Keys sign; nil leaves dossiers unsigned, which the page says.
	Keys evidence.Keys
	// Authorities stamp the signature, each by the client that Stamper gives. A stamp that cannot be had
	// is owed.
	Authorities []evidence.Authority
	Stamper     func(evidence.Authority) evidence.Stamper
	// Log is the custody log, of which the proofs about each snapshot are put in; nil puts in none.
	Log *custody.Log
	// Software makes them, such as "crawlfleet portal v0.1.0".
	Software string
}

// dossierOrder is what somebody wants handed over, and to whom.
type dossierOrder struct {
	reference, preparedBy, supersedes string
	picks                             []selection.Pick
	recipients                        []age.Recipient
	created                           time.Time
}

// make writes a dossier. Before it is put together the custody log is told, by export: the proof of that is
// in the dossier. That is when all of it was fetched and verified, which takes most of the time: who went
// meanwhile is handed nothing, and the log does not say that they were. What goes wrong later stands in it
// as handed over all the same.
func (d *Dossiers) make(ctx context.Context, store selection.Store, o dossierOrder, export func(context.Context) error, w io.Writer, temp string, log *slog.Logger) error {
	options := dossier.Options{
		Case: o.reference, Organization: d.Organization, PreparedBy: o.preparedBy, Supersedes: o.supersedes, Created: o.created,
		Verifiers: d.Programs, Verifier: d.Verifier,
	}
	options.Custody = func(ctx context.Context, snapshots []dossier.Subject) (map[dossier.Subject][]dossier.File, error) {
		if err := export(ctx); err != nil || d.Log == nil {
			return nil, err
		}
		about, err := dossier.Histories(ctx, d.Log, snapshots, o.reference)
		if err != nil {
			return nil, fmt.Errorf("the custody log: %w", err)
		}
		return dossier.Prove(ctx, d.Log, about)
	}
	if d.Keys != nil {
		options.Sign = func(ctx context.Context, manifest []byte) (dossier.File, error) { return d.sign(ctx, o, manifest, log) }
	}
	_, err := selection.Dossier(ctx, store, o.picks, options, w, o.recipients, temp)
	return err
}

// sign signs the list of all files, with the stamps that can be had now.
func (d *Dossiers) sign(ctx context.Context, o dossierOrder, manifest []byte, log *slog.Logger) (dossier.File, error) {
	sidecar, err := evidence.NewSidecar(d.Keys, evidence.Statement{
		Authorities: d.Authorities, Authorization: o.reference, Created: o.created, Software: d.Software,
		Subject: evidence.Subject{Name: bagit.TagManifest, SHA256: warc.SHA256Of(manifest)},
	})
	if err != nil {
		return dossier.File{}, err
	}
	stamper := d.Stamper
	if stamper == nil {
		stamper = func(evidence.Authority) evidence.Stamper { return nil }
	}
	stamped, owed := sidecar.Fetch(ctx, stamper)
	if stamped == nil {
		return dossier.File{}, owed
	}
	if owed != nil {
		log.Warn("a dossier is handed over with time stamps that are owed; crawlctl stamp fetches them into the unpacked folder", "case", o.reference, "error", owed)
	}
	raw, err := stamped.Marshal()
	return dossier.File{Name: bagit.TagManifest + evidence.SidecarSuffix, Content: raw}, err
}
