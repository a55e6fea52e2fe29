package v1alpha1

// The conditions of a CrawlJob. All but Retained are present from the first visit of the
// operator on, each with the generation it was judged for. Their reasons are
// the words of package workflows, and docs/reference/crawljob.md says for each
// of them what to do.
const (
	// ConditionAccepted tells whether the order was taken: True once its
	// authorisation holds and its seeds could be read. It stays True afterwards.
	ConditionAccepted = "Accepted"

	// ConditionSealed is True once the run's manifest and closing statement are
	// stored beside its snapshots. Snapshots are stored and complete long before
	// that, each as soon as its chunk is committed.
	ConditionSealed = "Sealed"

	// ConditionSucceeded is the verdict. It is Unknown while the crawl runs, and
	// its reason then says where the crawl is.
	ConditionSucceeded = "Succeeded"

	// ConditionFinished is True when nothing more will happen: after success,
	// failure and cancellation alike. It is the one to wait for.
	ConditionFinished = "Finished"

	// ConditionReconciling is kstatus' "work is under way": True while the crawl
	// moves towards what spec.state asks for.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is kstatus' "this does not move by itself or has failed":
	// True with a reason and a next step. It is never True together with
	// Reconciling.
	ConditionStalled = "Stalled"

	// ConditionRetained tells what is left of the captures of a crawl that is over:
	// True while what is to be kept is there, False when nothing is left, Unknown when
	// the store does not hold what it should, or nobody who looks after them has told yet. It is
	// there once that was looked at, or was to be.
	ConditionRetained = "Retained"
)

// Finalizer keeps a deleted CrawlJob until its crawl was cancelled and sealed,
// or until the operator has waited long enough. Archived snapshots are never
// deleted with it.
const Finalizer = "crawlfleet.dev/crawl"
