package crawljob

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workflows"
)

const cookieValue = "s3cr3t-0f-nobody"

func withProfile(job *v1alpha1.CrawlJob) {
	job.Spec.Browser.Profile = v1alpha1.ProfileReference{Name: "members"}
}

func members(change ...func(*v1alpha1.BrowserProfile)) *v1alpha1.BrowserProfile {
	p := &v1alpha1.BrowserProfile{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "members", UID: "p1", Generation: 1},
		Spec: v1alpha1.BrowserProfileSpec{
			SecretRef: v1alpha1.ProfileSecret{Name: "members-state"},
			LoginCheck: &v1alpha1.LoginCheck{
				LoggedOut: &v1alpha1.LoggedOut{URLPattern: "/login", Selector: "#login", Text: "Log in"},
				LoggedIn:  &v1alpha1.LoggedIn{Selector: ".logout", Text: "Log out"},
			},
		},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

// stateFile is the state of a log-in; serial tells one log-in from the next.
func stateFile(serial, extra string) []byte {
	return []byte(`{"cookies":[{"name":"session","value":"` + cookieValue + serial + `","domain":"example.org","path":"/","expires":-1}` + extra + `],"origins":[]}`)
}

func secret(file []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "members-state"}, Data: map[string][]byte{profile.StateKey: file},
	}
}

func TestReadProfile(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	large := `,{"name":"x","value":"` + strings.Repeat("x", 4000) + `","domain":"example.org","path":"/","expires":-1}`
	tests := map[string]struct {
		reason    string
		objects   []client.Object
		forbidden bool
		disabled  bool
		refusal   workflows.Reason
		message   string
	}{
		"Usable": {
			reason:  "The state is sealed to the workers.",
			objects: []client.Object{members(), secret(stateFile("", ""))},
		},
		"NoProfile": {
			reason:  "It may be made later.",
			refusal: workflows.ReasonProfileNotFound, message: `BrowserProfile "members", which is not in namespace "research". Make it with crawlctl profile create members`,
		},
		"NoSecret": {
			reason:  "So may its Secret.",
			objects: []client.Object{members()},
			refusal: workflows.ReasonSecretNotFound, message: `Secret "members-state", which is not in namespace "research"`,
		},
		"NoKey": {
			reason:  "The key has one name.",
			objects: []client.Object{members(), &corev1.Secret{ObjectMeta: secret(nil).ObjectMeta, Data: map[string][]byte{"state": {1}}}},
			refusal: workflows.ReasonSecretNotFound, message: "no key state.json",
		},
		"Forbidden": {
			reason:    "Nothing grants Secrets by itself; the message says how to.",
			objects:   []client.Object{members(), secret(stateFile("", ""))},
			forbidden: true,
			refusal:   workflows.ReasonSecretForbidden, message: "kubectl -n research create rolebinding crawlfleet-profiles --clusterrole=crawlfleet-profile-reader",
		},
		"NotJSON": {
			reason:  "The message does not repeat the state.",
			objects: []client.Object{members(), secret([]byte(cookieValue))},
			refusal: workflows.ReasonStateInvalid, message: "no JSON",
		},
		"OtherHosts": {
			reason:  "A state for other hosts is a slip.",
			objects: []client.Object{members(func(p *v1alpha1.BrowserProfile) { p.Spec.Hosts = []v1alpha1.HostName{"board.example"} }), secret(stateFile("", ""))},
			refusal: workflows.ReasonStateInvalid, message: "nothing for board.example",
		},
		"Large": {
			reason:  "Temporal would not take it.",
			objects: []client.Object{members(), secret(stateFile("", strings.Repeat(large, 140)))},
			refusal: workflows.ReasonStateInvalid, message: "at most 524288 are taken. Name the hosts",
		},
		"Expired": {
			reason: "A log-in that a crawl found to be over is not begun with again.",
			objects: []client.Object{members(func(p *v1alpha1.BrowserProfile) {
				p.Status.Expired = &v1alpha1.ExpiredLogin{SHA256: profile.Digest(stateFile("", "")), CrawlJob: "older"}
			}), secret(stateFile("", ""))},
			refusal: workflows.ReasonLoginExpired, message: `CrawlJob "older" was shown pages as to a visitor who is not logged in`,
		},
		"Renewed": {
			reason: "The next log-in is another state.",
			objects: []client.Object{members(func(p *v1alpha1.BrowserProfile) {
				p.Status.Expired = &v1alpha1.ExpiredLogin{SHA256: profile.Digest(stateFile("1", "")), CrawlJob: "older"}
			}), secret(stateFile("2", ""))},
		},
		"AllOver": {
			reason:  "Cookies say themselves when they end.",
			objects: []client.Object{members(), secret([]byte(`{"cookies":[{"name":"a","value":"` + cookieValue + `","domain":"example.org","path":"/","expires":1000}]}`))},
			refusal: workflows.ReasonLoginExpired, message: "All 1 cookies have ended, the last one at 1970-01-01T00:16:40Z",
		},
		"Disabled": {
			reason:   "Without a key nothing can be sealed.",
			objects:  []client.Object{members(), secret(stateFile("", ""))},
			disabled: true,
			refusal:  workflows.ReasonProfilesDisabled, message: "--profile-recipients",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(tc.objects...)
			if tc.forbidden {
				b.WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if _, ok := o.(*corev1.Secret); ok {
						return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, nil)
					}
					return c.Get(ctx, key, o, opts...)
				}})
			}
			s := newStage(t)
			s.Reader = b.Build()
			if !tc.disabled {
				s.Recipients = []age.Recipient{identity.Recipient()}
			}
			o := Observation{Job: jobWith(withProfile)}
			if err := s.observeProfile(t.Context(), &o); err != nil {
				t.Fatal(err)
			}
			if o.Refusal != nil {
				if o.Refusal.Reason != tc.refusal || !strings.Contains(o.Refusal.Message, tc.message) {
					t.Errorf("%s\n got %v\nwant %s: %s", tc.reason, o.Refusal, tc.refusal, tc.message)
				}
				if strings.Contains(o.Refusal.Message, cookieValue) {
					t.Errorf("the message tells a value: %s", o.Refusal.Message)
				}
				return
			}
			if tc.refusal != "" {
				t.Fatalf("%s\ngot %v, want %s", tc.reason, o.Profile, tc.refusal)
			}
			opened, err := profile.Open(o.Profile.Sealed, []age.Identity{identity})
			if err != nil {
				t.Fatal(err)
			}
			want := profile.LoginCheck{LoggedOutURL: "/login", LoggedOutSelector: "#login", LoggedOutText: "Log in", LoggedInSelector: ".logout", LoggedInText: "Log out"}
			if opened.Login != want || opened.UID != "p1" || opened.SHA256 != o.Profile.SHA256 || opened.Name != "members" || len(opened.State.Cookies) != 1 {
				t.Errorf("%s\nsealed is %v with %+v", tc.reason, opened, opened.Login)
			}
			if raw, err := json.Marshal(runInput(jobWith(withProfile), SeedList{}, ScriptList{}, o.Profile)); err != nil || strings.Contains(string(raw), cookieValue) || strings.Contains(string(raw), "session") {
				t.Errorf("the order can be read (%v)", err)
			}
		})
	}
}

