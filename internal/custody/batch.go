package custody

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// The bounds of a batch.
const (
	maxBatchEntries = 1000
	maxBatch        = 9 << 20 // bytes
)

// header is the first line of a batch. The peaks are those of the tree before the batch:
// with them and the entries, the batch's own checkpoint can be computed from it alone.
type header struct {
	Batch    int64       `json:"batch"`
	Entries  int         `json:"entries"`
	Format   string      `json:"format"`
	Peaks    []tlog.Hash `json:"peaks"`
	Previous string      `json:"previous"`
	Start    int64       `json:"start"`
	Version  int         `json:"version"`
}

const format = "crawlfleet-custody"

// The versions of a batch. A program of before cannot know a member that entries got later, and
// would take them for forged: a newer version tells it that it is too old. So a batch is of the
// oldest version that may hold its entries, but not of an older one than the batch before: whoever
// looks at the end of a log only must learn of it, too.
const (
	firstVersion = 1
	runVersion   = 2 // entries may have a run
	lastVersion  = runVersion
)

// batch is an object of the log: its header, a line for each entry, an empty line, and a
// signed note that says which tree it makes. That is no checkpoint: the writer cannot know
// yet whether this batch or another one gets the number.
type batch struct {
	number  int64
	version int
	// previous is the SHA-256 in hex of the batch before, empty in the first.
	previous string
	before   edge
	leaves   []leaf

	after edge
	// signed is the note, and checkpoint the stored checkpoint of the tree where it was
	// asked for and is there.
	signed     []byte
	checkpoint *Checkpoint
	// digest is the SHA-256 in hex of this batch.
	digest string
}

// leaf is an entry with its encoding.
type leaf struct {
	Entry
	raw []byte
}

func newLeaf(e Entry) (leaf, error) {
	raw, err := e.encode()
	return leaf{e, raw}, err
}

func (l *leaf) hash() tlog.Hash { return tlog.RecordHash(l.raw) }

// extend makes the next batch after a head.
func (h *head) extend(leaves []leaf, origin string, signer note.Signer) (*batch, []byte, error) {
	b := &batch{number: h.number + 1, version: h.versionOf(leaves), previous: h.digest, before: h.tree.clone(), leaves: leaves}
	b.grow()
	signer, err := current(signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign batch: %w", err)
	}
	if b.signed, err = note.Sign(&note.Note{Text: b.statement(origin)}, signer); err != nil {
		return nil, nil, fmt.Errorf("sign batch: %w", err)
	}
	raw, err := b.encode()
	return b, raw, err
}

// versionOf is the version of a batch with these entries after a head.
func (h *head) versionOf(leaves []leaf) int {
	if slices.ContainsFunc(leaves, func(l leaf) bool { return l.Run != "" }) {
		return runVersion
	}
	return max(h.version, firstVersion)
}

// statement is what the writer of a batch signs. It has two lines more than a checkpoint, and
// can never be taken for one.
func (b *batch) statement(origin string) string {
	what := format + "/batch"
	if b.version > firstVersion { // which did not say so
		what = fmt.Sprintf("%s/%d", what, b.version)
	}
	return fmt.Sprintf("%s\n%s\n%d\n%d\n%s\n", what, origin, b.number, b.after.size, b.after.root())
}

// grow computes the tree with the batch.
func (b *batch) grow() {
	b.after = b.before.clone()
	for i := range b.leaves {
		b.after.add(b.leaves[i].hash())
	}
}

