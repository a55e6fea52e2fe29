package custody

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof proves that an entry is in a log: the entry, the way from its hash to the root, and
// the signed root. Its text is a [tlog-proof] whose extra data is the entry.
//
// [tlog-proof]: https://c2sp.org/tlog-proof
type Proof struct {
	Entry Entry
	Index int64
	Path  tlog.RecordProof
	// Checkpoint is the signed note.
	Checkpoint []byte
}

// ProofType begins the text of a proof.
const ProofType = "c2sp.org/tlog-proof@v1"

// maxProof bounds the text of a proof, in bytes: an entry, a hash for each of 63 levels and
// a checkpoint.
const maxProof = 2*maxEntry + 63*64 + maxNote

// Prove proves that the entry with an identifier is in the log. It looks for it in the lists
// of marks, the latest first.
func (l *Log) Prove(ctx context.Context, id string) (Proof, error) {
	h, c, err := l.signed(ctx)
	if err != nil {
		return Proof{}, err
	}
	index, err := l.find(ctx, &h, id)
	if err != nil {
		return Proof{}, err
	}
	return l.prove(ctx, &h, &c, index)
}

// ProveIndex proves that the entry at an index is in the log.
func (l *Log) ProveIndex(ctx context.Context, index int64) (Proof, error) {
	h, c, err := l.signed(ctx)
	if err != nil {
		return Proof{}, err
	}
	return l.prove(ctx, &h, &c, index)
}

// ProveAt proves that the entry at an index was in the log when a checkpoint was kept, such as one
// that witnesses have cosigned. The log must extend it: the error is a [*ForkError] if it does not.
func (l *Log) ProveAt(ctx context.Context, kept Checkpoint, index int64) (Proof, error) {
	if index < 0 || index >= kept.Size {
		return Proof{}, fmt.Errorf("entry %d is not among the %d that the checkpoint has: %w", index, kept.Size, ErrNotFound)
	}
	if _, err := l.Extends(ctx, kept); err != nil {
		return Proof{}, err
	}
	h, err := l.latest(ctx)
	if err != nil {
		return Proof{}, err
	}
	return l.prove(ctx, &h, &kept, index)
}

// prove proves by a checkpoint of a head, or one that it extends.
func (l *Log) prove(ctx context.Context, h *head, c *Checkpoint, index int64) (Proof, error) {
	tree := l.hashes(ctx, h)
	entry, err := l.entryIn(ctx, h, tree, index)
	if err != nil {
		return Proof{}, err
	}
	path, err := tlog.ProveRecord(c.Size, index, tree)
	if err != nil {
		return Proof{}, fmt.Errorf("prove entry %d of custody log: %w", index, err)
	}
	return Proof{Entry: entry.Entry, Index: index, Path: path, Checkpoint: c.Note}, nil
}

// find gives the index of the first entry with an identifier.
func (l *Log) find(ctx context.Context, h *head, id string) (int64, error) {
	size := h.tree.size / tileWidth
	blocks, err := l.blocks(ctx, h, 0, size)
	if err != nil {
		return 0, err
	}
	want, index := markOf(id), int64(0)
	for _, block := range blocks {
		for m := range slices.Chunk(block, markSize) {
			if mark(m) == want {
				entry, err := l.entryAt(ctx, h, index)
				if err != nil || entry.ID == id {
					return index, err
				}
			}
			index++
		}
	}
	if rest := int(h.tree.size % tileWidth); rest > 0 {
		leaves, err := l.leaves(ctx, h, size, rest)
		if err != nil {
			return 0, err
		}
		for i := range leaves {
			if leaves[i].ID == id {
				return index + int64(i), nil
			}
		}
	}
	return 0, fmt.Errorf("entry %q: %w", id, ErrNotFound)
}

// MarshalText implements [encoding.TextMarshaler].
func (p *Proof) MarshalText() ([]byte, error) {
	raw, err := p.Entry.encode()
	if err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "%s\nextra %s\nindex %d\n", ProofType, base64.StdEncoding.EncodeToString(raw), p.Index)
	for _, h := range p.Path {
		b = fmt.Appendf(b, "%s\n", h)
	}
	return append(append(b, '\n'), p.Checkpoint...), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It proves nothing: [VerifyProof] does.
func (p *Proof) UnmarshalText(text []byte) error {
	if len(text) > maxProof {
		return fmt.Errorf("proof has %d bytes, must have %d at most", len(text), maxProof)
	}
	before, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(before), "\n")
	if !ok || len(lines) < 3 || len(lines) > 3+63 || lines[0] != ProofType {
		return errors.New("is no " + ProofType)
	}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	raw, err := base64.StdEncoding.DecodeString(extra)
	if !ok || err != nil {
		return errors.New("proof: the second line must be the entry")
	}
	entry, err := ParseEntry(raw)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	at, ok := strings.CutPrefix(lines[2], "index ")
	index, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || index < 0 {
		return errors.New("proof: the third line must be the index")
	}
	read := Proof{Entry: entry, Index: index, Checkpoint: slices.Clone(checkpoint)}
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return fmt.Errorf("proof: %q is no hash", line)
		}
		read.Path = append(read.Path, h)
	}
	if again, err := read.MarshalText(); err != nil || !bytes.Equal(again, text) {
		return errors.New("proof: is not in its one encoding")
	}
	*p = read
	return nil
}

// VerifyProof checks a proof with the public keys of the log origin: that one of them signed
// the checkpoint, and that the entry is in its tree. It returns the checkpoint.
func VerifyProof(p *Proof, origin string, verifiers note.Verifiers) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, origin, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	raw, err := p.Entry.encode()
	if err != nil {
		return Checkpoint{}, err
	}
	if p.Index < 0 || p.Index >= c.Size {
		return Checkpoint{}, fmt.Errorf("proof: entry %d is not in a tree of %d", p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Path, c.Size, c.Root, p.Index, tlog.RecordHash(raw)); err != nil {
		return Checkpoint{}, errors.New("proof: the way from the entry does not lead to the signed root")
	}
	return c, nil
}
