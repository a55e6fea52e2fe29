// Package scale decides how many pods the pools of a fleet have: from what browsers could do now, to
// zero and back.
//
// A host is visited one page at a time, so each host that could be visited asks for one tab. What is
// asked for is shared out over the pools in their order: the first one is filled up to its
// maximum, then the next, above the minimum that each has anyway.
//
//   - A pool grows at once. All pools together double, or grow by LeastStep pods, within StepTime at
//     most.
//   - It shrinks to what it needed at most within its delay, and one tab to spare for ten of them, so that
//     it does not go up and down with every breath of a crawl.
//   - Pods of a pool that do not get ready within PodPatience count for nothing: the next pools do
//     their work meanwhile. So a pool on cheap nodes that cannot be had is no obstacle.
//   - When the demand is not known, everything stays as it is.
//
// Decide is pure; a Scaler keeps its state and asks a Source for the demand. [Temporal] is one. See
// docs/scaling.md.
package scale
