// Package harness runs the whole line on real parts for the integration tests: the built binaries of the
// development stack (Kubernetes API server with etcd, Temporal, S3), the operator and the workers, each as a process
// of its own that a test may kill, and the archive as it lies in the bucket.
//
//	fleet := harness.Start(t, harness.Options{Workers: 1})
//	site := ... // test/sites, in the test's own process
//	fleet.Apply(t, harness.NewJob("board", site.URL+"/"))
//	fleet.Workers[0].Kill()                      // kill -9
//	fleet.StartAgain(t, fleet.Workers[0])
//	fleet.WaitFor(t, "crawl/board", "Finished", 5*time.Minute)
//	run := fleet.ReadRun(t, "board")             // from the bucket, not from anybody's word
//	cmp.Diff(site.Account().Followed(), run.URLs())
//
// What stands between the processes may be disturbed, and the machine too: a [Relay] is the network, a [Gateway] the load
// balancer before the store, [Browsers] finds Chromes to kill or freeze, [Fleet.FreezePart] freezes a part of the stack,
// [ShiftClock] sets the clock of one process off.
//
// Nothing is mocked and nothing is taken from the programs under test but their own output: the archive reader here is
// written from the WARC, CDXJ and WACZ specifications and shares no code with the fleet's writer.
//
// The binaries are expected in the repository's bin folder (or in CRAWLFLEET_BIN); a test that finds none fails and
// says how to build them. Logs of all processes go to the test's folder, or to a folder below CRAWLFLEET_TEST_LOGS
// where they stay; their ends are printed when the test fails. Only processes that the harness started are ended: by
// their own process groups, and by a mark in the environment that their children inherit.
package harness
