package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Proof says that the objects of a decision are erased: retention/erased-00000001.json.
type Proof struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Run     string `json:"run"`
	// Intent is the decision that is carried out.
	Intent Mark `json:"intent"`
	// Policy is what the objects fell under.
	Policy Policy `json:"policy"`
	// Objects are those that were erased, and what the store answered.
	Objects []Removed `json:"objects"`
	// ErasedAt is when the store had confirmed all of it, by both clocks.
	ErasedAt Clocks `json:"erasedAt"`
	// By is the program that did it.
	By Program `json:"by"`
}

// Policy is the order's rule for what no case keeps.
type Policy struct {
	ScreeningSeconds int64     `json:"screeningSeconds"`
	Begins           time.Time `json:"begins"`
	Ends             time.Time `json:"ends"`
}

// Removed is an object that is not there any more.
type Removed struct {
	Erasing
	// Objects is how many there were, of the state of the queue, which lies in its own
	// bucket.
	Objects int64 `json:"objects,omitempty"`
	// Versions is how many versions and markers this attempt removed: 0 when an attempt
	// before it had removed them, and died.
	Versions int64 `json:"versions"`
	// Confirmed is what the store was asked, and answered, in the end.
	Confirmed string `json:"confirmed"`
}

// Clocks are the time as two clocks have it.
type Clocks struct {
	Worker time.Time `json:"worker"`
	Store  time.Time `json:"store"`
}

// Both is when both clocks say that a time has come.
func (c Clocks) Both() time.Time {
	if c.Store.Before(c.Worker) {
		return c.Store
	}
	return c.Worker
}

// Apart is how far the clocks are from each other.
func (c Clocks) Apart() time.Duration { return c.Worker.Sub(c.Store).Abs() }

// Program is the software that erased.
type Program struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Hostname string `json:"hostname,omitempty"`
}

const (
	proofFormat  = "crawlfleet-erasure"
	proofVersion = 1
	proofPrefix  = Folder + "erased-"
	maxProof     = 2 << 20
)

// PutProof writes the proof of an erasure. One that another attempt wrote before holds.
func PutProof(ctx context.Context, store Store, prefix string, p Proof) error {
	p.Format, p.Version, p.Run = proofFormat, proofVersion, RunOf(prefix)
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("encode a proof: %w", err)
	}
	data = append(data, '\n')
	key, err := blob.NewKey(prefix + ProofName(p.Intent.Seq))
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: hash(data), Type: "application/json"})
	if !errors.Is(err, blob.ErrExists) {
		return err
	}
	_, err = ReadProof(ctx, store, prefix, p.Intent)
	return err
}

// ReadProof reads the proof of a decision, and checks that it is of that one.
func ReadProof(ctx context.Context, store Store, prefix string, intent Mark) (Proof, error) {
	var p Proof
	key := blob.Key(prefix + ProofName(intent.Seq))
	data, err := get(ctx, store, key, maxProof)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrBroken, key, err)
	}
	if p.Format != proofFormat || p.Intent != intent || p.Run != RunOf(prefix) {
		return p, fmt.Errorf("%w: %s proves another erasure", ErrBroken, key)
	}
	return p, nil
}

// Proves checks that a proof is of all that a decision erases, and of nothing else.
func (p *Proof) Proves(d *Decision) error {
	broken := fmt.Errorf("%w: %s does not prove what number %d erases", ErrBroken, ProofName(d.Seq), d.Seq)
	if d.Action != Erase || len(p.Objects) != len(d.Erasing) {
		return broken
	}
	for i, o := range p.Objects {
		if e := d.Erasing[i]; o.Name != e.Name || o.SHA256 != e.SHA256 {
			return broken
		}
	}
	return nil
}

// ProofName is where the proof that a decision was carried out lies below the prefix of a run.
func ProofName(seq int64) string { return fmt.Sprintf("%s%08d.json", proofPrefix, seq) }

// Proven is the number of the decision that an object of that name proves to be carried out.
func Proven(name string) (int64, bool) {
	rest, ok := strings.CutPrefix(name, proofPrefix)
	seq, isNumber := numbered(Folder + rest)
	return seq, ok && isNumber
}
