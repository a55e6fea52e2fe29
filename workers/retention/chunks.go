package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workers/notary"
)

// chunks are those among names, each with its SHA-256. Of one that is gone, and that nothing names
// which knew it, nobody can say what it was: the decision alone speaks of it then.
func (r *run) chunks(ctx context.Context, names []string) (list []notary.Object, err error) {
	told := map[string]bool{}
	for _, name := range names {
		if retention.UnitOf(name) != name || told[name] {
			continue // what lies beside a chunk shares its fate, and one that is named twice is one
		}
		told[name] = true
		sum, err := r.sum(ctx, name)
		if err != nil {
			return nil, err
		}
		key, err := blob.NewKey(r.prefix + name)
		if err != nil || sum == "" {
			r.Logger.WarnContext(ctx, "a decision names a chunk of unknown content: the custody log has the decision alone", "run", r.in.Run, "chunk", name)
			continue
		}
		list = append(list, notary.Object{Key: key, SHA256: sum})
	}
	return list, nil
}

// sum is the SHA-256 of a chunk in hex: as the closing statement has it, else as an erasure does,
// else as the store does; empty when none of them knows.
func (r *run) sum(ctx context.Context, name string) (string, error) {
	if sum := sumOf(r.stated[name].SHA256); sum != "" {
		return sum, nil
	}
	for _, d := range r.log.Decisions {
		for _, e := range d.Erasing {
			if sum := sumOf(e.SHA256); e.Name == name && sum != "" {
				return sum, nil
			}
		}
	}
	if _, there := r.present[name]; !there {
		return "", nil
	}
	e := retention.Erasing{Name: name}
	err := r.fill(ctx, &e)
	return sumOf(e.SHA256), err
}

// sumOf is a SHA-256 in hex, empty for what is none: others could have written it.
func sumOf(s string) string {
	if sum, err := hex.DecodeString(s); err != nil || len(sum) != sha256.Size {
		return ""
	}
	return strings.ToLower(s)
}
