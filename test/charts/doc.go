// Package charts tests what installs crawlfleet: the Helm charts and config/default render the same
// objects, refuse what is not known, and are taken by a real API server.
package charts
