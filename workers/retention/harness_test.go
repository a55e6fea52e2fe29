package retention

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	prefix    = "ns/name/uid/"
	screening = 72 * time.Hour
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// rig is a sealed run in a store in memory, and who looks after it. The clocks are hands that
// a test sets.
type rig struct {
	t             *testing.T
	server        *blobtest.Server
	store         *blob.Client
	keeper        *Keeper
	worker, clock time.Time // of the worker and of the store
	in            workflows.EraseInput
	events        []Event
}

func newRig(t *testing.T, server *blobtest.Server) *rig {
	t.Helper()
	r := &rig{t: t, server: server, worker: noon, clock: noon}
	server.Now = func() time.Time { return r.clock }
	r.store = connect(t, server.Start(t))
	r.keeper = &Keeper{
		Store: r.store, FrontierBucket: "frontier", Program: retention.Program{Name: "crawlfleet", Version: "test"}, Custody: r,
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return r.worker },
	}
	r.in = workflows.EraseInput{
		Run: "uid", Namespace: "ns", Name: "name", Archive: workflows.Archive{Bucket: "archive", Prefix: prefix},
		Retention: workflows.Retention{Screening: screening}, EndedAt: noon,
	}
	return r
}

func connect(t *testing.T, endpoint string) *blob.Client {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: endpoint, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Record implements Custody.
func (r *rig) Record(_ context.Context, e Event) error {
	r.events = append(r.events, e)
	return nil
}

func (r *rig) put(bucket, name, content string) {
	r.t.Helper()
	data := []byte(content)
	sum := sha256.Sum256(data)
	_, err := r.store.Bucket(bucket).Put(r.t.Context(), blob.Key(prefix+name), blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		r.t.Fatal(err)
	}
}

// seal stores chunks, what is made of them, the queue's state and the closing statement, and,
// beside those, what the statement does not name.
func (r *rig) seal(chunks ...string) {
	r.t.Helper()
	list := func(names ...string) (objects []map[string]any) {
		for _, name := range names {
			r.put("archive", name, "content of "+name)
			sum := sha256.Sum256([]byte("content of " + name))
			objects = append(objects, map[string]any{"key": prefix + name, "size": len("content of " + name), "sha256": hex.EncodeToString(sum[:])})
		}
		return objects
	}
	statement := map[string]any{
		"format": "crawlfleet-run", "version": 1, "sealedAt": noon, "retention": map[string]any{"screeningSeconds": int64(screening / time.Second)},
		"chunks": list(chunks...), "leads": map[string]any{"objects": list("leads/00001.jsonl.zst")},
		"visits": map[string]any{"objects": list("visits/00001-x.jsonl.zst"), "directory": list("visits/directory.json.zst")[0]},
	}
	data, err := json.Marshal(statement)
	if err != nil {
		r.t.Fatal(err)
	}
	r.put("archive", "chunks/torn.wacz", "of an attempt that nobody counts")
	r.put("archive", chunks[0]+".sig", "of the first chunk")
	r.put("frontier", "seeds", "addresses")
	r.put("frontier", "s/0/m/00000000", "addresses")
	r.put("archive", "run.json", string(data))
}

// erase is one look, with what the look before it found.
func (r *rig) erase() workflows.EraseOutput {
	r.t.Helper()
	out, err := r.keeper.erase(r.t.Context(), r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	r.in.Log, r.in.Told, r.in.Lifted = out.Log, out.Told, max(r.in.Lifted, out.Lifted)
	return out
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) { r.worker, r.clock = r.worker.Add(d), r.clock.Add(d) }

func (r *rig) decide(a retention.Action, c string, objects ...string) error {
	d := retention.Decision{Action: a, Case: c, Objects: objects, By: "desk", Why: "a test", At: r.clock}
	if a == retention.Keep {
		d.Until = noon.AddDate(0, 0, 30)
	}
	_, err := retention.Decide(r.t.Context(), r.store.Bucket("archive"), prefix, d)
	return err
}

// append makes a decision whatever stands in its way.
func (r *rig) append(d retention.Decision) error {
	l, err := retention.Read(r.t.Context(), r.store.Bucket("archive"), prefix)
	if err != nil {
		return err
	}
	return l.Append(r.t.Context(), r.store.Bucket("archive"), prefix, d)
}

func (r *rig) mustDecide(a retention.Action, c string, objects ...string) {
	r.t.Helper()
	if err := r.decide(a, c, objects...); err != nil {
		r.t.Fatal(err)
	}
}

// left are the names of what is in the archive but for decisions and proofs, and how much of
// the queue's state there is.
func (r *rig) left() string {
	var names []string
	for _, key := range r.server.Keys("/archive/" + prefix) {
		if name := strings.TrimPrefix(key, "/archive/"+prefix); !strings.HasPrefix(name, retention.Folder) {
			names = append(names, name)
		}
	}
	if n := len(r.server.Keys("/frontier/" + prefix)); n > 0 {
		names = append(names, fmt.Sprint(n, " of state"))
	}
	return strings.Join(names, " ")
}

// proven are the names that proofs say to be erased, each with the number of its decision.
func (r *rig) proven() []string {
	r.t.Helper()
	var names []string
	for _, p := range r.proofs() {
		for _, o := range p.Objects {
			names = append(names, fmt.Sprint(p.Intent.Seq, " ", o.Name))
		}
	}
	slices.Sort(names)
	return names
}

func (r *rig) proofs() (all []retention.Proof) {
	r.t.Helper()
	b := r.store.Bucket("archive")
	l, err := retention.Read(r.t.Context(), b, prefix)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, key := range r.server.Keys("/archive/" + prefix + retention.Folder) {
		seq, ok := retention.Proven(strings.TrimPrefix(key, "/archive/"+prefix))
		if !ok {
			continue
		}
		p, err := retention.ReadProof(r.t.Context(), b, prefix, l.MarkAt(seq))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}
