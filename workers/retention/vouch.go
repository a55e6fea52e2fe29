package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workers/notary"
)

// maxProof is the size in bytes that a proof of erasure may have.
const maxProof = 64 << 20

// Vouching tells the custody log of decisions, and signs them and the proofs of erasures: who removes
// a chunk could else write a proof, too. It is a Custody.
type Vouching struct {
	Notary *notary.Notary
	// Store opens the archive's bucket.
	Store frontier.Buckets
}

// Record implements Custody. An entry is about the decision, an object that names what was decided
// about which captures: the log has its hash. More are about these captures.
func (v Vouching) Record(ctx context.Context, e Event) error {
	key, err := blob.NewKey(e.Prefix + retention.DecisionName(e.Decision.Seq))
	if err != nil {
		return err
	}
	if e.Kind == voidKind { // it is signed, as what else was decided: of captures there is nothing to tell
		return v.sign(ctx, e, key)
	}
	event := custody.Event(e.Kind)
	err = v.Notary.Decided(ctx, notary.Decision{
		Event: event, Run: e.Run, Object: notary.Object{Key: key, SHA256: e.Decision.SHA256},
		Chunks: e.Chunks, Whole: len(e.Objects) == 0, By: e.By, Case: e.Case, Why: fmt.Sprintf("decision %d", e.Decision.Seq), At: e.At, Until: e.Until,
	})
	if err != nil {
		return err
	}
	if err := v.sign(ctx, e, key); err != nil || event != custody.Erased {
		return err
	}
	if key, err = blob.NewKey(e.Prefix + retention.ProofName(e.Decision.Seq)); err != nil {
		return err
	}
	return v.sign(ctx, e, key)
}

// sign signs a decision, or the proof of an erasure. A stamp that is owed is told in the sidecar.
func (v Vouching) sign(ctx context.Context, e Event, key blob.Key) error {
	bucket := v.Store.Bucket(e.Bucket)
	r, info, err := bucket.Get(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(r, maxProof)); err != nil {
		return err
	}
	_, err = v.Notary.Vouch(ctx, bucket, notary.Order{Run: e.Run}, notary.Object{Key: key, Size: info.Size, SHA256: hex.EncodeToString(h.Sum(nil)), Plain: true})
	return err
}
