// Package workflows holds the Temporal workflows of a crawl and everything that
// the two sides of them, the operator and the workers, have to agree on: names
// of workflows, activities and task queues (names.go), the one vocabulary of
// reasons (reasons.go) and the payloads (payloads.go).
//
// [CrawlRun] is one run of one CrawlJob. It checks the store, seeds the frontier,
// runs a [FrontierShard] for each shard, seals the archive and reports to the
// operator. A shard alternates two activities: Plan, which decides what is
// visited next, and CrawlBundle, which visits it. Temporal holds pointers and
// decides; the queue itself lies in the store as immutable objects.
//
// [CrawlFiring] is one firing of a CrawlSchedule. It runs in the operator, which alone may
// create a CrawlJob, and lasts as long as that.
//
// Workflow code imports the Temporal SDK and pure standard packages only, so that
// it cannot do I/O.
package workflows
