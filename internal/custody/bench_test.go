package custody

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// openBucket opens a bucket of an S3 server that takes its time.
func openBucket(t testing.TB, latency time.Duration) *blob.Bucket {
	t.Helper()
	server := &blobtest.Server{Answer: func(http.ResponseWriter, *http.Request, func()) bool {
		time.Sleep(latency)
		return false
	}}
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("bucket")
}

// BenchmarkAppend measures how many calls of Append eight processes get done, each with 16
// callers, on a store that needs 20 ms for an answer.
func BenchmarkAppend(b *testing.B) {
	const processes, callers = 8, 16
	k, bucket := newKeys(b), openBucket(b, 20*time.Millisecond)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	next := make(chan int)
	for range processes {
		l := k.open(b, bucket)
		for range callers {
			wg.Go(func() {
				for i := range next {
					began := time.Now()
					if _, err := l.Append(b.Context(), testEntry(fmt.Sprintf("e-%d", i))); err != nil {
						b.Error(err)
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
		}
	}
	b.ResetTimer()
	for i := range b.N {
		next <- i
	}
	close(next)
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
	report, err := k.open(b, bucket).Verify(b.Context())
	if err != nil || report.Entries != int64(b.N) {
		b.Errorf("%+v, %v", report, err)
	}
	b.ReportMetric(float64(report.Entries)/float64(report.Batches), "entries/batch")
}

// BenchmarkVerify measures the reading of a log in memory.
func BenchmarkVerify(b *testing.B) {
	k, store := newKeys(b), newMemory()
	l := k.open(b, store)
	fill(b, l, "a", 20_000, 50)
	for b.Loop() {
		if _, err := l.Verify(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// TestS3 runs the log on the S3 client.
func TestS3(t *testing.T) {
	t.Parallel()
	k, bucket := newKeys(t), openBucket(t, 0)
	var wg sync.WaitGroup
	for p := range 3 {
		l := k.open(t, bucket)
		wg.Go(func() {
			for i := range 100 {
				if _, err := l.Append(t.Context(), testEntry(fmt.Sprintf("p%d-%d", p, i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	report, err := k.open(t, bucket).Verify(t.Context())
	if err != nil || report.Entries != 300 || report.Missing != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}
