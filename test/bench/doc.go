// Package bench measures what a capture costs: pages a second and processor time a page, against a loop that does
// nothing but navigate, wait for the load event, and go on. Run it with
//
//	make bench-capture
//
// which writes docs/benchmarks.md. All variants of a round run one after another, round after round, and what is
// quoted are ratios within a round: the machine's speed may change from one to the next. Each run is a process of its
// own with a Chrome of its own, so that what it costs can be told; the sites and the store are other processes.
package bench
