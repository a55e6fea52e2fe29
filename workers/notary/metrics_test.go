package notary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// lostKey is a key that cannot be read.
type lostKey struct{}

func (lostKey) Key() (*evidence.Key, error) { return nil, errors.New("the key is lost") }

// counted are the counters of a registry that are not 0, by name and label.
func counted(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if n := m.GetCounter().GetValue(); n != 0 {
				out[name] = n
			}
		}
	}
	return out
}

// bucket is one of a store in memory.
func bucket(t *testing.T, server *blobtest.Server) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("archive")
}

// TestStampsAreCounted: what is owed, and what of it came later, each once, however often it is asked for.
func TestStampsAreCounted(t *testing.T) {
	t.Parallel()
	a, err := tsa.NewAuthority("test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store, registry := bucket(t, &blobtest.Server{}), prometheus.NewRegistry()
	away, there := &answering{authority: a}, &answering{authority: a, back: true}
	n := &Notary{
		Signer: &evidence.Signer{Keys: keyOf{&evidence.Key{Signer: a.Key}}, Software: "test"}, Metrics: NewMetrics(registry), Logger: slog.New(slog.DiscardHandler),
		Authorities: []evidence.Authority{{Name: "away", URL: "http://away.test/"}, {Name: "there", URL: "http://there.test/"}},
		Stamper: func(a evidence.Authority) evidence.Stamper {
			if a.Name == "there" {
				return there
			}
			return away
		},
	}
	raw := []byte("{}")
	sum := sha256.Sum256(raw)
	o := Object{Key: "ns/name/run/run.json", Size: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]), Plain: true}
	if _, err := store.Put(t.Context(), o.Key, blob.Content{Body: bytes.NewReader(raw), Size: o.Size, SHA256: o.SHA256}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		reason string
		back   bool
		owed   int
		want   map[string]float64
	}{
		{"one came, one is owed", false, 1, map[string]float64{"crawlfleet_time_stamps_total Stamped": 1, "crawlfleet_time_stamps_total Owed": 1}},
		{"it is owed all the same", false, 1, map[string]float64{"crawlfleet_time_stamps_total Stamped": 1, "crawlfleet_time_stamps_total Owed": 1, "crawlfleet_time_stamps_total Awaited": 1}},
		{"it came", true, 0, map[string]float64{
			"crawlfleet_time_stamps_total Stamped": 1, "crawlfleet_time_stamps_total Owed": 1, "crawlfleet_time_stamps_total Awaited": 1, "crawlfleet_time_stamps_total Fetched": 1,
		}},
		{"none is owed any more", true, 0, map[string]float64{
			"crawlfleet_time_stamps_total Stamped": 1, "crawlfleet_time_stamps_total Owed": 1, "crawlfleet_time_stamps_total Awaited": 1, "crawlfleet_time_stamps_total Fetched": 1,
		}},
	} {
		away.back = step.back
		owed, err := n.Vouch(t.Context(), store, Order{Run: "run"}, o)
		if diff := cmp.Diff(step.want, counted(t, registry)); err != nil || owed != step.owed || diff != "" {
			t.Errorf("%s: %d are owed, %v (-want +got):\n%s", step.reason, owed, err, diff)
		}
	}
}

// TestFailuresAreCounted: what keeps things from being signed, and the log from being written.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	a, err := tsa.NewAuthority("test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	domain := &evidence.Key{Signer: a.Key, Chain: a.Chain}
	told := Object{Key: "run.json", SHA256: hex.EncodeToString(make([]byte, sha256.Size)), Plain: true}
	for name, tc := range map[string]struct {
		reason string
		signer *evidence.Signer
		do     func(context.Context, *Notary) error // sign by default
		want   string                               // what is counted, empty for nothing
		fine   bool
	}{
		"Key":     {reason: "the key is lost", signer: &evidence.Signer{Keys: lostKey{}}, want: "crawlfleet_signing_failures_total KeyUnusable"},
		"Check":   {reason: "it is known before", signer: &evidence.Signer{Keys: lostKey{}}, do: func(_ context.Context, n *Notary) error { return n.Check() }, want: "crawlfleet_signing_failures_total KeyUnusable"},
		"Stamp":   {reason: "the authority is away", signer: &evidence.Signer{Keys: keyOf{domain}, Authority: &silent{}}, want: "crawlfleet_signing_failures_total NoTimeStamp"},
		"NoStamp": {reason: "a domain has no authority: its key does not serve alone", signer: &evidence.Signer{Keys: keyOf{domain}}, want: "crawlfleet_signing_failures_total KeyUnusable"},
		"Fine":    {reason: "it is signed", signer: &evidence.Signer{Keys: keyOf{&evidence.Key{Signer: a.Key}}}, fine: true},
		"Sidecar": {reason: "what lies beside is signed, too", signer: &evidence.Signer{Keys: lostKey{}}, want: "crawlfleet_signing_failures_total KeyUnusable", do: func(ctx context.Context, n *Notary) error {
			_, err := n.Vouch(ctx, bucket(t, &blobtest.Server{}), Order{}, told)
			return err
		}},
		"Log": {reason: "the store refuses the log", want: "crawlfleet_custody_failures_total", do: func(ctx context.Context, n *Notary) error { return n.Stored(ctx, "run", told, time.Now()) }},
		"Stop": {reason: "a worker stops", do: func(ctx context.Context, n *Notary) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return n.Stored(ctx, "run", told, time.Now())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			n := &Notary{Signer: tc.signer, Custody: refused(t), Metrics: NewMetrics(registry), Logger: slog.New(slog.DiscardHandler)}
			do := tc.do
			if do == nil {
				do = func(_ context.Context, n *Notary) error {
					_, err := n.Hook()(warc.SHA256Of(nil))
					return err
				}
			}
			err := do(t.Context(), n)
			want := map[string]float64{}
			if tc.want != "" {
				want[tc.want] = 1
			}
			if diff := cmp.Diff(want, counted(t, registry)); (err == nil) != tc.fine || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
		})
	}
}

// refused is a log that its store does not let be written.
func refused(t *testing.T) *custody.Log {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "fleet.test/custody")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	origin, verifiers, err := custody.ReadKeys([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	server := &blobtest.Server{Answer: func(w http.ResponseWriter, q *http.Request, _ func()) bool {
		if q.Method == http.MethodPut {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return q.Method == http.MethodPut
	}}
	log, err := custody.New(custody.Config{Store: bucket(t, server), Prefix: "custody", Origin: origin, Verifiers: verifiers, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	return log
}
