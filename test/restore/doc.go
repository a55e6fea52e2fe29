// Package restore tests that a fleet can be moved: what docs/backup.md says to save is saved, the cluster is
// given up, and another one with a new API server, a new Temporal and a new store goes on with it.
package restore
