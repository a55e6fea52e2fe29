package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// cosignature says what a witness signed, and when.
type cosignature struct {
	Witness string    `json:"witness"`
	At      time.Time `json:"at"`
	treeState
	// NotCosigned is how many entries the log has after those, nil where no log was read. A witness
	// is always a little behind: how far is for the reader to judge.
	NotCosigned *int64 `json:"notCosigned,omitempty"`
}

// unwitnessedError says that a witness signed nothing of what was given.
type unwitnessedError struct{ witness string }

// Error implements error.
func (e *unwitnessedError) Error() string {
	return fmt.Sprintf("the witness %s did not cosign the checkpoint", e.witness)
}

// readWitnesses reads the public keys of --witness.
func readWitnesses(values []string) ([]note.Verifier, error) {
	witnesses, err := custody.ReadWitnesses(values)
	if err != nil {
		return nil, cli.Input("--witness: %w", err)
	}
	return witnesses, nil
}

// cosignedBy gives for each witness the largest of the checkpoints that it cosigned. The log's own
// signature on them was checked. One that cosigned none is an error.
func cosignedBy(witnesses []note.Verifier, checkpoints ...custody.Checkpoint) (list []cosignature, err error) {
	for _, w := range witnesses {
		var largest *cosignature
		for i := range checkpoints {
			c := &checkpoints[i]
			at, err := custody.Cosigned(*c, w)
			if err == nil && (largest == nil || c.Size > largest.Size) {
				largest = &cosignature{Witness: w.Name(), At: at, treeState: *treeOf(c)}
			}
		}
		if largest == nil {
			return nil, &unwitnessedError{w.Name()}
		}
		list = append(list, *largest)
	}
	return list, nil
}

// cosignedOf gives what the witnesses cosigned of a log of so many entries.
func cosignedOf(entries int64, witnesses []note.Verifier, checkpoints []custody.Checkpoint) ([]cosignature, error) {
	list, err := cosignedBy(witnesses, checkpoints...)
	for i := range list {
		list[i].NotCosigned = new(entries - list[i].Size)
	}
	return list, err
}

// print tells of a cosignature of a log, and of what is missing to it.
func (c *cosignature) print(w io.Writer) error {
	witness := cli.OneLine(c.Witness)
	_, err := fmt.Fprintf(w, "cosigned by %s at %s: %d entries, root %s\n", witness, c.At.Format(time.RFC3339), c.Size, c.Root)
	if err != nil || c.NotCosigned == nil {
		return err
	}
	switch last := c.Size + *c.NotCosigned - 1; *c.NotCosigned {
	case 0:
	case 1:
		_, err = fmt.Fprintf(w, "entry %d is not cosigned yet by %s\n", last, witness)
	default:
		_, err = fmt.Fprintf(w, "entries %d..%d are not cosigned yet by %s\n", c.Size, last, witness)
	}
	return err
}

// cosignedText tells of cosignatures in the line of a proof.
func cosignedText(list []cosignature) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "; cosigned by %s at %s", cli.OneLine(c.Witness), c.At.Format(time.RFC3339))
	}
	return b.String()
}
