package frontier

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// Follow has browsers told of from now on, whenever somebody asks: load says how much they have to do.
func (m *Metrics) Follow(load func() browser.Load) {
	if m != nil {
		m.pool.load.Store(&load)
	}
}

// browserMetrics tell of browsers, while there are any.
type browserMetrics struct {
	load atomic.Pointer[func() browser.Load]
}

// What is told of browsers.
var (
	browsersDesc = prometheus.NewDesc("crawlfleet_browsers", "Chromes that run.", nil, nil)
	memoryDesc   = prometheus.NewDesc("crawlfleet_browser_resident_bytes", "Memory that the processes of all Chromes hold. What they share counts for each.", nil, nil)
	tabsDesc     = prometheus.NewDesc("crawlfleet_tabs", "Pages that may be worked on at a time.", nil, nil)
	busyDesc     = prometheus.NewDesc("crawlfleet_tabs_busy", "Pages that are worked on.", nil, nil)
	staysDesc    = prometheus.NewDesc("crawlfleet_stays", "Hosts that a browser stays at.", nil, nil)
	waitingDesc  = prometheus.NewDesc("crawlfleet_stays_waiting", "Hosts whose pages wait for a browser of the worker.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*browserMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{browsersDesc, memoryDesc, tabsDesc, busyDesc, staysDesc, waitingDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (b *browserMetrics) Collect(metrics chan<- prometheus.Metric) {
	ask := b.load.Load()
	if ask == nil {
		return
	}
	load := (*ask)()
	for d, v := range map[*prometheus.Desc]float64{
		browsersDesc: float64(load.Browsers), memoryDesc: float64(load.Bytes), tabsDesc: float64(load.Tabs), busyDesc: float64(load.Busy),
		staysDesc: float64(load.Stays), waitingDesc: float64(load.Waiting),
	} {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
