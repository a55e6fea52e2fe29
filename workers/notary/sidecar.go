package notary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
)

// maxSidecar bounds a sidecar in bytes.
const maxSidecar = 8 << 20

// Store is the bucket that objects and their sidecars lie in; a [blob.Bucket] is one.
type Store interface {
	blob.Store
	Replace(ctx context.Context, key blob.Key, etag string, content blob.Content) (blob.Info, error)
	Has(ctx context.Context, key blob.Key) (bool, error)
	RemoveVersion(ctx context.Context, key blob.Key, version string) error
	Erase(ctx context.Context, key blob.Key) (blob.Erased, error)
}

// Object is a stored file that a sidecar is about.
type Object struct {
	Key  blob.Key
	Size int64
	// SHA256 is that of the file, in hex.
	SHA256 string
	// Plain is set for a file that has no signature in itself, such as run.json: the sidecar
	// is its signature.
	Plain bool
}

// sidecarKey is where the sidecar of an object lies.
func (o Object) sidecarKey() (blob.Key, error) {
	return blob.NewKey(string(o.Key) + evidence.SidecarSuffix)
}

// Order says in what course objects came to be.
type Order struct {
	// Run is the UID of the run, Authorization the reference under which it was ordered.
	Run, Authorization string
}

// sidecar is one as it lies in the store.
type sidecar struct {
	*evidence.Sidecar
	etag string
}

// vouchTries is how often a sidecar is looked at that others write at the same time.
const vouchTries = 4

// Vouch sees to it that an object has its sidecar, with every stamp that can be had now, and
// tells how many are owed. A WACZ that is not signed gets none, nor does an object that is erased
// meanwhile. Its errors are those of the store and the custody log, or [archive.ErrUnsigned].
func (n *Notary) Vouch(ctx context.Context, store Store, order Order, o Object) (owed int, err error) {
	if !n.signs() {
		return 0, nil
	}
	for try := 1; ; try++ {
		owed, err = n.vouch(ctx, store, order, o)
		if err == nil {
			return owed, nil
		}
		if !errors.Is(err, blob.ErrExists) || try == vouchTries {
			return owed, fmt.Errorf("vouch for %s: %w", o.Key, err)
		}
	}
}

func (n *Notary) vouch(ctx context.Context, store Store, order Order, o Object) (owed int, err error) {
	key, err := o.sidecarKey()
	if err != nil {
		return 0, err
	}
	have, err := read(ctx, store, key)
	if errors.Is(err, blob.ErrNotFound) {
		return n.create(ctx, store, order, o, key)
	}
	if err != nil {
		return 0, err
	}
	lies, err := look(ctx, store, o, key)
	if err != nil {
		return 0, err
	}
	if lies.gone() {
		return 0, n.takeBack(ctx, store, o, key)
	}
	if len(have.Owed()) == 0 {
		return 0, nil
	}
	return n.complete(ctx, store, order, o, key, have)
}

// create makes a sidecar and stores it, with the stamps that can be had at once.
func (n *Notary) create(ctx context.Context, store Store, order Order, o Object, key blob.Key) (owed int, err error) {
	subject := evidence.Subject{Name: path.Base(string(o.Key)), Path: string(o.Key), SHA256: warc.SHA256Hex(o.SHA256)}
	if !o.Plain {
		signed, err := signedData(ctx, store, o)
		if err != nil || signed == nil {
			return 0, err
		}
		subject.Package, subject.Signature = signed.Hash, signed.Signature
	}
	made, err := evidence.NewSidecar(n.Signer.Keys, evidence.Statement{
		Authorities: n.Authorities, Authorization: oneLine(order.Authorization), Created: n.now(), Software: n.Signer.Software, Subject: subject,
	})
	n.Metrics.signed(err)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", archive.ErrUnsigned, err)
	}
	stamped, failed := made.Fetch(ctx, n.stamper)
	if stamped == nil {
		return 0, failed
	}
	content, err := contentOf(stamped)
	if err != nil {
		return 0, err
	}
	wrote, err := store.Put(ctx, key, content)
	if err != nil {
		return 0, err
	}
	owed = n.stillOwed(o, stamped, failed)
	n.Metrics.made(len(stamped.Stamps)-owed, owed)
	if gone, err := n.withdraw(ctx, store, o, key, wrote); gone || err != nil {
		return 0, err
	}
	return owed, nil
}