func (b *batch) encode() ([]byte, error) {
	first, err := canonical(header{
		Batch: b.number, Entries: len(b.leaves), Format: format, Peaks: append([]tlog.Hash{}, b.before.peaks...),
		Previous: b.previous, Start: b.before.size, Version: b.version,
	})
	if err != nil {
		return nil, err
	}
	raw := append(first, '\n')
	for _, l := range b.leaves {
		raw = append(append(raw, l.raw...), '\n')
	}
	raw = append(raw, '\n')
	raw = append(raw, b.signed...)
	b.digest = digest(raw)
	return raw, nil
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// parseBatch reads a batch and checks all that can be checked of it alone: that it has the
// number, is in its one encoding, and that it is signed as what it is.
func parseBatch(raw []byte, number int64, origin string, verifiers note.Verifiers) (*batch, error) {
	first, rest, ok := bytes.Cut(raw, []byte("\n"))
	if !ok {
		return nil, errors.New("is cut off")
	}
	var h header
	if err := parseCanonical(first, &h); err != nil {
		return nil, fmt.Errorf("first line: %w", err)
	}
	if h.Format != format || h.Version < firstVersion || h.Version > lastVersion {
		return nil, fmt.Errorf("is of format %q, version %d: this program knows %q, versions %d to %d", h.Format, h.Version, format, firstVersion, lastVersion)
	}
	b := &batch{number: h.Batch, version: h.Version, previous: h.Previous, before: edge{h.Start, h.Peaks}, digest: digest(raw)}
	if h.Batch != number {
		return nil, fmt.Errorf("says that it is batch %d", h.Batch)
	}
	if h.Entries < 1 || h.Entries > maxBatchEntries || h.Peaks == nil || !b.before.whole() {
		return nil, errors.New("first line: the number of entries or of peaks is wrong")
	}
	if (number == 0) != (h.Previous == "") || (number == 0) != (h.Start == 0) {
		return nil, errors.New("first line: the first batch, and it alone, follows nothing")
	}
	for i := range h.Entries {
		var line []byte
		if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
			return nil, errors.New("is cut off")
		}
		e, err := b.parseEntry(line)
		if err != nil {
			return nil, &Divergence{Entry: h.Start + int64(i), Reason: err.Error()}
		}
		b.leaves = append(b.leaves, leaf{e, line})
	}
	signed, ok := bytes.CutPrefix(rest, []byte("\n"))
	if !ok {
		return nil, errors.New("has more lines than entries")
	}
	return b, b.checkSigned(signed, origin, verifiers)
}

// parseEntry reads an entry, which may have what the batch's version has.
func (b *batch) parseEntry(line []byte) (Entry, error) {
	e, err := ParseEntry(line)
	if err == nil && e.Run != "" && b.version < runVersion {
		err = fmt.Errorf("run: an entry in a batch of version %d has none", b.version)
	}
	return e, err
}

// checkSigned checks that a key of the log signed the tree of a batch.
func (b *batch) checkSigned(signed []byte, origin string, verifiers note.Verifiers) error {
	b.grow()
	b.signed = signed
	text, err := openNote(signed, origin, verifiers)
	if err != nil {
		return err
	}
	if text != b.statement(origin) {
		return fmt.Errorf("the note that is signed is not that of %d entries with the root %s", b.after.size, b.after.root())
	}
	return nil
}

// head is the last batch of a log as far as it is known.
type head struct {
	number  int64 // -1 when there is none
	version int   // 0 when there is none
	digest  string
	tree    edge
}

func (b *batch) head() head { return head{b.number, b.version, b.digest, b.after} }

// follows checks that a batch is the one that extends a head.
func (b *batch) follows(h *head) error {
	switch {
	case b.number != h.number+1:
		return fmt.Errorf("batch %d cannot follow batch %d", b.number, h.number)
	case b.version < h.version:
		return fmt.Errorf("is of version %d, the batch before of version %d", b.version, h.version)
	case b.before.size != h.tree.size:
		return fmt.Errorf("begins at entry %d, the batch before ends at %d", b.before.size, h.tree.size)
	case !slices.Equal(b.before.peaks, h.tree.peaks):
		return fmt.Errorf("extends a tree with the root %s, the batch before has %s", b.before.root(), h.tree.root())
	case b.previous != h.digest:
		return errors.New("names another batch before it: that one was replaced")
	}
	return nil
}

// place adds the object to what is wrong with it.
func place(key blob.Key, err error) error {
	if d := (*Divergence)(nil); errors.As(err, &d) {
		return &Divergence{Key: key, Entry: d.Entry, Reason: d.Reason}
	}
	return diverges(key, "%v", err)
}
