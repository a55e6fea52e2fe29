package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/internal/cli"
)

// asUser is an API server that takes whoever asks for a user.
func asUser(t *testing.T, user string, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, authenticationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if self, ok := o.(*authenticationv1.SelfSubjectReview); ok {
				self.Status.UserInfo.Username = user
				return nil
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
}

// TestApproveNamesNamespace: an order that is not found may be in another namespace.
func TestApproveNamesNamespace(t *testing.T) {
	t.Parallel()
	a := approval{client: asUser(t, "bob", orderOfAda()), key: client.ObjectKey{Namespace: "default", Name: "board"}, dryRun: true}
	err := a.run(t.Context(), new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), `not found in namespace "default": name another one with -n`) {
		t.Errorf("got %v", err)
	}
}

func orderOfAda(change ...func(*v1alpha1.CrawlJob)) *v1alpha1.CrawlJob {
	j := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "board", UID: "u-1"}}
	j.Spec.Authorization = v1alpha1.Authorization{
		Reference: "DPIA-1", Purpose: "Testing", Basis: "consent", RequestedBy: "ada", NotAfter: metav1.NewTime(time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, f := range change {
		f(j)
	}
	return j
}

func TestApprove(t *testing.T) {
	t.Parallel()
	over := func(j *v1alpha1.CrawlJob) {
		j.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue, Reason: "Completed"}}
	}
	forOthers := func(j *v1alpha1.CrawlJob) { j.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: "desk"} }
	listed := func(j *v1alpha1.CrawlJob) {
		j.Spec.Seeds.ConfigMaps = []v1alpha1.SeedConfigMap{{Name: "ads", Key: "urls"}}
		j.Spec.Capture.Behaviors.Scripts = []v1alpha1.BehaviorScript{{Name: "ads", Key: "click.js", Hosts: []v1alpha1.HostPattern{"example.org"}}}
	}
	ads := func(urls string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"}, Data: map[string]string{"urls": urls, "click.js": "async () => {}"}}
	}
	utf16 := ads("")
	utf16.Data, utf16.BinaryData = nil, map[string][]byte{"urls": {0xff, 0xfe}}
	first := func(uid, digest string) *v1alpha1.CrawlApproval {
		return &v1alpha1.CrawlApproval{
			ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "first"},
			Spec:       v1alpha1.CrawlApprovalSpec{CrawlJob: v1alpha1.ApprovedJob{Name: "board", UID: uid, Digest: digest}, Approver: "bob"},
		}
	}
	for name, tc := range map[string]struct {
		user          string
		objects       []client.Object
		says, refuses string
	}{
		"Approved":   {"bob", []client.Object{orderOfAda()}, "created: bob approves CrawlJob board\n", ""},
		"Already":    {"bob", []client.Object{orderOfAda(), first("u-1", digestOf(t, orderOfAda()))}, "research/first is there already", ""},
		"OfBefore":   {"bob", []client.Object{orderOfAda(), first("u-0", digestOf(t, orderOfAda()))}, "created: bob approves CrawlJob board\n", ""},
		"Changed":    {"bob", []client.Object{orderOfAda(), first("u-1", "sha256:before")}, "created: bob approves CrawlJob board\n  in place of research/first, which was of something else\n", ""},
		"NoDigest":   {"bob", []client.Object{orderOfAda(), first("u-1", "")}, "created: bob approves CrawlJob board\n  in place of research/first, which was of something else\n", ""},
		"Listed":     {"bob", []client.Object{orderOfAda(listed), ads("# two\nhttps://example.org/1\nhttps://example.org/2\n")}, "created: bob approves CrawlJob board\n", ""},
		"NoEntry":    {"bob", []client.Object{orderOfAda(listed)}, "", `seeds.configMaps names ConfigMap "ads", which is not in namespace "research". Create it`},
		"Binary":     {"bob", []client.Object{orderOfAda(listed), utf16}, "", `has it in binaryData, as kubectl does with what is not UTF-8. Save the text as UTF-8`},
		"NoAddress":  {"bob", []client.Object{orderOfAda(listed), ads("# none")}, "", "seeds.configMaps: ads/urls: it holds no address; no crawl would begin with it"},
		"Requester":  {"ada", []client.Object{orderOfAda()}, "", "ada has ordered CrawlJob board"},
		"Creator":    {"desk", []client.Object{orderOfAda(forOthers)}, "", "desk has ordered CrawlJob board"},
		"Over":       {"bob", []client.Object{orderOfAda(over)}, "", "is over"},
		"NoSuchName": {"bob", nil, "", "read the order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := asUser(t, tc.user, tc.objects...)
			var out bytes.Buffer
			a := approval{client: c, key: client.ObjectKey{Namespace: "research", Name: "board"}, comment: "seen"}
			err := a.run(t.Context(), &out)
			if (err != nil) != (tc.refuses != "") || err != nil && !strings.Contains(err.Error(), tc.refuses) {
				t.Errorf("error %v, want %q", err, tc.refuses)
			}
			if !strings.Contains(out.String(), tc.says) {
				t.Errorf("it says %q, want %q", out.String(), tc.says)
			}
			var list v1alpha1.CrawlApprovalList
			if err := c.List(t.Context(), &list); err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, a := range list.Items {
				if a.Name == "first" {
					continue
				}
				made++
				if a.Spec.Approver != tc.user || a.Spec.CrawlJob.UID != "u-1" || a.Spec.Comment != "seen" ||
					!strings.HasPrefix(a.Name, "board-") || len(a.OwnerReferences) != 1 || a.OwnerReferences[0].UID != "u-1" {
					t.Errorf("created %+v", a)
				}
			}
			if want := strings.Count(tc.says, "created"); made != want {
				t.Errorf("%d approvals were created, want %d", made, want)
			}
		})
	}
}

