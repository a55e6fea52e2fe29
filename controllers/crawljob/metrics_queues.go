package crawljob

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/controllers/queues"
)

// queuesTimeout bounds the questions about all queues.
const queuesTimeout = 4 * time.Second

// QueueMetrics tell how much work waits in Temporal, whenever somebody asks.
type QueueMetrics struct {
	// Temporal is asked about the queues of Namespace.
	Temporal  queues.Describer
	Namespace string
}

// What is told of task queues.
var (
	temporalUpDesc   = prometheus.NewDesc("crawlfleet_temporal_up", "Whether Temporal has told of the task queues: 1 or 0.", nil, nil)
	backlogDesc      = prometheus.NewDesc("crawlfleet_queue_backlog", "Tasks that wait for a worker, by Temporal's estimate.", []string{"queue"}, nil)
	backlogAgeDesc   = prometheus.NewDesc("crawlfleet_queue_backlog_age_seconds", "Age of the oldest task that waits for a worker.", []string{"queue"}, nil)
	queuePollersDesc = prometheus.NewDesc("crawlfleet_queue_pollers", "Workers that have asked for tasks of late.", []string{"queue"}, nil)
)

// Describe implements prometheus.Collector.
func (QueueMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{temporalUpDesc, backlogDesc, backlogAgeDesc, queuePollersDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (q QueueMetrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queuesTimeout)
	defer cancel()
	up := 1.0
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, queue := range queues.All {
		question := queue.Question(q.Namespace, queue.Name)
		question.ReportStats = true // which are of all partitions
		answer, err := q.Temporal.DescribeTaskQueue(ctx, question)
		if err != nil {
			up = 0
			break
		}
		others, err := queue.Others(ctx, q.Temporal, q.Namespace)
		if err != nil {
			up = 0
			break
		}
		workers := map[string]bool{}
		for _, p := range slices.Concat(answer.GetPollers(), others) {
			workers[p.GetIdentity()] = true
		}
		gauge(backlogDesc, float64(answer.GetStats().GetApproximateBacklogCount()), queue.Name)
		gauge(backlogAgeDesc, answer.GetStats().GetApproximateBacklogAge().AsDuration().Seconds(), queue.Name)
		gauge(queuePollersDesc, float64(len(workers)), queue.Name)
	}
	gauge(temporalUpDesc, up)
}
