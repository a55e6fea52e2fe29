package handover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// Receive puts the run into an archive: first from whom it came, then what it has, and its closing
// statement last. What is there already with the same content stays, so that a second try goes on
// where the first one ended; what is there with other content ends it, but for a sidecar, which may
// have gained time stamps. It returns the origin that holds, that of the first try.
func (r *Run) Receive(ctx context.Context, store blob.Store, verdict verify.Verdict, signer, by string, now time.Time, progress func(name string, n, of int)) (Origin, error) {
	manifest, err := read(r.fsys, bagit.TagManifest)
	if err != nil {
		return Origin{}, err
	}
	sum := sha256.Sum256(manifest)
	origin := Origin{
		Format: "crawlfleet-received", Version: 1, Run: r.UID, From: r.Organization, PreparedBy: r.PreparedBy, Created: r.Created, Signer: signer,
		TagManifest: hex.EncodeToString(sum[:]), Verdict: verdict, By: by, At: now.UTC().Truncate(time.Second),
	}
	if origin, err = r.originate(ctx, store, origin); err != nil {
		return origin, err
	}
	for _, name := range []string{bagit.Info, bagit.Manifest, bagit.TagManifest, bagit.TagManifest + verify.SidecarSuffix} {
		err := r.put(ctx, store, name, Received+name)
		if errors.Is(err, fs.ErrNotExist) && name == bagit.TagManifest+verify.SidecarSuffix { // it is not signed
			continue
		}
		if err != nil {
			return origin, err
		}
	}
	for i, name := range r.Names {
		if progress != nil {
			progress(name, i+1, len(r.Names))
		}
		if err := r.put(ctx, store, "data/"+Folder+name, name); err != nil {
			return origin, err
		}
	}
	return origin, nil
}

// originate writes received.json, once. A run that came from elsewhere, or is the archive's own,
// is not taken.
func (r *Run) originate(ctx context.Context, store blob.Store, origin Origin) (Origin, error) {
	key, err := blob.NewKey(r.Prefix + Received + "received.json")
	if err != nil {
		return origin, err
	}
	raw, err := blob.ReadAll(ctx, store, key, maxSmall)
	if err == nil {
		var before Origin
		if err := json.Unmarshal(raw, &before); err != nil {
			return origin, fmt.Errorf("%s: %w", key, err)
		}
		if before.TagManifest != origin.TagManifest {
			return before, fmt.Errorf("the archive has run %s already, received from %s at %s in another bag (tagmanifest %s): nothing is overwritten", r.Prefix, before.From, before.At.Format(time.RFC3339), before.TagManifest)
		}
		return before, nil
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return origin, err
	}
	own := false
	if err := store.List(ctx, r.Prefix, func(blob.Info) bool { own = true; return false }); err != nil {
		return origin, err
	}
	if own {
		return origin, fmt.Errorf("the archive has a run at %s that it did not receive: it is its own, and nothing is overwritten", r.Prefix)
	}
	raw, err = json.MarshalIndent(origin, "", "  ")
	if err != nil {
		return origin, err
	}
	return origin, putBytes(ctx, store, key, append(raw, '\n'))
}

func putBytes(ctx context.Context, store blob.Store, key blob.Key, raw []byte) error {
	sum := sha256.Sum256(raw)
	_, err := store.Put(ctx, key, blob.Content{Body: bytes.NewReader(raw), Size: int64(len(raw)), SHA256: hex.EncodeToString(sum[:])})
	return err
}

// put copies a file of the bag under a name of the run.
func (r *Run) put(ctx context.Context, store blob.Store, from, name string) (err error) {
	key, err := blob.NewKey(r.Prefix + name)
	if err != nil {
		return err
	}
	f, err := r.fsys.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	body, ok := f.(io.ReadSeeker)
	if !ok {
		return fmt.Errorf("%s cannot be read twice", from)
	}
	h := sha256.New()
	size, err := io.Copy(h, body)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	_, err = store.Put(ctx, key, blob.Content{Body: body, Size: size, SHA256: hex.EncodeToString(h.Sum(nil))})
	if errors.Is(err, blob.ErrExists) && isSidecar(name) {
		return nil
	}
	return err
}

func isSidecar(name string) bool {
	return len(name) > len(verify.SidecarSuffix) && name[len(name)-len(verify.SidecarSuffix):] == verify.SidecarSuffix
}
