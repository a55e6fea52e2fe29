package retention

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/workers/notary"
)

// oneKey is a key.
type oneKey struct{ key *evidence.Key }

func (k oneKey) Key() (*evidence.Key, error) { return k.key, nil }

// vouched has what the rig decides told to a real custody log, and proofs signed.
func vouched(t *testing.T, r *rig) (*custody.Log, evidence.Trust) {
	t.Helper()
	pem, err := evidence.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	name, err := evidence.Fingerprint(public)
	if err != nil {
		t.Fatal(err)
	}
	private, known, err := note.GenerateKey(rand.Reader, "fleet.example/custody")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(known)
	if err != nil {
		t.Fatal(err)
	}
	log, err := custody.New(custody.Config{Store: r.store.Bucket("archive"), Prefix: "custody", Origin: verifier.Name(), Verifiers: note.VerifierList(verifier), Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	r.keeper.Custody = Vouching{Store: r.store, Notary: &notary.Notary{
		Signer: &evidence.Signer{Keys: oneKey{key}, Software: "test"}, Custody: log, Logger: slog.New(slog.DiscardHandler),
	}}
	return log, evidence.Trust{Keys: []evidence.TrustedKey{{Fingerprint: name}}}
}

// entries are those of a log, in words.
func entries(t *testing.T, log *custody.Log) (told []string) {
	t.Helper()
	sums := map[string]string{}
	err := log.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		name := strings.TrimPrefix(string(e.Object), prefix)
		if e.Run != "" {
			name += " of " + e.Run
		}
		if before := sums[name]; before != "" && before != e.SHA256 {
			t.Errorf("%s has two sums, %s and %s", name, before, e.SHA256)
		}
		sums[name] = e.SHA256
		told = append(told, strings.Join([]string{string(e.Event), name, e.Case, e.Why}, " "))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// TestDecisionsAreToldOfChunks: whoever is handed a chunk finds in the log what was decided about it,
// or about the run that it is of. What nobody knows any more is left to the decision.
func TestDecisionsAreToldOfChunks(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	log, _ := vouched(t, r)
	r.mustDecide(retention.Keep, "A", "chunks/1.wacz", "chunks/torn.wacz", "chunks/1.wacz", "chunks/gone.wacz")
	r.mustDecide(retention.Hold, "B")
	r.mustDecide(retention.Release, "B")
	r.erase()
	r.in.Told = 0 // its worker died before that was noted: told twice is told once
	r.erase()
	want := []string{
		"Kept retention/00000001.json A decision 1", "Kept chunks/1.wacz A decision 1", "Kept chunks/torn.wacz A decision 1",
		"Held retention/00000002.json B decision 2", "Held retention/00000002.json of uid B decision 2",
		"Released retention/00000003.json B decision 3", "Released retention/00000003.json of uid B decision 3",
	}
	if diff := cmp.Diff(want, entries(t, log)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	sum := sha256.Sum256([]byte("content of chunks/1.wacz"))
	about := 0
	err := log.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		if e.Concerns(hex.EncodeToString(sum[:]), "uid") {
			about++
		}
		return true
	})
	if err != nil || about != 3 {
		t.Errorf("%d entries are about the chunk, %v, want that it was kept, held and released", about, err)
	}
}

// TestCustodyAndProofs: the log has every decision once, by the object that says what was decided
// and by the chunks that it names, and the proof of the erasure is signed.
func TestCustodyAndProofs(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	log, trust := vouched(t, r)
	r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
	r.pass(screening)
	r.erase()
	r.erase()
	want := []string{"Held retention/00000001.json A decision 1", "Held chunks/2.wacz A decision 1", "Erased retention/00000002.json  decision 2",
		"Erased chunks/1.wacz  decision 2", "Erased chunks/3.wacz  decision 2", "Erased chunks/torn.wacz  decision 2"}
	if diff := cmp.Diff(want, entries(t, log)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if signed := signatures(t, r, trust, retention.ProofName(2)); signed != 1 {
		t.Error("the proof is not signed by the fleet")
	}
	// What lies beside decisions is none: they are read as before.
	if out := r.erase(); out.Reason != "Held" {
		t.Errorf("%+v", out)
	}
}

// TestVoidIsSigned: an erasure that is void, and the decision that says so, are signed like others. Of
// captures the log has nothing to tell.
func TestVoidIsSigned(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	log, trust := vouched(t, r)
	r.forge("chunks/1.wacz")
	r.erase()
	for seq := range int64(2) {
		if signed := signatures(t, r, trust, retention.DecisionName(seq+1)); signed != 1 {
			t.Errorf("decision %d has %d signatures", seq+1, signed)
		}
	}
	err := log.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		t.Errorf("told is %+v", e)
		return true
	})
	if err != nil || r.in.Told != 2 {
		t.Errorf("%v, told are %d", err, r.in.Told)
	}
}

// signatures counts those of a file that the fleet made.
func signatures(t *testing.T, r *rig, trust evidence.Trust, name string) (signed int) {
	t.Helper()
	files := fstest.MapFS{}
	for _, key := range r.server.Keys("/archive/" + prefix) {
		files[strings.TrimPrefix(key, "/archive/"+prefix)] = &fstest.MapFile{Data: bytes.Clone(r.server.Object(key))}
	}
	v, report := verify.Verifier{Trust: trust}, verify.Report{}
	if err := v.Signature(&report, files, name); err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if c.Verdict == verify.Fails {
			t.Errorf("%+v", c)
		}
		if c.Name == verify.CheckSignature && c.Verdict == verify.Holds {
			signed++
		}
	}
	return signed
}
