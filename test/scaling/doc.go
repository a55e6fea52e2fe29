// Package scaling tries on the real stack what pools of pods rest on as they grow and shrink.
//
// Workers are ended as Kubernetes ends the pods of a pool that becomes smaller: with SIGTERM and a grace period. A crawl must
// lose no page of it, and load none twice: the site's own log is the witness. And what Temporal and a run say of the work
// that there is has to be what is there, from nothing to a backlog, to pages that are being loaded, and back.
package scaling
