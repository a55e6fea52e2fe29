package crawljob

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	temporal "go.temporal.io/sdk/client"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/plain"
)

const (
	// checkEvery is the pause between two health checks.
	checkEvery = 5 * time.Second
	// failuresToBelieve is how many checks in a row must fail before Temporal
	// counts as unreachable, so that conditions do not flap. One success counts.
	failuresToBelieve = 2
)

// Checker is the part of a Temporal client that tells whether the server is
// there and knows the namespace.
type Checker interface {
	CheckHealth(ctx context.Context, request *temporal.CheckHealthRequest) (*temporal.CheckHealthResponse, error)
}

// Monitor is Health: it asks Temporal every few seconds and, when it goes or comes
// back, has every CrawlJob visited that is not over. It runs as a part of the
// manager.
type Monitor struct {
	// Checker is Temporal.
	Checker Checker
	// Client lists CrawlJobs from the cache.
	Client client.Client
	// Reports has CrawlJobs visited.
	Reports *Reports
	// Log is told when Temporal goes and comes back.
	Log *slog.Logger

	mu       sync.Mutex
	failures int
	err      error
}

var _ Health = (*Monitor)(nil)

// Err returns why Temporal cannot be reached, nil when it can or when nobody has
// found out yet.
func (m *Monitor) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failures < failuresToBelieve {
		return nil
	}
	return m.err
}

// NeedLeaderElection keeps the monitor with the reconciler that it wakes.
func (m *Monitor) NeedLeaderElection() bool { return true }

// Start checks until the context is done.
func (m *Monitor) Start(ctx context.Context) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		if m.check(ctx) {
			if err := m.wake(ctx); err != nil && ctx.Err() == nil {
				m.Log.Warn("visit CrawlJobs after a change of Temporal's health", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// check asks once and tells whether the answer changes what Err says.
func (m *Monitor) check(ctx context.Context) bool {
	checking, cancel := context.WithTimeout(ctx, callTimeout)
	_, err := m.Checker.CheckHealth(checking, &temporal.CheckHealthRequest{})
	cancel()
	if ctx.Err() != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	wasDown := m.failures >= failuresToBelieve
	if err == nil {
		m.failures, m.err = 0, nil
		if wasDown {
			m.Log.Info("Temporal answers again")
		}
		return wasDown
	}
	m.failures++
	m.err = plain.Temporal(err)
	isDown := m.failures >= failuresToBelieve
	if isDown && !wasDown {
		m.Log.Warn("Temporal does not answer", "error", m.err)
	}
	return isDown && !wasDown
}

// wake has every CrawlJob visited that is not over.
func (m *Monitor) wake(ctx context.Context) error {
	var jobs v1alpha1.CrawlJobList
	if err := m.Client.List(ctx, &jobs); err != nil {
		return fmt.Errorf("list CrawlJobs: %w", err)
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if finished(job) && job.DeletionTimestamp.IsZero() {
			continue
		}
		if err := m.Reports.Visit(ctx, types.NamespacedName{Namespace: job.Namespace, Name: job.Name}); err != nil {
			return err
		}
	}
	return nil
}
