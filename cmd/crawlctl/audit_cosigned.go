package main

import (
	"fmt"
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
				largest = &cosignature{w.Name(), at, *treeOf(c)}
			}
		}
		if largest == nil {
			return nil, &unwitnessedError{w.Name()}
		}
		list = append(list, *largest)
	}
	return list, nil
}

// cosignedText tells of cosignatures in the line of a proof.
func cosignedText(list []cosignature) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "; cosigned by %s at %s", cli.OneLine(c.Witness), c.At.Format(time.RFC3339))
	}
	return b.String()
}
