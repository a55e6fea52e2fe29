// Package chaos disturbs crawls on the real stack, one fault in each, and compares what comes
// of them with a plain walk of the sites and with the sites' own log.
//
// The table of faults is in table_test.go, each with the moments at which it strikes; what they
// do is in the files faults_*_test.go, and what is expected in check_test.go. docs/chaos.md shows
// the table to people, and a test compares the two.
//
//	go test ./chaos                          # each kind of fault once, at a moment that the seed chooses
//	go test ./chaos -long                    # each at every moment
//	go test ./chaos -seed 7                  # the choice of another day; it is printed
//	go test ./chaos -long -only WorkerKilled # what matches alone
package chaos
