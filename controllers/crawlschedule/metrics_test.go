package crawlschedule

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// TestSchedulesAreCounted: by how they are, with the times of all of them.
func TestSchedulesAreCounted(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	schedule := func(name, reason string, ready metav1.ConditionStatus, fired int64) *v1alpha1.CrawlSchedule {
		s := &v1alpha1.CrawlSchedule{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n"}}
		if reason != "" {
			s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason}}
			s.Status.Firings = &v1alpha1.FiringCounts{Fired: new(fired), Missed: new(int64(1))}
		}
		return s
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(Metrics{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		schedule("new", "", "", 0), schedule("a", "Scheduled", metav1.ConditionTrue, 3), schedule("b", "Scheduled", metav1.ConditionTrue, 4), schedule("c", "FiringFailed", metav1.ConditionFalse, 5),
	).Build()})
	err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP crawlfleet_crawlschedule_firings Times of the CrawlSchedules that there are, by what became of them.
# TYPE crawlfleet_crawlschedule_firings gauge
crawlfleet_crawlschedule_firings{outcome="Fired"} 12
crawlfleet_crawlschedule_firings{outcome="Missed"} 3
crawlfleet_crawlschedule_firings{outcome="Overlapped"} 0
# HELP crawlfleet_crawlschedules CrawlSchedules, by the reason of their condition Ready and by whether it holds.
# TYPE crawlfleet_crawlschedules gauge
crawlfleet_crawlschedules{ready="False",reason="FiringFailed"} 1
crawlfleet_crawlschedules{ready="True",reason="Scheduled"} 2
crawlfleet_crawlschedules{ready="Unknown",reason=""} 1
`))
	if err != nil {
		t.Error(err)
	}
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crawlfleet_crawlschedules", "crawlfleet_crawlschedule_firings"} {
		if !strings.Contains(string(docs), "| `"+name+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain %s", name)
		}
	}
}
