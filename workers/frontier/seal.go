package frontier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/termination"
	"crawlfleet.dev/crawlfleet/internal/visits"
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
	Chunks []frontier.Chunk `json:"chunks"`
	// Believed counts the chunks of which the store computes no SHA-256: their sizes were
	// compared, and the sum that was sent along. Who must be sure has to read them.
	Believed int `json:"believed,omitempty"`
	// Leads are the mailto: and tel: links of the archived pages; nil when there is none.
	Leads *LeadsStatement `json:"leads,omitempty"`
	// Visits are the index of the archived pages; nil when there is none. CompareWith is
	// the earlier run that they are compared with.
	Visits        *VisitsStatement        `json:"visits,omitempty"`
	CompareWith   *workflows.EarlierRun   `json:"compareWith,omitempty"`
	Authorization workflows.Authorization `json:"authorization"`
	// Retention is how long the captures are kept that no case needs; nil in runs of before
	// there was a period.
	Retention *RetentionStatement `json:"retention,omitempty"`
	// Profile names the stored browser state that pages were visited with at last.
	Profile *workflows.ProfileRef `json:"profile,omitempty"`
	// Manifest is the last manifest of the first shard, and the SHA-256 of it; Shards are
	// those of all when there are several.
	Manifest     int64            `json:"manifest"`
	ManifestHash string           `json:"manifestHash"`
	Shards       []ShardStatement `json:"shards,omitempty"`

	// Amendments are the changes of the order while the run lasted.
	Amendments []workflows.Amendment `json:"amendments,omitempty"`

	StartedAt time.Time `json:"startedAt"`
	SealedAt  time.Time `json:"sealedAt"`
}

// RetentionStatement is what the order says of how long captures are kept.
type RetentionStatement struct {
	ScreeningSeconds int64 `json:"screeningSeconds"`
}

func retentionOf(r workflows.Retention) *RetentionStatement {
	if r.Screening <= 0 {
		return nil
	}
	return &RetentionStatement{ScreeningSeconds: int64(r.Screening / time.Second)}
}

// beat sends heartbeats until the function that it returns is called.
func beat(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		every := time.NewTicker(workflows.HeartbeatEvery)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				activity.RecordHeartbeat(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		beating.Wait()
	}
}

// ShardStatement is what a closing statement says of one of several shards.
type ShardStatement struct {
	Shard        int              `json:"shard"`
	Counts       workflows.Counts `json:"counts"`
	Manifest     int64            `json:"manifest"`
	ManifestHash string           `json:"manifestHash"`
}

// Seal recounts a run from what is stored and writes its closing statement, once.
func (p *Planner) Seal(ctx context.Context, in workflows.SealInput) (workflows.SealOutput, error) {
	defer beat(ctx)() // counting all rows of a shard may take longer than a heartbeat may
	out, err := p.seal(ctx, in)
	return out, storeError(err)
}

func (p *Planner) seal(ctx context.Context, in workflows.SealInput) (workflows.SealOutput, error) {
	frontierStore, archiveStore := p.Store.Bucket(p.FrontierBucket), p.Store.Bucket(in.Archive.Bucket)
	key, err := blob.NewKey(in.Archive.Prefix + "run.json")
	if err != nil {
		return workflows.SealOutput{}, err
	}
	st := Statement{
		Format: "crawlfleet-run", Version: 1, Run: in.Job.Run, Namespace: in.Job.Namespace, Name: in.Job.Name, Generation: in.Job.Generation,
		Verdict: in.Verdict, Reason: in.Reason,
		Authorization: in.Job.Spec.Authorization, Profile: in.Job.Profile, CompareWith: in.Job.Spec.CompareWith, Amendments: in.Amendments,
		Retention: retentionOf(in.Job.Spec.Retention), StartedAt: in.Job.StartedAt, SealedAt: p.Now().UTC(),
	}
	last, err := p.recountShards(ctx, frontierStore, in, &st)
	if err != nil {
		return workflows.SealOutput{}, err
	}
	problems, err := recountChunks(ctx, archiveStore, &st)
	if err != nil {
		return workflows.SealOutput{}, err
	}
	st.Problems = append(st.Problems, problems...)
	if err := p.gather(ctx, frontierStore, archiveStore, in, &st); err != nil {
		return workflows.SealOutput{}, err
	}
	if len(st.Problems) > 0 && !in.Lost { // the run says the same of itself
		st.Verdict, st.Reason = workflows.VerdictFailed, workflows.ReasonBooksUnbalanced
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return workflows.SealOutput{}, fmt.Errorf("encode the closing statement: %w", err)
	}
	data = append(data, '\n')
	err = put(ctx, archiveStore, string(key), data)
	if errors.Is(err, blob.ErrExists) { // another attempt was first: its statement holds
		if data, err = get(ctx, archiveStore, string(key), maxStatement); err != nil {
			return workflows.SealOutput{}, err
		}
		st = Statement{}
		if err := json.Unmarshal(data, &st); err != nil {
			return workflows.SealOutput{}, fmt.Errorf("decode %q: %w", key, err)
		}
	} else if err != nil {
		return workflows.SealOutput{}, err
	}
	if err := handBack(ctx, frontierStore, in.Job, last); err != nil {
		return workflows.SealOutput{}, err
	}
	owed, err := p.vouch(ctx, in.Archive.Bucket, key, data, st)
	if err != nil {
		return workflows.SealOutput{}, err
	}
	out := workflows.SealOutput{Statement: string(key), Counts: st.Counts, Balanced: len(st.Problems) == 0, Owed: owed}
	if !out.Balanced {
		out.Message = fmt.Sprintf("the books do not balance (%s); see %s in the archive", st.Problems[0], key)
	}
	return out, nil
}

