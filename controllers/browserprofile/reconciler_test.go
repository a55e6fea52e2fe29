package browserprofile

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workflows"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const cookieValue = "s3cr3t-0f-nobody"

func stateFile(serial string) []byte {
	return []byte(`{"cookies":[{"name":"session","value":"` + cookieValue + serial + `","domain":"example.org","path":"/","expires":1800000000},` +
		`{"name":"old","value":"x","domain":".example.org","path":"/","expires":1000}],"origins":[{"origin":"https://example.org","localStorage":[]}]}`)
}

func at(ago time.Duration) *metav1.Time {
	t := metav1.NewTime(noon.Add(-ago))
	return &t
}

func TestDecide(t *testing.T) {
	t.Parallel()
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	fresh := profile.Summary{Cookies: 2, Expired: 1, Origins: 1, Earliest: noon.Add(time.Hour), Latest: noon.Add(time.Hour)}
	known := func(e *v1alpha1.ExpiredLogin) *v1alpha1.BrowserProfile {
		return &v1alpha1.BrowserProfile{ObjectMeta: metav1.ObjectMeta{Name: "members"}, Status: v1alpha1.BrowserProfileStatus{Expired: e}}
	}
	found := &v1alpha1.ExpiredLogin{SHA256: one, CrawlJob: "board", FoundAt: at(time.Minute)}
	for name, tc := range map[string]struct {
		reason  string
		o       Observation
		status  metav1.ConditionStatus
		word    workflows.Reason
		expired *v1alpha1.ExpiredLogin
		again   time.Duration
		message string
	}{
		"Usable": {
			reason: "A whole state can be used.",
			o:      Observation{Profile: known(nil), SHA256: one, Summary: fresh, Hosts: []string{"example.org"}},
			status: metav1.ConditionTrue, word: ReasonUsable, again: lookAgain,
			message: "2 cookies and the storage of 1 origins are used at example.org. 1 of the cookies have ended and are left out. The next one ends at 2026-05-04T13:00:00Z",
		},
		"EndsSoon": {
			reason: "A cookie's end is looked at when it comes.",
			o:      Observation{Profile: known(nil), SHA256: one, Summary: profile.Summary{Cookies: 1, Earliest: noon.Add(10 * time.Second)}},
			status: metav1.ConditionTrue, word: ReasonUsable, again: 11 * time.Second,
		},
		"Problem": {
			reason: "What cannot be read is told.",
			o:      Observation{Profile: known(nil), Problem: &Problem{workflows.ReasonSecretNotFound, "make it"}},
			status: metav1.ConditionFalse, word: workflows.ReasonSecretNotFound, again: lookAgain, message: "make it",
		},
		"FoundExpired": {
			reason: "A crawl has found the log-in to be over.",
			o:      Observation{Profile: known(nil), SHA256: one, Summary: fresh, Uses: []Use{{CrawlJob: "board", SHA256: one, Expired: at(time.Minute)}}},
			status: metav1.ConditionFalse, word: workflows.ReasonLoginExpired, expired: found, again: lookAgain,
			message: `CrawlJob "board" was shown pages as to a visitor who is not logged in: the log-in is over. Log in again with crawlctl profile create members`,
		},
		"StaysExpired": {
			reason: "It stays over when that crawl is gone.",
			o:      Observation{Profile: known(found), SHA256: one, Summary: fresh},
			status: metav1.ConditionFalse, word: workflows.ReasonLoginExpired, expired: found, again: lookAgain,
		},
		"FirstStays": {
			reason: "Who found it first is not changed by others.",
			o:      Observation{Profile: known(found), SHA256: one, Summary: fresh, Uses: []Use{{CrawlJob: "later", SHA256: one, Expired: at(0)}}},
			status: metav1.ConditionFalse, word: workflows.ReasonLoginExpired, expired: found, again: lookAgain,
		},
		"Renewed": {
			reason: "Another state is another log-in, though the crawl has not taken it in yet.",
			o:      Observation{Profile: known(found), SHA256: two, Summary: fresh, Uses: []Use{{CrawlJob: "board", SHA256: one, Expired: at(time.Minute)}}},
			status: metav1.ConditionTrue, word: ReasonUsable, expired: found, again: lookAgain,
		},
		"OldNews": {
			reason: "A crawl that still waits with an older state does not hide what is over now.",
			o: Observation{Profile: known(&v1alpha1.ExpiredLogin{SHA256: two, CrawlJob: "board", FoundAt: at(time.Minute)}), SHA256: two, Summary: fresh,
				Uses: []Use{{CrawlJob: "other", SHA256: one, Expired: at(0)}}},
			status: metav1.ConditionFalse, word: workflows.ReasonLoginExpired, expired: &v1alpha1.ExpiredLogin{SHA256: two, CrawlJob: "board", FoundAt: at(time.Minute)}, again: lookAgain,
		},
		"AllOver": {
			reason: "Cookies that have all ended log nobody in.",
			o:      Observation{Profile: known(nil), SHA256: one, Summary: profile.Summary{Cookies: 1, Expired: 1, Latest: noon, Over: true}},
			status: metav1.ConditionFalse, word: workflows.ReasonLoginExpired, again: lookAgain, message: "All 1 cookies have ended",
		},
		"InUse": {
			reason: "A crawl that goes well says nothing against it.",
			o:      Observation{Profile: known(nil), SHA256: one, Summary: fresh, Uses: []Use{{CrawlJob: "board", SHA256: one, StartedAt: at(time.Hour)}}},
			status: metav1.ConditionTrue, word: ReasonUsable, again: lookAgain,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.o.Now = noon
			d := decide(tc.o)
			if d.Status != tc.status || d.Reason != tc.word || d.Again != tc.again || !strings.Contains(d.Message, tc.message) {
				t.Errorf("%s\ngot %+v", tc.reason, d)
			}
			if diff := cmp.Diff(tc.expired, d.Expired); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestReconcile follows a profile through its life on a fake API server.
func TestReconcile(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	p := &v1alpha1.BrowserProfile{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "BrowserProfile"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "members", UID: "p1", Generation: 1},
		Spec:       v1alpha1.BrowserProfileSpec{SecretRef: v1alpha1.ProfileSecret{Name: "members-state"}, Hosts: []v1alpha1.HostName{"example.org"}},
	}
	job := &v1alpha1.CrawlJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "board", UID: "j1"},
		Spec:       v1alpha1.CrawlJobSpec{Browser: v1alpha1.Browser{Profile: v1alpha1.ProfileReference{Name: "members"}}},
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(p, job).WithStatusSubresource(p, job).Build()
	recorder := events.NewFakeRecorder(100)
	r := &Reconciler{Client: c, Reader: c, Events: recorder, Now: func() time.Time { return noon }}
	key := types.NamespacedName{Namespace: "research", Name: "members"}
	visit := func(want string) v1alpha1.BrowserProfileStatus {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil || result.RequeueAfter <= 0 {
			t.Fatalf("%+v, %v: the Secret is to be looked at again", result, err)
		}
		var got v1alpha1.BrowserProfile
		if err := c.Get(t.Context(), key, &got); err != nil {
			t.Fatal(err)
		}
		for _, err := range kube.CheckStatus(got.Status.Conditions, got.Generation, got.Status.ObservedGeneration) {
			t.Error(err)
		}
		if ready := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != want {
			t.Errorf("Ready is %+v, want %s", ready, want)
		}
		if raw, err := json.Marshal(got); err != nil || strings.Contains(string(raw), cookieValue) {
			t.Errorf("the status tells a value (%v): %s", err, raw)
		}
		return got.Status
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "members-state"}, Data: map[string][]byte{profile.StateKey: stateFile("1")},
	}
	if status := visit("SecretNotFound"); status.State != nil {
		t.Errorf("a state that is not there is %+v", status.State)
	}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	old := profile.Digest(stateFile("1"))
	status := visit("Usable")
	ends := metav1.NewTime(time.Unix(1800000000, 0))
	want := &v1alpha1.ProfileState{SHA256: old, Cookies: new(int32(2)), ExpiredCookies: new(int32(1)), Origins: new(int32(1)), EarliestExpiry: &ends}
	if diff := cmp.Diff(want, status.State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}

	job.Status.StartedAt = at(time.Hour)
	job.Status.Profile = &v1alpha1.UsedProfile{Name: "members", UID: "p1", SHA256: old}
	job.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "LoginExpired", LastTransitionTime: *at(time.Minute)}}
	if err := c.Status().Update(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if got := profileOf(t.Context(), job); len(got) != 1 || got[0].NamespacedName != key {
		t.Errorf("news of the job are for %v", got)
	}
	status = visit("LoginExpired")
	if status.LastUsed == nil || !status.LastUsed.Equal(at(time.Hour)) || status.Expired == nil || status.Expired.CrawlJob != "board" {
		t.Errorf("used %v, expired %+v", status.LastUsed, status.Expired)
	}

	secret.Data[profile.StateKey] = stateFile("2")
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if status := visit("Usable"); status.State.SHA256 == old {
		t.Error("the status speaks of the old state")
	}
	visit("Usable")
	if n := len(recorder.Events); n != 4 {
		t.Errorf("%d events, want one for each change", n)
	}
	if err := c.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil || result != (ctrl.Result{}) {
		t.Errorf("after the deletion %+v, %v", result, err)
	}
}
