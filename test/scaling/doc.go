// Package drain ends workers as Kubernetes ends the pods of a pool that becomes smaller: with SIGTERM and a grace period. A
// crawl on the real stack must lose no page of it, and load none twice: the site's own log is the witness.
package drain
