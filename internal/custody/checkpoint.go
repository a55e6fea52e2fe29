package custody

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxCheckpoint bounds a checkpoint with all its signatures, in bytes.
const maxCheckpoint = 32 << 10

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

// sign makes the checkpoint of a tree.
func sign(origin string, tree *edge, signer note.Signer) (Checkpoint, error) {
	c := Checkpoint{Origin: origin, Size: tree.size, Root: tree.root()}
	var err error
	if c.Note, err = note.Sign(&note.Note{Text: c.text()}, signer); err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	return c, nil
}

// OpenCheckpoint reads a checkpoint of the log origin and checks that one of the log's keys
// signed it. Signatures of others, such as of witnesses, are passed over.
func OpenCheckpoint(msg []byte, origin string, verifiers note.Verifiers) (Checkpoint, error) {
	if len(msg) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("checkpoint has %d bytes, must have %d at most", len(msg), maxCheckpoint)
	}
	n, err := note.Open(msg, verifiers)
	if unsigned := (*note.UnverifiedNoteError)(nil); errors.As(err, &unsigned) {
		return Checkpoint{}, errors.New("checkpoint: no key of the log signed it")
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("checkpoint: is of the log %q, not of %q", c.Origin, origin)
	}
	for _, s := range n.Sigs {
		if s.Name == origin {
			c.Note = msg
			return c, nil
		}
	}
	return Checkpoint{}, errors.New("checkpoint: no key of the log signed it")
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
