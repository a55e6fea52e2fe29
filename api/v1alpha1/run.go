package v1alpha1

import "k8s.io/apimachinery/pkg/types"

// AnnotationRun names, on a CrawlJob that was restored, the run that it had in the cluster it was
// saved in: the UID of the CrawlJob there. Its crawl goes on as that run, or is over if that run
// was. The API server takes it from whoever may restore CrawlJobs alone, and lets nobody change it.
const AnnotationRun = "crawlfleet.dev/run"

// RunUID is what the run of a CrawlJob is called, in Temporal and in the archive: its own UID, or
// the one that it had before it was restored.
func (j *CrawlJob) RunUID() types.UID {
	if run := j.Annotations[AnnotationRun]; run != "" {
		return types.UID(run)
	}
	return j.UID
}

// Restored tells whether a CrawlJob was saved elsewhere, where its run began.
func (j *CrawlJob) Restored() bool { return j.Annotations[AnnotationRun] != "" }
