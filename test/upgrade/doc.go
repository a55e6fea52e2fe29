// Package upgrade tests that the workers can be replaced by those of another build in the middle of
// a crawl, and back again, with a real Temporal server; and that programs stay connected to one whose
// certificates are replaced.
package upgrade