func (s *stage) condition(kind string) metav1.Condition {
	s.t.Helper()
	if c := meta.FindStatusCondition(s.job().Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// TestLoginIsRenewed follows a crawl from a refused order to a new log-in.
func TestLoginIsRenewed(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, jobWith(withProfile))
	s.Recipients = []age.Recipient{identity.Recipient()}
	s.visit()
	if c := s.condition(v1alpha1.ConditionAccepted); c.Status != metav1.ConditionFalse || c.Reason != "ProfileNotFound" {
		t.Errorf("without the profile Accepted is %+v", c)
	}
	if err := s.Client.Create(t.Context(), members()); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Create(t.Context(), secret(stateFile("1", ""))); err != nil {
		t.Fatal(err)
	}
	s.visit()
	old := profile.Digest(stateFile("1", ""))
	if len(s.runs.inputs) != 1 || s.runs.inputs[0].Profile == nil || s.runs.inputs[0].Profile.SHA256 != old {
		t.Fatalf("started with %+v", s.runs.inputs)
	}
	ref := workflows.ProfileRef{Name: "members", UID: "p1", SHA256: old}
	expired := crawling(func(r *workflows.Report) {
		r.Profile, r.Stalled, r.Reason, r.Message, r.NextStep = &ref, true, workflows.ReasonLoginExpired, "it is over", "log in again"
	})
	tell := func(r *workflows.Report) {
		t.Helper()
		if err := s.Reports.Take(t.Context(), *r); err != nil {
			t.Fatal(err)
		}
		s.visit()
	}
	tell(expired)
	if c := s.condition(v1alpha1.ConditionStalled); c.Status != metav1.ConditionTrue || c.Reason != "LoginExpired" || c.Message != "It is over. Log in again." {
		t.Errorf("Stalled is %+v", c)
	}
	if p := s.job().Status.Profile; p == nil || p.SHA256 != old || p.Name != "members" || p.UID != "p1" {
		t.Errorf("the status names %+v", p)
	}
	if len(s.runs.profiles) > 0 {
		t.Errorf("the crawl was given the same state again: %v", s.runs.profiles)
	}
	if err := s.Client.Update(t.Context(), secret(stateFile("2", ""))); err != nil {
		t.Fatal(err)
	}
	s.visit()
	young := profile.Digest(stateFile("2", ""))
	if len(s.runs.profiles) != 1 || s.runs.profiles[0].SHA256 != young {
		t.Fatalf("the crawl was given %v", s.runs.profiles)
	}
	if c, p := s.condition(v1alpha1.ConditionStalled), s.job().Status.Profile; c.Reason == "LoginExpired" && c.Status == metav1.ConditionTrue && p.SHA256 == young {
		t.Errorf("the new log-in counts as over")
	}
	tell(crawling(func(r *workflows.Report) {
		r.Seq = 9
		r.Profile = &workflows.ProfileRef{Name: "members", UID: "p1", SHA256: young}
	}))
	if c := s.condition(v1alpha1.ConditionStalled); c.Status != metav1.ConditionFalse || s.job().Status.Profile.SHA256 != young {
		t.Errorf("with the new log-in Stalled is %+v, the profile %+v", c, s.job().Status.Profile)
	}
}
