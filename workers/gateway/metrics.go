package gateway

import "github.com/prometheus/client_golang/prometheus"

// outcome is what became of a request for a tunnel.
type outcome string

// The outcomes.
const (
	// outcomeTunnel is that of one who got a tunnel.
	outcomeTunnel outcome = "Tunnel"
	// outcomeForbidden is that of an address that nobody may visit: a worker does not ask for one.
	outcomeForbidden outcome = "Forbidden"
	// outcomeUnreachable is that of a site that does not answer.
	outcomeUnreachable outcome = "Unreachable"
	// outcomeFull is that of one for whom there was no place.
	outcomeFull outcome = "Full"
	// outcomeMalformed is that of what no worker asks.
	outcomeMalformed outcome = "Malformed"
)

// The directions of what is carried.
const (
	toSite   = "ToSite"
	fromSite = "FromSite"
)

// Metrics count what a gateway does.
type Metrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	tunnels  prometheus.Gauge
}

// NewMetrics makes the metrics of a gateway.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_gateway_requests_total", Help: "Requests for a tunnel, by what became of them.",
		}, []string{"outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_gateway_bytes_total", Help: "Bytes that tunnels carried, counted when a direction ends.",
		}, []string{"direction"}),
		tunnels: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crawlfleet_gateway_tunnels", Help: "Tunnels that there are.",
		}),
	}
	r.MustRegister(m.requests, m.bytes, m.tunnels)
	// What is 0 is there, so that the first of it is seen.
	for _, o := range []outcome{outcomeTunnel, outcomeForbidden, outcomeUnreachable, outcomeFull, outcomeMalformed} {
		m.requests.WithLabelValues(string(o))
	}
	m.carried(toSite, 0)
	m.carried(fromSite, 0)
	return m
}

func (m *Metrics) asked(o outcome) { m.requests.WithLabelValues(string(o)).Inc() }

func (m *Metrics) carried(direction string, n int64) {
	m.bytes.WithLabelValues(direction).Add(float64(n))
}

// open counts a tunnel until it is closed.
func (m *Metrics) open() (closed func()) {
	m.tunnels.Inc()
	return m.tunnels.Dec
}
