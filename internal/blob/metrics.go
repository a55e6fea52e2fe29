package blob

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count the requests to a store, each try of one. They tell no bucket and no key. A nil one counts
// nothing.
type Metrics struct {
	requests *prometheus.CounterVec   // by operation and outcome
	seconds  *prometheus.HistogramVec // by operation
}

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_store_requests_total",
			Help: "Requests to the store, each try of one, by what came of it.",
		}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crawlfleet_store_request_seconds",
			Help:    "Time until the store has begun to answer a request, which it has taken whole then.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"operation"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

// Observe has the requests of a client counted from now on.
func (c *Client) Observe(m *Metrics) { c.measured.metrics.Store(m) }

// measured is a transport that counts.
type measured struct {
	next    http.RoundTripper
	metrics atomic.Pointer[Metrics]
}

// RoundTrip implements http.RoundTripper.
func (t *measured) RoundTrip(r *http.Request) (*http.Response, error) {
	m := t.metrics.Load()
	if m == nil {
		return t.next.RoundTrip(r)
	}
	began := time.Now()
	answer, err := t.next.RoundTrip(r)
	operation := operationOf(r.Method, r.URL)
	m.seconds.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	m.requests.WithLabelValues(operation, outcomeOf(answer, err)).Inc()
	return answer, err
}

// aspects are the queries that make another operation of a request, by the name of that.
var aspects = []struct{ query, name string }{
	{"retention", "Retention"}, {"legal-hold", "LegalHold"}, {"object-lock", "ObjectLockConfiguration"}, {"versioning", "Versioning"},
	{"location", "Location"}, {"versions", "Versions"}, {"list-type", "Objects"}, {"uploads", "Uploads"}, {"delete", "Objects"},
}

// operationOf is the operation of the Amazon S3 API (API Reference, "Actions") that a request is, in short:
// GetObject, ListObjects, PutRetention.
func operationOf(method string, u *url.URL) string {
	verb := map[string]string{http.MethodGet: "Get", http.MethodHead: "Head", http.MethodPut: "Put", http.MethodDelete: "Delete", http.MethodPost: "Post"}[method]
	if verb == "" {
		return "Other"
	}
	query := u.Query()
	for _, a := range aspects {
		if !query.Has(a.query) {
			continue
		}
		if a.name == "Objects" && verb == "Get" || a.name == "Versions" {
			verb = "List"
		}
		return verb + a.name
	}
	if strings.Contains(strings.Trim(u.Path, "/"), "/") {
		return verb + "Object"
	}
	return verb + "Bucket"
}

// outcomeOf is what came of a request, in a word.
func outcomeOf(answer *http.Response, err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "Cancelled"
	case err != nil:
		return "Unreachable"
	}
	switch code := answer.StatusCode; {
	case code < http.StatusBadRequest:
		return "Done"
	case code == http.StatusNotFound:
		return "NotFound"
	case code == http.StatusConflict, code == http.StatusPreconditionFailed:
		return "Exists"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "Denied"
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return "Busy"
	case code == http.StatusInsufficientStorage:
		return "Full"
	case code >= http.StatusInternalServerError:
		return "Failed"
	}
	return "Refused"
}
