package notary

import (
	"context"
	"fmt"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

// beside is what a list shows of an object and its sidecar.
type beside struct {
	object, sidecar bool
	etag            string // of the sidecar
}

// gone tells that the object is not there. A list that does not show the sidecar either is no proof
// of anything: who asks knows that it was there a moment ago.
func (b beside) gone() bool { return b.sidecar && !b.object }

// look lists an object and its sidecar. Only a list has both in one answer, and unlike the answer
// to a HEAD it says why when there is none. An object is there as long as there is a version of it.
func look(ctx context.Context, store Store, o Object, sidecar blob.Key) (b beside, err error) {
	err = store.List(ctx, string(o.Key), func(i blob.Info) bool {
		switch i.Key {
		case o.Key:
			b.object = true
		case sidecar:
			b.sidecar, b.etag = true, i.ETag
		}
		return !b.object || !b.sidecar
	})
	if err == nil && b.gone() { // or hidden, in a bucket that keeps versions
		b.object, err = store.Has(ctx, o.Key)
	}
	return b, err
}

// withdraw removes a sidecar again that was just written, when its object was erased meanwhile: who
// erased it may have listed what is to go before the sidecar was there, and it would stay for ever.
// The object was there before, and one that is erased never comes back by itself. So either who
// erases sees the sidecar, or its writer sees that the object is gone.
//
// It removes what was written and nothing else: that version, or, in a bucket that keeps none, the
// object while it is what was written. Who replaced it looks for itself.
func (n *Notary) withdraw(ctx context.Context, store Store, o Object, key blob.Key, wrote blob.Info) (gone bool, err error) {
	lies, err := look(ctx, store, o, key)
	if err != nil || !lies.gone() {
		return false, err
	}
	if wrote.Version == "" && lies.etag != wrote.ETag {
		return true, nil
	}
	if err := store.RemoveVersion(ctx, key, wrote.Version); err != nil {
		return true, err
	}
	n.Logger.InfoContext(ctx, "an object was erased while it was vouched for: its sidecar is removed again", "object", o.Key)
	return true, nil
}

// takeBack removes a sidecar whose object was erased: its writer died before it looked, or could not.
// Of what is gone and was not to be erased it stays, for it says what that was; and so does one that
// is held with all that is left of a run.
func (n *Notary) takeBack(ctx context.Context, store Store, o Object, key blob.Key) error {
	i := strings.LastIndex(string(o.Key), "/"+retention.Chunks) + 1
	prefix, name := string(o.Key[:i]), string(o.Key[i:])
	if prefix == "" {
		return nil
	}
	log, err := retention.Read(ctx, store, prefix)
	if err != nil {
		return fmt.Errorf("ask whether it was erased: %w", err)
	}
	fate := retention.Judge(retention.Period{}, log.Decisions, []string{name})[name]
	if fate.Erasing == 0 || fate.Held() {
		return nil
	}
	if _, err := store.Erase(ctx, key); err != nil {
		return err
	}
	n.Logger.InfoContext(ctx, "an object was erased: its sidecar, which was written meanwhile, is removed", "object", o.Key)
	return nil
}