// TestApprovedAsShown: nothing is signed that was not shown before, and what is signed is what was
// shown, whatever the order has become while somebody thinks.
func TestApprovedAsShown(t *testing.T) {
	t.Parallel()
	digest := digestOf(t, orderOfAda())
	no := errors.New("no")
	for name, tc := range map[string]struct {
		reason string
		change func(*approval)
		says   string
		err    string
		made   int
	}{
		"DryRun": {"A look creates nothing, and tells how to go on.", func(a *approval) { a.dryRun = true }, "crawlctl approve board -n research --digest " + digest, "", 0},
		"Digest": {"It is what was read.", func(a *approval) { a.digest = digest }, "created: bob", "", 1},
		"OtherDigest": {
			"It is not what was read.", func(a *approval) { a.digest = "sha256:before" }, "", "what is there now is " + digest + "; look again with --dry-run", 0,
		},
		"No":  {"Who is asked may say no.", func(a *approval) { a.ask = func(context.Context) error { return no } }, "  digest        " + digest, "no", 0},
		"Yes": {"Or yes.", func(a *approval) { a.ask = func(context.Context) error { return nil } }, "created: bob", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := asUser(t, "bob", orderOfAda())
			a := approval{client: c, key: client.ObjectKey{Namespace: "research", Name: "board"}}
			tc.change(&a)
			var out bytes.Buffer
			if ask := a.ask; ask != nil {
				a.ask = func(ctx context.Context) error {
					if !strings.Contains(out.String(), digest) {
						t.Errorf("somebody is asked before it was shown: %q", out.String())
					}
					job := orderOfAda()
					job.Spec.Authorization.Reference = "DPIA-2"
					job.ResourceVersion = "999"
					return errors.Join(c.Update(t.Context(), job), ask(ctx))
				}
			}
			err := a.run(t.Context(), &out)
			if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s error %v, want %q", tc.reason, err, tc.err)
			}
			if !strings.Contains(out.String(), tc.says) {
				t.Errorf("%s It says %q, want %q", tc.reason, out.String(), tc.says)
			}
			var list v1alpha1.CrawlApprovalList
			if err := c.List(t.Context(), &list); err != nil || len(list.Items) != tc.made {
				t.Fatalf("%s %d approvals, %v, want %d", tc.reason, len(list.Items), err, tc.made)
			}
			for _, a := range list.Items {
				if a.Spec.CrawlJob.Digest != digest {
					t.Errorf("%s It is of %s, and what was shown is %s", tc.reason, a.Spec.CrawlJob.Digest, digest)
				}
			}
		})
	}
}

// TestConfirm: who is asked and does not say yes has not approved, nor has who interrupts.
func TestConfirm(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]error{"y\n": nil, " YES\n": nil, "yes": nil, "\n": errNotApproved, "no\n": errNotApproved, "yes, but\n": errNotApproved, "": errNotApproved} {
		if err := confirm(t.Context(), strings.NewReader(said), io.Discard); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", said, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nobody, end := io.Pipe()
	defer end.Close()
	var coded *cli.Error
	if err := confirm(ctx, nobody, io.Discard); !errors.As(err, &coded) || coded.Code != cli.ExitInterrupted {
		t.Errorf("interrupted: %v", err)
	}
}

// TestApproveShowsSeeds: of a long list the first ones, and how many there are beyond.
func TestApproveShowsSeeds(t *testing.T) {
	t.Parallel()
	o := &covered{job: orderOfAda(func(j *v1alpha1.CrawlJob) {
		for i := range 23 {
			j.Spec.Seeds.URLs = append(j.Spec.Seeds.URLs, v1alpha1.SeedURL(fmt.Sprintf("https://example.org/%d", i)))
		}
		j.Spec.Seeds.Sitemaps = []v1alpha1.SeedURL{"https://example.org/sitemap.xml"}
	})}
	var out bytes.Buffer
	if err := o.show(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  seed          https://example.org/19\n  seed          and 3 more: ", "\n  sitemap       https://example.org/sitemap.xml\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it shows no %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "https://example.org/20") {
		t.Errorf("it shows all:\n%s", out.String())
	}
}

// TestApprovalNamesFit: the API server adds five characters to what it is given.
func TestApprovalNamesFit(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]string{
		"board":                              "board-",
		strings.Repeat("a", 253):             strings.Repeat("a", 247) + "-",
		strings.Repeat("a", 246) + ".bcdefg": strings.Repeat("a", 246) + "-",
	} {
		if got := prefix(job); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// digestOf is that of an order that refers to nothing.
func digestOf(t *testing.T, job *v1alpha1.CrawlJob) string {
	t.Helper()
	held, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := orders.Digest(held["spec"].(map[string]any), nil)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