// recountShards recounts the frontier's rows, shard by shard, and compares what the shards
// sent each other with what they took in. It tells what other runs may have to wait for.
func (p *Planner) recountShards(ctx context.Context, store blob.Store, in workflows.SealInput, st *Statement) (last lastOfRun, err error) {
	standing := make([]termination.Standing, len(in.Seqs))
	for shard, seq := range in.Seqs {
		s, err := p.open(ctx, store, in.Job, shard, seq)
		if err != nil {
			return last, err
		}
		problems, err := recountRows(s.state)
		if err != nil {
			return last, err
		}
		counts := countsOf(s.state.Counts())
		if shard == 0 {
			st.Manifest, st.ManifestHash = seq, s.hash
		}
		if len(in.Seqs) > 1 {
			st.Shards = append(st.Shards, ShardStatement{Shard: shard, Counts: counts, Manifest: seq, ManifestHash: s.hash})
			for i := range problems {
				problems[i] = fmt.Sprintf("shard %d: %s", shard, problems[i])
			}
		}
		st.Counts, st.Chunks, st.Problems = st.Counts.Plus(counts), append(st.Chunks, s.state.Chunks()...), append(st.Problems, problems...)
		last.open, last.pauses = append(last.open, s.state.Open()...), append(last.pauses, s.state.Pauses(p.Now())...)
		standing[shard] = termination.Standing{Idle: true, Sent: s.state.Sent(), Applied: s.state.Applied()}
	}
	if !termination.Reached(standing) {
		st.Problems = append(st.Problems, "a shard sent another what that one has not taken in")
	}
	return last, nil
}

// recountRows compares the books of a shard with its rows.
func recountRows(s *frontier.State) (problems []string, err error) {
	if err := s.Recount(); errors.Is(err, frontier.ErrBooks) || errors.Is(err, frontier.ErrSegment) {
		problems = append(problems, err.Error())
	} else if err != nil { // the store has trouble, which passes
		return nil, err
	}
	if c := s.Counts(); !s.Idle() {
		problems = append(problems, fmt.Sprintf("%d pages have no outcome", c.Queued+c.Delayed+c.Leased))
	}
	return problems, nil
}

// recountChunks asks the store for every chunk and compares it with the books. It notes how
// many are believed.
func recountChunks(ctx context.Context, store blob.Store, st *Statement) (problems []string, err error) {
	found, err := lookUp(ctx, store, st.Chunks)
	if err != nil {
		return nil, err
	}
	st.Believed = believed(found)
	var pages, bytes, missing int64
	counted := true // also in all chunks what is missing of pages
	var compared visits.Counts
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
		if counted = counted && c.Incomplete != nil; counted {
			missing += int64(*c.Incomplete)
		}
		if c.Compared != nil {
			compared = compared.Plus(*c.Compared)
		}
	}
	if pages != st.Counts.Archived {
		problems = append(problems, fmt.Sprintf("%d pages are archived, the stored chunks hold %d", st.Counts.Archived, pages))
	}
	if counted && missing != st.Counts.Incomplete {
		problems = append(problems, fmt.Sprintf("%d archived pages are incomplete, the stored chunks hold %d", st.Counts.Incomplete, missing))
	}
	if counted && workflows.Compared(compared) != st.Counts.Compared {
		problems = append(problems, fmt.Sprintf("compared with an earlier run are %+v, by the stored chunks %+v", st.Counts.Compared, compared))
	}
	if bytes != st.Counts.Bytes {
		problems = append(problems, fmt.Sprintf("%d bytes are booked, the store holds %d", st.Counts.Bytes, bytes))
	}
	return problems, nil
}

// believed counts the objects of which the store computes no SHA-256.
func believed(found []*blob.Info) (n int) {
	for _, info := range found {
		if info != nil && !info.Computed {
			n++
		}
	}
	return n
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
