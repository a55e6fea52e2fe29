// Package notary vouches for what the fleet stores: it signs, has signatures stamped, and
// tells the custody log what was captured and stored.
//
// A chunk is signed in itself before it is stored ([Notary.Hook]). What vouches for more
// lies beside it, in a sidecar (package evidence), which is made of the stored file alone:
// whoever comes later can make one that is missing, and fetch stamps that are owed
// ([Notary.Vouch]). The custody log (package custody) is told before a chunk counts as
// archived, under identifiers that follow from the event: told twice is told once.
package notary

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
)

// ErrUnlogged is part of the error when the custody log could not be told.
var ErrUnlogged = errors.New("the custody log could not be written")

// signTimeout bounds a signature: that of a domain waits for a time stamp.
const signTimeout = time.Minute

// Notary signs, stamps and logs. A nil one and the zero value do none of it, for trials. Its
// methods may be called at the same time.
type Notary struct {
	// Signer signs; nil signs nothing.
	Signer *evidence.Signer
	// Authorities are those whose stamps each signature gets, Stamper asks one of them; it is
	// nil for one that it does not know.
	Authorities []evidence.Authority
	Stamper     func(evidence.Authority) evidence.Stamper
	// Custody is the log; nil for none.
	Custody *custody.Log
	// Metrics count, unless nil.
	Metrics *Metrics
	Logger  *slog.Logger

	rests rests
	// failing is set when the last signature failed: then Check tries one.
	failing atomic.Bool
}

func (n *Notary) signs() bool { return n != nil && n.Signer != nil }

// Check says early what would keep a chunk from being signed: that there is no key, or, when the
// last signature failed, that another one does, too. Its error is an [archive.ErrUnsigned].
func (n *Notary) Check() error {
	if !n.signs() {
		return nil
	}
	_, err := n.Signer.Keys.Key()
	n.Metrics.signed(err)
	if err == nil && n.failing.Load() {
		_, err = n.sign(warc.SHA256Of(nil))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", archive.ErrUnsigned, err)
	}
	return nil
}

func (n *Notary) sign(d warc.Digest) (*evidence.SignedData, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	data, err := n.Signer.Sign(ctx, d)
	n.failing.Store(err != nil)
	n.Metrics.signed(err)
	return data, err
}

// Hook is for [archive.Options]: it signs a chunk. It is nil when nothing is signed.
func (n *Notary) Hook() func(warc.Digest) (any, error) {
	if !n.signs() {
		return nil
	}
	return func(d warc.Digest) (any, error) {
		data, err := n.sign(d)
		if err != nil {
			return nil, err
		}
		return data, nil
	}
}

// An authority that fails so often, one time after the other, is left alone for a while: what
// waits for it would wait in vain, and the stamp is fetched later.
const (
	mostFailures = 3
	restTime     = time.Minute
)

// errResting is why an authority was not asked.
var errResting = errors.New("it did not answer before and is left alone for a minute")

// rests are the authorities that fail.
type rests struct {
	mu     sync.Mutex
	failed map[evidence.Authority]int
	until  map[evidence.Authority]time.Time
}

func (r *rests) resting(a evidence.Authority) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until[a])
}

func (r *rests) note(a evidence.Authority, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed, r.until = map[evidence.Authority]int{}, map[evidence.Authority]time.Time{}
	}
	if err == nil {
		delete(r.failed, a)
		delete(r.until, a)
		return
	}
	if r.failed[a]++; r.failed[a] >= mostFailures {
		r.until[a] = time.Now().Add(restTime)
	}
}

// stamper asks an authority unless it is left alone.
func (n *Notary) stamper(a evidence.Authority) evidence.Stamper {
	if n.Stamper == nil {
		return nil
	}
	s := n.Stamper(a)
	if s == nil {
		return nil
	}
	return patient{s, &n.rests, a}
}

type patient struct {
	evidence.Stamper
	rests     *rests
	authority evidence.Authority
}

// Stamp implements evidence.Stamper.
func (p patient) Stamp(ctx context.Context, sum [sha256.Size]byte) (*tsa.Answer, error) {
	if p.rests.resting(p.authority) {
		return nil, errResting
	}
	answer, err := p.Stamper.Stamp(ctx, sum)
	p.rests.note(p.authority, err)
	return answer, err
}
