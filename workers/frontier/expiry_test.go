package frontier

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoPageAfterAWaitForTheLease: a second attempt waits before each page until the server knows of
// it, and the authorisation may end meanwhile.
func TestNoPageAfterAWaitForTheLease(t *testing.T) {
	t.Parallel()
	w := tree(5, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	r.leases.lease(ref.ID) // the attempt before has died
	var ahead atomic.Int64
	r.crawler.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	r.job.Spec.Authorization.NotAfter = time.Now().Add(time.Hour)
	refused := false
	r.leases.fail = func() error {
		if refused || r.leases.beats < 2 { // the first tells that the attempt has begun
			return nil
		}
		refused = true
		ahead.Store(int64(2 * time.Hour))
		return errors.New("made for a test")
	}
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Yielded == "" || len(w.loads) != 0 {
		t.Errorf("%+v, %v after %d loads: want none", out, err, len(w.loads))
	}
	if !refused {
		t.Error("the attempt did not wait for its lease")
	}
}
