// Package load puts a crawl of many shards under load: everything is real but the browsers and the web. Run it with
//
//	make load
//
// which writes docs/load.md. The stack, the operator, and the workers that run workflows and plan are the built
// programs. Pages are visited by the real crawler, with its leases, robots.txt, commits and WACZ files, but the tab that
// it is lent is a timed stand-in: it waits as long as a page takes and hands over a page of a made-up web. The stand-in
// is this test binary itself, started again as a worker.
//
// What is counted is taken from where it cannot be missed: actions and latencies from the workflows' histories, store
// calls from gateways before the store, one for each kind of worker, and processor time from /proc.
package load
