package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// maxStatement bounds a closing statement in bytes.
const maxStatement = 256 << 20

// Statement is what a run's closing statement, run.json, says of what is to be kept.
type Statement struct {
	// Period is that of the order; its Length is 0 when the order is older than such
	// periods.
	Period Period
	// SealedAt is when the run was sealed, as the statement itself says.
	SealedAt time.Time
	// Objects are those that the statement names: chunks, leads and visits.
	Objects []Stated
}

// Stated is an object that a closing statement names.
type Stated struct {
	Name   string
	Size   int64
	SHA256 string
	Pages  int
}

// Said is the period by the words of the statement alone. What the store says of its objects'
// times changes when a bucket is restored from a copy, also for what was done long before.
func (s *Statement) Said() Period { return Period{Begins: s.SealedAt, Length: s.Period.Length} }

// ReadStatement reads the closing statement of the run whose archive lies below prefix. The
// period begins when it was sealed, by the later of two clocks: the workers' and the store's.
func ReadStatement(ctx context.Context, store Store, prefix string) (Statement, error) {
	var s Statement
	key, err := blob.NewKey(prefix + "run.json")
	if err != nil {
		return s, err
	}
	data, info, err := getInfo(ctx, store, key, maxStatement)
	if err != nil {
		return s, err
	}
	type object struct {
		Key    string `json:"key"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
		Pages  int    `json:"pages"`
	}
	var said struct {
		Format    string    `json:"format"`
		SealedAt  time.Time `json:"sealedAt"`
		Retention struct {
			ScreeningSeconds int64 `json:"screeningSeconds"`
		} `json:"retention"`
		Chunks []object `json:"chunks"`
		Leads  struct {
			Objects []object `json:"objects"`
		} `json:"leads"`
		Visits struct {
			Directory object   `json:"directory"`
			Objects   []object `json:"objects"`
		} `json:"visits"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return s, fmt.Errorf("%w: %s is no closing statement: %w", ErrBroken, key, err)
	}
	if said.Format != "crawlfleet-run" {
		return s, fmt.Errorf("%w: %s is no closing statement, its format is %q", ErrBroken, key, said.Format)
	}
	s.SealedAt = said.SealedAt.UTC()
	s.Period = Period{Begins: s.SealedAt, Length: time.Duration(said.Retention.ScreeningSeconds) * time.Second}
	if info.Modified.After(s.Period.Begins) {
		s.Period.Begins = info.Modified.UTC()
	}
	for _, list := range [][]object{said.Chunks, said.Leads.Objects, said.Visits.Objects, {said.Visits.Directory}} {
		for _, o := range list {
			if name, ok := strings.CutPrefix(o.Key, prefix); ok && o.Key != "" {
				s.Objects = append(s.Objects, Stated{Name: name, Size: o.Size, SHA256: o.SHA256, Pages: o.Pages})
			}
		}
	}
	return s, nil
}