// complete fetches the stamps that a stored sidecar is owed. The custody log is told before they
// are stored: should that fail they are fetched again, and it knows already.
func (n *Notary) complete(ctx context.Context, store Store, order Order, o Object, key blob.Key, have *sidecar) (owed int, err error) {
	stamped, failed := have.Fetch(ctx, n.stamper)
	if stamped == nil {
		return 0, failed
	}
	owed = n.stillOwed(o, stamped, failed)
	if owed == len(have.Owed()) {
		if !allResting(failed) {
			n.Metrics.asked(0, owed)
		}
		return owed, nil
	}
	if err := n.stampsFetched(ctx, order, o, key, have.Sidecar, stamped); err != nil {
		return 0, err
	}
	content, err := contentOf(stamped)
	if err != nil {
		return 0, err
	}
	wrote, err := store.Replace(ctx, key, have.etag, content)
	if err != nil {
		return 0, err
	}
	n.Metrics.asked(len(have.Owed())-owed, owed)
	if gone, err := n.withdraw(ctx, store, o, key, wrote); gone || err != nil {
		return 0, err
	}
	return owed, nil
}

// stillOwed counts the stamps that are owed, and tells why.
func (n *Notary) stillOwed(o Object, sc *evidence.Sidecar, failed error) int {
	owed := len(sc.Owed())
	if owed > 0 && !allResting(failed) {
		n.Logger.Warn("time stamps are owed; they are fetched later", "object", o.Key, "owed", owed, "error", failed)
	}
	return owed
}

// allResting tells of the errors of authorities that none of them was asked.
func allResting(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Is(err, errResting)
	}
	for _, e := range joined.Unwrap() {
		if !errors.Is(e, errResting) {
			return false
		}
	}
	return true
}

// signedData is the signature of a WACZ, nil when it has none.
func signedData(ctx context.Context, store Store, o Object) (*evidence.SignedData, error) {
	z, err := wacz.Open(blob.NewReaderAt(ctx, store, o.Key, o.Size), o.Size)
	if err != nil {
		return nil, err
	}
	d, err := z.PackageDigest()
	if err != nil || len(d.SignedData) == 0 {
		return nil, err
	}
	return evidence.ParseSignedData(d.SignedData)
}

func read(ctx context.Context, store Store, key blob.Key) (*sidecar, error) {
	body, info, err := store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()                                         // read only
	raw, err := io.ReadAll(io.LimitReader(body, maxSidecar+1)) // the parser refuses what is larger
	if err != nil {
		return nil, fmt.Errorf("%w: read %q: %w", blob.ErrUnreachable, key, err)
	}
	sc, err := evidence.ParseSidecar(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &sidecar{sc, info.ETag}, nil
}

func contentOf(sc *evidence.Sidecar) (blob.Content, error) {
	raw, err := sc.Marshal()
	if err != nil {
		return blob.Content{}, err
	}
	sum := sha256.Sum256(raw)
	return blob.Content{Body: bytes.NewReader(raw), Size: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]), Type: "application/json"}, nil
}

// oneLine makes a reference fit into a sidecar, which has no lines in it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

func (n *Notary) now() time.Time {
	if n.Signer.Now != nil {
		return n.Signer.Now()
	}
	return time.Now()
}

// vouchesAtOnce is how many objects are vouched for at a time.
const vouchesAtOnce = 8

// VouchAll vouches for the objects of a run, and tells how many stamps are owed in all. One
// whose sidecar cannot be read, or which is not as it should be, counts as one that is owed and
// keeps no other from getting its own; trouble of the store, the key or the log is an error.
func (n *Notary) VouchAll(ctx context.Context, store Store, order Order, objects []Object) (owed int, err error) {
	if !n.signs() {
		return 0, nil
	}
	var sum atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(vouchesAtOnce)
	for _, o := range objects {
		group.Go(func() error {
			owed, err := n.Vouch(ctx, store, order, o)
			switch {
			case errors.Is(err, blob.ErrNotFound): // the closing statement says so
				return nil
			case err != nil && !trouble(err):
				n.Logger.Error("an object cannot be vouched for", "object", o.Key, "error", err)
				owed = 1
			case err != nil:
				return err
			}
			sum.Add(int64(owed))
			return nil
		})
	}
	err = group.Wait()
	return int(sum.Load()), err
}

// trouble tells what passes, or can be mended, from an object that is not as it should be.
func trouble(err error) bool {
	for _, kind := range []error{
		blob.ErrUnreachable, blob.ErrDenied, blob.ErrClock, blob.ErrNoBucket, blob.ErrFull, blob.ErrExists,
		archive.ErrUnsigned, ErrUnlogged, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
