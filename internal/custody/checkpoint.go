package custody

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxNote bounds a note with all its signatures, in bytes.
const maxNote = 32 << 10

// Checkpoint is a state of a log, as [tlog-checkpoint] has it.
//
// [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
type Checkpoint struct {
	// Origin is the name of the log.
	Origin string
	// Size is how many entries it has, and Root the root hash of the tree.
	Size int64
	Root tlog.Hash
	// Note is the signed text.
	Note []byte
}

// text is what is signed.
func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// sign makes the checkpoint of a tree. A log may never sign two checkpoints of which one is
// not the beginning of the other, so only a tree that the store holds is signed.
func sign(origin string, tree *edge, signer note.Signer) (Checkpoint, error) {
	c := Checkpoint{Origin: origin, Size: tree.size, Root: tree.root()}
	signer, err := current(signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	if c.Note, err = note.Sign(&note.Note{Text: c.text()}, signer); err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	return c, nil
}

// OpenCheckpoint reads a checkpoint of the log origin and checks that one of the log's keys
// signed it. Signatures of others, such as of witnesses, are passed over.
func OpenCheckpoint(msg []byte, origin string, verifiers note.Verifiers) (Checkpoint, error) {
	text, err := openNote(msg, origin, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("checkpoint: is of the log %q, not of %q", c.Origin, origin)
	}
	c.Note = msg
	return c, nil
}

// openNote gives the text of a note that a key of the log signed.
func openNote(msg []byte, origin string, verifiers note.Verifiers) (string, error) {
	if len(msg) > maxNote {
		return "", fmt.Errorf("note has %d bytes, must have %d at most", len(msg), maxNote)
	}
	n, err := note.Open(msg, verifiers)
	if unsigned := (*note.UnverifiedNoteError)(nil); err != nil && !errors.As(err, &unsigned) {
		return "", err
	}
	if err == nil && slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == origin }) {
		return n.Text, nil
	}
	return "", errors.New("no key of the log signed it")
}

// parseCheckpoint reads the text of a checkpoint. This log has no extension lines.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return Checkpoint{}, errors.New("checkpoint: must have three lines: origin, size and root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, fmt.Errorf("checkpoint: %q is no size", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %q is no hash", lines[2])
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if c.text() != text {
		return Checkpoint{}, errors.New("checkpoint: is not in its one encoding")
	}
	return c, nil
}
