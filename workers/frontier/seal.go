package frontier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxStatement bounds a closing statement in bytes.
const maxStatement = 256 << 20

// Statement is the closing statement of a run: run.json in the archive.
type Statement struct {
	Format  string `json:"format"`
	Version int    `json:"version"`

	Run        string `json:"run"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Generation int64  `json:"generation"`

	Verdict workflows.Verdict `json:"verdict"`
	Reason  workflows.Reason  `json:"reason"`
	// Counts are recounted from the frontier's rows and the stored chunks.
	Counts workflows.Counts `json:"counts"`
	// Problems say where the books do not balance; empty when they do.
	Problems []string `json:"problems,omitempty"`
	// Chunks are the stored files, each with what the store says of it.
	Chunks        []frontier.Chunk        `json:"chunks"`
	Authorization workflows.Authorization `json:"authorization"`
	// Profile names the stored browser state that pages were visited with at last.
	Profile *workflows.ProfileRef `json:"profile,omitempty"`
	// Manifest is the last manifest of the shard, and the SHA-256 of it.
	Manifest     int64     `json:"manifest"`
	ManifestHash string    `json:"manifestHash"`
	StartedAt    time.Time `json:"startedAt"`
	SealedAt     time.Time `json:"sealedAt"`
}

// Seal recounts a run from what is stored and writes its closing statement, once.
func (p *Planner) Seal(ctx context.Context, in workflows.SealInput) (workflows.SealOutput, error) {
	out, err := p.seal(ctx, in)
	return out, storeError(err)
}

func (p *Planner) seal(ctx context.Context, in workflows.SealInput) (workflows.SealOutput, error) {
	frontierStore, archiveStore := p.Store.Bucket(p.FrontierBucket), p.Store.Bucket(in.Archive.Bucket)
	key, err := blob.NewKey(in.Archive.Prefix + "run.json")
	if err != nil {
		return workflows.SealOutput{}, err
	}
	if len(in.Seqs) != 1 {
		return workflows.SealOutput{}, fmt.Errorf("seal: %d shards, this program knows 1: upgrade the workers", len(in.Seqs))
	}
	s, err := p.open(ctx, frontierStore, in.Job, 0, in.Seqs[0])
	if err != nil {
		return workflows.SealOutput{}, err
	}
	st := Statement{
		Format: "crawlfleet-run", Version: 1, Run: in.Job.Run, Namespace: in.Job.Namespace, Name: in.Job.Name, Generation: in.Job.Generation,
		Verdict: in.Verdict, Reason: in.Reason, Counts: countsOf(s.state.Counts()), Chunks: s.state.Chunks(),
		Authorization: in.Job.Spec.Authorization, Profile: in.Job.Profile, Manifest: in.Seqs[0], ManifestHash: s.hash, StartedAt: in.Job.StartedAt, SealedAt: p.Now().UTC(),
	}
	if st.Problems, err = recount(ctx, archiveStore, s.state, st); err != nil {
		return workflows.SealOutput{}, err
	}
	if len(st.Problems) > 0 {
		st.Verdict, st.Reason = workflows.VerdictFailed, workflows.ReasonBooksUnbalanced
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return workflows.SealOutput{}, fmt.Errorf("encode the closing statement: %w", err)
	}
	err = put(ctx, archiveStore, string(key), append(data, '\n'))
	if errors.Is(err, blob.ErrExists) { // another attempt was first: its statement holds
		stored, err := get(ctx, archiveStore, string(key), maxStatement)
		if err != nil {
			return workflows.SealOutput{}, err
		}
		st = Statement{}
		if err := json.Unmarshal(stored, &st); err != nil {
			return workflows.SealOutput{}, fmt.Errorf("decode %q: %w", key, err)
		}
	} else if err != nil {
		return workflows.SealOutput{}, err
	}
	out := workflows.SealOutput{Statement: string(key), Counts: st.Counts, Balanced: len(st.Problems) == 0}
	if !out.Balanced {
		out.Message = fmt.Sprintf("the books do not balance (%s); see %s in the archive", st.Problems[0], key)
	}
	return out, nil
}

// recount asks the store for every chunk and compares it with the books.
func recount(ctx context.Context, store blob.Store, s *frontier.State, st Statement) (problems []string, err error) {
	if err := s.Recount(); errors.Is(err, frontier.ErrBooks) || errors.Is(err, frontier.ErrSegment) {
		problems = append(problems, err.Error())
	} else if err != nil { // the store has trouble, which passes
		return nil, err
	}
	if !s.Idle() {
		problems = append(problems, fmt.Sprintf("%d pages have no outcome", st.Counts.Queued+st.Counts.Delayed+st.Counts.Leased))
	}
	found, err := lookUp(ctx, store, st.Chunks)
	if err != nil {
		return nil, err
	}
	var pages, bytes int64
	for i, c := range st.Chunks {
		info := found[i]
		if info == nil {
			problems = append(problems, fmt.Sprintf("chunk %s is not in the store", c.Key))
			continue
		}
		if info.Size != c.Size || (info.SHA256 != "" && info.SHA256 != c.SHA256) {
			problems = append(problems, fmt.Sprintf("chunk %s is not what was stored", c.Key))
		}
		pages += int64(c.Pages)
		bytes += info.Size
	}
	if pages != st.Counts.Archived {
		problems = append(problems, fmt.Sprintf("%d pages are archived, the stored chunks hold %d", st.Counts.Archived, pages))
	}
	if bytes != st.Counts.Bytes {
		problems = append(problems, fmt.Sprintf("%d bytes are booked, the store holds %d", st.Counts.Bytes, bytes))
	}
	return problems, nil
}

// lookUps is how many chunks the store is asked for at once.
const lookUps = 32

// lookUp is what the store says of each chunk, nil where there is none.
func lookUp(ctx context.Context, store blob.Store, chunks []frontier.Chunk) ([]*blob.Info, error) {
	found := make([]*blob.Info, len(chunks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookUps)
	for i, c := range chunks {
		group.Go(func() error {
			activity.RecordHeartbeat(ctx)
			key, err := blob.NewKey(c.Key)
			if err != nil {
				return err
			}
			info, err := store.Head(ctx, key)
			if errors.Is(err, blob.ErrNotFound) {
				return nil
			}
			found[i] = &info
			return err
		})
	}
	return found, group.Wait()
}
