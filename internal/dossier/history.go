package dossier

import (
	"context"
	"fmt"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// History is what a custody log has of a snapshot, whose key in the store is Object.
type History struct {
	Of      Subject
	Object  blob.Key
	Entries []Logged
}

// Logged is an entry, and its place in the log.
type Logged struct {
	custody.Entry
	Index int64
}

// Histories are the entries of a log about snapshots, and about all of their runs, in one reading, as
// far as they are for whoever is handed over a case: how the snapshots came to be and were kept, and what
// was done for that case. Who looked at them, who took a copy, and what other cases they are in stays in
// the log. That the log knows nothing of a snapshot is an error.
func Histories(ctx context.Context, log *custody.Log, snapshots []Subject, reference string) ([]History, error) {
	reference = custody.Word(reference)
	about := make([]History, len(snapshots))
	for i, s := range snapshots {
		about[i].Of = s
	}
	err := log.Entries(ctx, 0, func(index int64, e custody.Entry) bool {
		for i := range about {
			h := &about[i]
			if !e.Concerns(h.Of.SHA256, h.Of.Run) {
				continue
			}
			if handedOver(e, reference) {
				h.Entries = append(h.Entries, Logged{e, index})
			}
			if h.Object == "" && e.SHA256 == h.Of.SHA256 {
				h.Object = e.Object
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, h := range about {
		if h.Object == "" {
			return nil, fmt.Errorf("knows nothing of the snapshot with the SHA-256 %s", h.Of.SHA256)
		}
	}
	return about, nil
}

// handedOver tells whether an entry is for whoever is handed over a case.
func handedOver(e custody.Entry, reference string) bool {
	switch e.Event {
	case custody.Read, custody.Copied:
		return false
	}
	return e.Case == "" || e.Case == reference
}

// Prove proves every entry of histories, each in a file: what [Options.Custody] gives.
func Prove(ctx context.Context, log *custody.Log, about []History) (map[Subject][]File, error) {
	proofs := map[Subject][]File{}
	for _, h := range about {
		for i, e := range h.Entries {
			p, err := log.ProveIndex(ctx, e.Index)
			if err != nil {
				return nil, err
			}
			text, err := p.MarshalText()
			if err != nil {
				return nil, err
			}
			proofs[h.Of] = append(proofs[h.Of], File{Name: fmt.Sprintf("%03d-%s.proof", i+1, strings.ToLower(string(e.Event))), Content: text})
		}
	}
	return proofs, nil
}
