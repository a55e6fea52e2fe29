package crawljob

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

func fromConfigMap(job *v1alpha1.CrawlJob) {
	job.Spec.Seeds = v1alpha1.Seeds{ConfigMaps: []v1alpha1.SeedConfigMap{{Name: "ads", Key: "urls"}}}
}

func TestPackSeeds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason  string
		data    map[string]string // nil: there is no ConfigMap
		binary  map[string][]byte
		want    string
		refusal workflows.Reason
		message string
	}{
		"Lines": {
			reason: "Comments, empty lines, spaces at the ends, Windows line ends and a byte order mark are passed over.",
			data:   map[string]string{"urls": "\ufeff# ads\r\n\r\n  https://example.org/1  \r\nhttp://example.net/2?q=a#part\n"},
			want:   "https://example.org/1\nhttp://example.net/2?q=a#part\n",
		},
		"NoConfigMap": {
			reason:  "It may be created later.",
			refusal: workflows.ReasonConfigMapMissing,
			message: `ConfigMap "ads", which is not in namespace "research". Create it`,
		},
		"NoKey": {
			reason:  "It may be added later.",
			data:    map[string]string{"other": "x"},
			refusal: workflows.ReasonConfigMapMissing,
			message: `key "urls" of ConfigMap "ads"`,
		},
		"NotUTF8": {
			reason:  "kubectl create configmap puts a list in UTF-16 where no text is looked for.",
			data:    map[string]string{},
			binary:  map[string][]byte{"urls": {0xff, 0xfe, 'h', 0}},
			refusal: workflows.ReasonConfigMapMissing,
			message: `key "urls" of ConfigMap "ads", which has it in binaryData, as kubectl does with what is not UTF-8. Save`,
		},
		"Empty": {
			reason:  "Nothing to crawl is a slip.",
			data:    map[string]string{"urls": "# later\n"},
			refusal: workflows.ReasonInvalidSeeds,
			message: "holds no address",
		},
		"Wrong": {
			reason:  "Every kind of slip is told with its line, the first three of them.",
			data:    map[string]string{"urls": "www.example.org\nhttps://example.org/\nhttps://a:b@example.org/\nhttps://example.org/#/x\nftp://example.org/\nhttps://example.org/a b"},
			refusal: workflows.ReasonInvalidSeeds,
			message: `ConfigMap "ads", key "urls": line 1 is not a whole web address such as https://www.example.org/path; line 3 carries a user name or password (the part before @); line 4 points at a route behind #, which is never sent to a server; and 2 more lines. Correct`,
		},
		"Long": {
			reason:  "Every string is bounded.",
			data:    map[string]string{"urls": "https://example.org/" + strings.Repeat("a", order.MaxSeedURL)},
			refusal: workflows.ReasonInvalidSeeds,
			message: "line 1 is longer than 2048 bytes",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := fake.NewClientBuilder().WithScheme(scheme(t))
			if tc.data != nil {
				b.WithObjects(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"}, Data: tc.data, BinaryData: tc.binary})
			}
			job := jobWith(fromConfigMap)
			var got SeedList
			texts, err := readTexts(t.Context(), b.Build(), job)
			if err == nil {
				got, err = packSeeds(job, texts)
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
			if text := unpack(t, got.Packed); text != tc.want || got.Count != strings.Count(tc.want, "\n") {
				t.Errorf("%s\ngot %d: %q, want %q", tc.reason, got.Count, text, tc.want)
			}
		})
	}
}

func unpack(t testing.TB, packed []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func FuzzParseLines(f *testing.F) {
	f.Add("https://example.org/\n# x\n")
	f.Add("https://example.org/#!/a\r\nhttp://[::1]:80/")
	f.Fuzz(func(t *testing.T, text string) {
		urls, err := parseLines(v1alpha1.SeedConfigMap{Name: "ads", Key: "urls"}, text)
		if (err == nil) == (len(urls) == 0) {
			t.Fatalf("%d addresses with error %v", len(urls), err)
		}
		for _, u := range urls {
			if err := order.CheckSeed(u); err != nil {
				t.Fatalf("%q is taken although it %v", u, err)
			}
		}
	})
}
