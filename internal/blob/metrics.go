package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
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
	m.begin()
	r.MustRegister(m.requests, m.seconds)
	return m
}

// begin sets to 0 what trouble comes of the operations that all programs live by, so that the first of a kind is
// seen as a rise: a store may be full once, and be asked again when it is not any more.
func (m *Metrics) begin() {
	for _, operation := range []string{"PutObject", "GetObject", "HeadObject", "ListObjects"} {
		for _, outcome := range []string{"Busy", "Denied", "Failed", "Full", "Unreachable"} {
			m.requests.WithLabelValues(operation, outcome)
		}
	}
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
	case code == http.StatusInsufficientStorage, saysFull(answer):
		return "Full"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "Denied"
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return "Busy"
	case code >= http.StatusInternalServerError:
		return "Failed"
	}
	return "Refused"
}

// maxPeeked is how much of an answer is read for its error code, in bytes.
const maxPeeked = 4 << 10

// saysFull tells whether an answer's error code says that there is no room: a quota that is used up has a status
// that stands for other trouble, too. The body is there to be read all the same.
func saysFull(answer *http.Response) bool {
	if answer.Body == nil {
		return false
	}
	begun, _ := io.ReadAll(io.LimitReader(answer.Body, maxPeeked)) // what is wrong is met again by whoever reads it
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begun), answer.Body), answer.Body}
	return slices.ContainsFunc(fullCodes, func(code string) bool { return bytes.Contains(begun, []byte("<Code>"+code+"</Code>")) })
}
