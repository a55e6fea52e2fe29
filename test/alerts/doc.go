// Package alerts tests what people watch a fleet by: the alert rules of config/alerts and the dashboards of
// config/dashboards, with the query language and the engine of Prometheus itself. It is a module of its own, because
// nothing else needs Prometheus.
package alerts
