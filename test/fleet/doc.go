// Package fleet tests a whole fleet in a real Kubernetes of one node: from an empty cluster, by the commands of
// docs/install.md, to snapshots in the portal, and out again. make e2e runs it, as root; make test does not.
package fleet
