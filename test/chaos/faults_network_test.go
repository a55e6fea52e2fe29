package chaos

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// What stores are known to do.
var (
	slowDown     harness.StoreFault = harness.SlowDown
	answersLost  harness.StoreFault = harness.AnswerLost
	halfReceived harness.StoreFault = harness.HalfReceived
	late                            = harness.Late(2 * time.Second)
)

// What networks are known to do.
var (
	silence = harness.Disturbance{Silent: true}
	cut     = harness.Disturbance{Cut: true}
	slow    = harness.Disturbance{Late: 300 * time.Millisecond}
)

// failStore has the gateway answer in the store's stead for a while, which has to concern
// somebody.
func failStore(f harness.StoreFault, length time.Duration) func(*testing.T, *crawl) {
	return func(t *testing.T, c *crawl) {
		for _, g := range c.stores {
			g.Fail(f)
		}
		time.Sleep(length)
		asked := 0
		for _, g := range c.stores {
			asked += g.Fail(nil)
		}
		if asked == 0 && c.at != atSeal { // nothing but that request may be left to do
			t.Error("nobody asked the store for anything meanwhile: the test shows nothing")
		}
	}
}

// disturbTemporal disturbs what passes between Temporal and all others.
func disturbTemporal(d harness.Disturbance, length time.Duration) func(*testing.T, *crawl) {
	return func(_ *testing.T, c *crawl) {
		for _, r := range c.relays {
			r.Disturb(d)
		}
		time.Sleep(length)
		for _, r := range c.relays {
			r.Disturb(harness.Disturbance{})
		}
	}
}

func cutOffWorker(t *testing.T, c *crawl) {
	r := c.relays[c.busy(t)]
	r.Disturb(silence)
	time.Sleep(leaseOver)
	r.Disturb(harness.Disturbance{})
}
