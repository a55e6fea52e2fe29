package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Store is what decisions need of a bucket. blob.Bucket is one.
type Store interface {
	Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error)
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
	List(ctx context.Context, prefix string, yield func(blob.Info) bool) error
}

var (
	// ErrBroken says that a decision of a run is missing, or is not what the next one says
	// that it was. Nothing is erased then.
	ErrBroken = errors.New("the decisions about retention do not follow from each other")
	// ErrErasing says that what was to be kept is being erased, or is erased already.
	ErrErasing = errors.New("it is being erased or erased already")
	// ErrNotHeld says that the case of a release holds nothing of what it names.
	ErrNotHeld = errors.New("holds nothing here")
)

// The bounds of what is read.
const (
	maxDecision  = 1 << 20
	maxDecisions = 100_000
)

// Mark is a place in the decisions of a run: a number, and the SHA-256 of that decision. The
// zero Mark is before the first.
type Mark struct {
	Seq    int64  `json:"seq,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Log are all decisions of a run, in their order.
type Log struct {
	Decisions []Decision
	hashes    []string
	written   []time.Time // by the store's clock, zero for what this process itself appended
}

// Mark is where the log ends.
func (l *Log) Mark() Mark { return l.MarkAt(int64(len(l.hashes))) }

// MarkAt is the place of a decision of the log.
func (l *Log) MarkAt(seq int64) Mark {
	if seq < 1 || seq > int64(len(l.hashes)) {
		return Mark{}
	}
	return Mark{Seq: seq, SHA256: l.hashes[seq-1]}
}

// WrittenAt is when a decision of the log was written, by the clock of the store: who wrote it
// cannot choose that. It is zero for one that was not read from the store.
func (l *Log) WrittenAt(seq int64) time.Time {
	if seq < 1 || seq > int64(len(l.written)) {
		return time.Time{}
	}
	return l.written[seq-1]
}

// Follows tells whether the log goes on from a place that it once ended at. One that does not
// has lost decisions, or had them replaced.
func (l *Log) Follows(m Mark) error {
	if l.MarkAt(m.Seq) != m {
		return fmt.Errorf("%w: number %d is not any more what it was", ErrBroken, m.Seq)
	}
	return nil
}

// Read reads the decisions of the run whose archive lies below prefix, which ends with a slash.
func Read(ctx context.Context, store Store, prefix string) (*Log, error) {
	l := &Log{}
	var seqs []int64
	err := store.List(ctx, prefix+Folder, func(o blob.Info) bool {
		if seq, ok := numbered(strings.TrimPrefix(string(o.Key), prefix)); ok {
			seqs = append(seqs, seq)
		}
		return len(seqs) <= maxDecisions
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(seqs)
	if len(seqs) > maxDecisions {
		return nil, fmt.Errorf("%w: there are more than %d", ErrBroken, maxDecisions)
	}
	for i, seq := range seqs {
		if seq != int64(i+1) {
			return nil, fmt.Errorf("%w: number %d is missing", ErrBroken, i+1)
		}
		if err := l.read(ctx, store, prefix, seq); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *Log) read(ctx context.Context, store Store, prefix string, seq int64) error {
	data, info, err := getInfo(ctx, store, blob.Key(prefix+DecisionName(seq)), maxDecision)
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: number %d is listed and not there", ErrBroken, seq)
	}
	if err != nil {
		return err
	}
	d, err := decode(data)
	if err != nil {
		return fmt.Errorf("%w: number %d: %w", ErrBroken, seq, err)
	}
	if d.Seq != seq || d.Run != RunOf(prefix) || d.Previous != l.Mark().SHA256 {
		return fmt.Errorf("%w: number %d belongs to another run or place", ErrBroken, seq)
	}
	if err := l.names(&d); err != nil {
		return fmt.Errorf("%w: number %d: %w", ErrBroken, seq, err)
	}
	l.Decisions, l.hashes, l.written = append(l.Decisions, d), append(l.hashes, hash(data)), append(l.written, info.Modified)
	return nil
}

// Append makes a decision the next one of the log, on condition that nobody made another
// since the log was read: the error is blob.ErrExists then, and whoever wants to decide reads
// again what there is to be known. What is to be kept must not be under an erasure: the error
// is ErrErasing.
func (l *Log) Append(ctx context.Context, store Store, prefix string, d Decision) error {
	d.Format, d.Version, d.Run, d.Seq, d.Previous = format, d.version(), RunOf(prefix), l.Mark().Seq+1, l.Mark().SHA256
	d.At = d.At.UTC()
	if err := d.Check(); err != nil {
		return err
	}
	if err := errors.Join(l.names(&d), l.allows(&d)); err != nil {
		return err
	}
	key, err := blob.NewKey(prefix + DecisionName(d.Seq))
	if err != nil {
		return err
	}
	data, err := d.encode()
	if err != nil {
		return err
	}
	sum := hash(data)
	if _, err := store.Put(ctx, key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: sum, Type: "application/json"}); err != nil {
		return err
	}
	l.Decisions, l.hashes, l.written = append(l.Decisions, d), append(l.hashes, sum), append(l.written, time.Time{})
	return nil
}

// tries is how often a decision is tried that others are faster with.
const tries = 100

// Decide makes a decision of a person, after all that was decided before it, however many
// decide at once. It returns the log that ends with it. What would erase what it keeps and was
// written too early becomes void first. What releases nothing is refused: the error is ErrNotHeld.
func Decide(ctx context.Context, store Store, prefix string, d Decision) (*Log, error) {
	for range tries {
		l, err := Read(ctx, store, prefix)
		if err != nil {
			return nil, err
		}
		if err := l.releases(&d); err != nil {
			return nil, err
		}
		if err = l.voidFor(ctx, store, prefix, &d); err == nil {
			err = l.Append(ctx, store, prefix, d)
		}
		if !errors.Is(err, blob.ErrExists) {
			return l, err
		}
	}
	return nil, fmt.Errorf("others decided %d times at the same moment: try again", tries)
}

// releases refuses a release by a case that does not hold each object that it names, or, when it
// names none, that holds nothing of the run: it would be there for good and do nothing, which is
// what a misspelt case looks like.
func (l *Log) releases(d *Decision) error {
	if d.Action != Release {
		return nil
	}
	for _, unit := range d.Objects {
		f := judge(Period{}, l.Decisions, unit)
		if err := notHeld(d.Case, unit+": ", f.HeldBy); err != nil {
			return err
		}
	}
	if len(d.Objects) > 0 {
		return nil
	}
	return notHeld(d.Case, "", l.holders())
}

// notHeld is an error unless a case is among those that hold something.
func notHeld(name, what string, holders []string) error {
	if slices.Contains(holders, name) {
		return nil
	}
	who := "no case does"
	if len(holders) > 0 {
		who = "held by " + strings.Join(holders, ", ")
	}
	return fmt.Errorf("%s%s %w; %s", what, name, ErrNotHeld, who)
}

// holders are the cases that hold anything of the run: what decisions name, and what none names,
// which may be a chunk to come.
func (l *Log) holders() []string {
	units := map[string]bool{Chunks: true}
	for i := range l.Decisions {
		for _, unit := range l.Decisions[i].Objects {
			units[unit] = true
		}
	}
	var holders []string
	for unit := range units {
		f := judge(Period{}, l.Decisions, unit)
		holders = append(holders, f.HeldBy...)
	}
	slices.Sort(holders)
	return slices.Compact(holders)
}

// allows refuses to keep what is named by an erasure. A decision about all that a run has is
// about what is left of it.
func (l *Log) allows(d *Decision) error {
	seq, unit := l.bar(d)
	if seq == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w, as decided in %s at %s", unit, ErrErasing, DecisionName(seq), l.Decisions[seq-1].At.Format("2006-01-02T15:04:05Z07:00"))
}

// bar finds the erasure that stands in the way of a decision, and what both name; 0 for none.
func (l *Log) bar(d *Decision) (seq int64, unit string) {
	if d.Action != Keep && d.Action != Hold || len(d.Objects) == 0 {
		return 0, ""
	}
	void := voids(l.Decisions)
	for i := range l.Decisions {
		if void[l.Decisions[i].Seq] {
			continue
		}
		for _, e := range l.Decisions[i].Erasing {
			if unit := UnitOf(e.Name); unit != "" && slices.Contains(d.Objects, unit) {
				return l.Decisions[i].Seq, unit
			}
		}
	}
	return 0, ""
}

// RunOf is the UID of the run whose archive lies below a prefix.
func RunOf(prefix string) string { return path.Base(prefix) }

// DecisionName is where the decision of a number lies below the prefix of a run.
func DecisionName(seq int64) string { return fmt.Sprintf("%s%08d.json", Folder, seq) }

// numbered is the number of a decision of that name.
func numbered(name string) (int64, bool) {
	digits, ok := strings.CutSuffix(strings.TrimPrefix(name, Folder), ".json")
	seq, err := strconv.ParseInt(digits, 10, 64)
	return seq, ok && err == nil && seq > 0 && DecisionName(seq) == name
}

// get reads a small object.
func get(ctx context.Context, store Store, key blob.Key, limit int64) ([]byte, error) {
	data, _, err := getInfo(ctx, store, key, limit)
	return data, err
}

// getInfo reads a small object, and what the store says of it.
func getInfo(ctx context.Context, store Store, key blob.Key, limit int64) ([]byte, blob.Info, error) {
	body, info, err := store.Get(ctx, key)
	if err != nil {
		return nil, blob.Info{}, err
	}
	defer body.Close() // it is only read
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, blob.Info{}, fmt.Errorf("read %q: %w: %w", key, blob.ErrUnreachable, err)
	}
	if int64(len(data)) > limit {
		return nil, blob.Info{}, fmt.Errorf("read %q: has more than %d bytes", key, limit)
	}
	return data, info, nil
}
