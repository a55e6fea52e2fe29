package crawljob

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

func TestPackScripts(t *testing.T) {
	t.Parallel()
	noise := make([]byte, maxScript)
	for i := range noise { // what does not compress
		noise[i] = byte(' ' + rand.IntN(95))
	}
	tests := map[string]struct {
		reason  string
		data    map[string]string // nil: there is no ConfigMap
		keys    []string
		refusal workflows.Reason
		message string
	}{
		"None":      {reason: "Most orders name none."},
		"Two":       {reason: "They are handed over as they are, in their order.", data: map[string]string{"b": "async () => {}", "a": "// \u00fc\nasync () => 1"}, keys: []string{"b", "a"}},
		"Missing":   {reason: "It may be created later.", keys: []string{"a"}, refusal: workflows.ReasonConfigMapMissing, message: `capture.behaviors.scripts names ConfigMap "own", which is not in namespace "research". Create it`},
		"NoKey":     {reason: "It may be added later.", data: map[string]string{"b": "x"}, keys: []string{"a"}, refusal: workflows.ReasonConfigMapMissing, message: `capture.behaviors.scripts names key "a" of ConfigMap "own"`},
		"Empty":     {reason: "Nothing to run is a slip.", data: map[string]string{"a": " \n"}, keys: []string{"a"}, refusal: workflows.ReasonInvalidScript, message: `ConfigMap "own", key "a" is empty`},
		"Long":      {reason: "A script is bounded.", data: map[string]string{"a": strings.Repeat("a", maxScript+1)}, keys: []string{"a"}, refusal: workflows.ReasonInvalidScript, message: "is 65537 bytes long, and a script may have 65536"},
		"LongInAll": {reason: "So are all of them, as they are handed over.", data: map[string]string{"a": string(noise)}, keys: []string{"a", "a", "a", "a", "a", "a", "a", "a"}, refusal: workflows.ReasonInvalidScript, message: "and 262144 can be handed over"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := fake.NewClientBuilder().WithScheme(scheme(t))
			if tc.data != nil {
				b.WithObjects(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "own"}, Data: tc.data})
			}
			job := jobWith(func(job *v1alpha1.CrawlJob) {
				for _, key := range tc.keys {
					job.Spec.Capture.Behaviors.Scripts = append(job.Spec.Capture.Behaviors.Scripts, v1alpha1.BehaviorScript{Name: "own", Key: key, Hosts: []v1alpha1.HostPattern{"example.org"}})
				}
			})
			var got ScriptList
			texts, err := readTexts(t.Context(), b.Build(), job)
			if err == nil {
				got, err = packScripts(job, texts)
			}
			var refusal *Refusal
			if errors.As(err, &refusal) {
				if refusal.Reason != tc.refusal || !strings.Contains(refusal.Message, tc.message) {
					t.Errorf("%s\n got %v\nwant %s: %s", tc.reason, refusal, tc.refusal, tc.message)
				}
				return
			}
			if err != nil || tc.refusal != "" {
				t.Fatalf("%s\nerror %v, want %s", tc.reason, err, tc.refusal)
			}
			if len(tc.keys) == 0 {
				if got.Packed != nil {
					t.Errorf("%s\ngot %d bytes", tc.reason, len(got.Packed))
				}
				return
			}
			var sources, want, digests []string
			if err := json.Unmarshal([]byte(unpack(t, got.Packed)), &sources); err != nil {
				t.Fatal(err)
			}
			for _, key := range tc.keys {
				sum := sha256.Sum256([]byte(tc.data[key]))
				want, digests = append(want, tc.data[key]), append(digests, hex.EncodeToString(sum[:]))
			}
			if diff := cmp.Diff(want, sources); diff != "" {
				t.Errorf("%s\nsources (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(digests, got.Digests); diff != "" {
				t.Errorf("%s\ndigests (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
