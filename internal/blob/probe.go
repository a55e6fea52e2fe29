package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrUnfit means that the store lacks something without which no object is safe in it.
var ErrUnfit = errors.New("store unfit")

// probeKey names the one object that [Bucket.Probe] leaves in a bucket.
const probeKey Key = "crawlfleet-probe"

// Abilities are what a store can do.
type Abilities struct {
	// Checksums is set when the store itself keeps and tells the SHA-256 of an object;
	// else the one that was sent along as metadata is believed, and what is stored has
	// to be read to be sure of it.
	Checksums bool
}

// Probe asks whether the bucket is there, may be written to, and refuses to overwrite.
// It leaves one small object. A store that overwrites what must not be is ErrUnfit.
func (b *Bucket) Probe(ctx context.Context) (Abilities, error) {
	if err := b.Check(ctx); err != nil {
		return Abilities{}, err
	}
	// The object may be there already, with other content. If it is not, the second
	// writer has to be refused.
	var err error
	for range 2 {
		if _, err = b.Put(ctx, probeKey, random()); err != nil {
			break
		}
	}
	switch {
	case err == nil:
		return Abilities{}, fmt.Errorf("bucket %q: an object was overwritten in spite of If-None-Match: %w", b.name, ErrUnfit)
	case !errors.Is(err, ErrExists):
		return Abilities{}, fmt.Errorf("bucket %q: %w", b.name, err)
	}
	sum, err := b.checksum(ctx, probeKey)
	if err != nil {
		return Abilities{}, fmt.Errorf("bucket %q: %w", b.name, err)
	}
	return Abilities{Checksums: sum != ""}, nil
}

// random is a small content that nobody else has.
func random() Content {
	var data [32]byte
	_, _ = rand.Read(data[:]) // it never fails
	sum := sha256.Sum256(data[:])
	return Content{Body: bytes.NewReader(data[:]), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}
