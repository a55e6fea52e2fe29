package frontier

import "time"

// What is waited for at a host.
const (
	// waitDelay is the pause between two pages, waitTurn the end of another run's visit.
	waitDelay = "Delay"
	waitTurn  = "Turn"
)

// patient are the bounds of what is waited for.
var patient = []float64{.1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600}

// waited notes how long something of a host was waited for.
func (m *Metrics) waited(what string, d time.Duration) {
	if m != nil {
		m.waits.WithLabelValues(what).Observe(max(0, d).Seconds())
	}
}

// waits notes how long something is waited for until the returned function is called.
func (v *hostVisit) waits(what string) func() {
	began := v.Now()
	return func() { v.Metrics.waited(what, v.Now().Sub(began)) }
}

// fetched notes that a worker has come to a host that was ready since a time, zero for always.
func (m *Metrics) fetched(ready, now time.Time) {
	if m != nil && !ready.IsZero() {
		m.ready.Observe(max(0, now.Sub(ready)).Seconds())
	}
}

// begun notes that a worker has taken a bundle that was handed out at a time.
func (m *Metrics) begun(handed, now time.Time) {
	if m != nil {
		m.bundles.Observe(max(0, now.Sub(handed)).Seconds())
	}
}
