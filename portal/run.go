package portal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Run is one run of a CrawlJob as the archive knows it.
type Run struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// Prefix is the folder of the run in the bucket, with a slash at the end.
	Prefix string `json:"prefix"`
	// Sealed tells whether the run's closing statement is there.
	Sealed bool `json:"sealed"`
	// Newest is when the newest chunk was written.
	Newest time.Time `json:"newest"`
	// Bytes are stored bytes of all chunks.
	Bytes  int64   `json:"bytes"`
	Chunks []Chunk `json:"chunks"`

	// Statement is the closing statement; nil for a run that is not sealed. It and
	// what follows are what [Runs.Run] and [Runs.Detail] fill in.
	Statement *Statement `json:"statement,omitempty"`
	// Problems are what is wrong with the archive of this run, for people.
	Problems []string `json:"problems,omitempty"`
}

// newRun is a run as it was listed.
func newRun(l follow.Run) Run {
	r := Run{Namespace: l.Namespace, Name: l.Job, UID: l.UID, Prefix: l.Folder, Sealed: l.Sealed}
	for _, o := range l.Chunks {
		r.Chunks = append(r.Chunks, Chunk{Key: o.Key, Size: o.Size, Time: o.Modified})
		r.Bytes += o.Size
		if o.Modified.After(r.Newest) {
			r.Newest = o.Modified
		}
	}
	return r
}

// statement is the key of its closing statement.
func (r *Run) statement() blob.Key { return catalog.Place{Folder: r.Prefix}.Statement() }

// Chunk is one stored WACZ file.
type Chunk struct {
	Key  blob.Key  `json:"key"`
	Size int64     `json:"size"`
	Time time.Time `json:"time"`
	// SHA256 in hex is what the closing statement says of it.
	SHA256 string `json:"sha256,omitempty"`
	// Uncommitted marks a file that the closing statement does not name: a worker
	// stored it and ended before it could say so, and its pages were visited again. Its
	// pages are not counted.
	Uncommitted bool `json:"uncommitted,omitempty"`
}

// File is the chunk's name without its folder.
func (c Chunk) File() string { return string(c.Key[strings.LastIndexByte(string(c.Key), '/')+1:]) }

// Statement is what the portal shows of run.json, which the fleet writes when a run has
// ended and its books were recounted.
type Statement struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Counts  struct {
		Discovered int            `json:"discovered"`
		Archived   int            `json:"archived"`
		Failed     map[string]int `json:"failed,omitempty"`
		Skipped    map[string]int `json:"skipped,omitempty"`
	} `json:"counts"`
	Problems []string `json:"problems,omitempty"`
	Chunks   []struct {
		Key    string `json:"key"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
		Pages  int    `json:"pages"`
	} `json:"chunks"`
	Authorization struct {
		Reference   string `json:"reference"`
		Purpose     string `json:"purpose"`
		RequestedBy string `json:"requestedBy"`
	} `json:"authorization"`
	StartedAt time.Time `json:"startedAt"`
	SealedAt  time.Time `json:"sealedAt"`
}

// parseStatement reads run.json.
func parseStatement(b []byte) (*Statement, error) {
	var s struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Statement
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("run.json: %w", err)
	}
	if s.Format != "crawlfleet-run" || s.Version != 1 {
		return nil, fmt.Errorf("run.json: format %q version %d is not known to this portal: upgrade it", s.Format, s.Version)
	}
	return &s.Statement, nil
}

// State is one word for how it stands: the verdict, or Running.
func (r *Run) State() string {
	switch {
	case r.Statement != nil:
		return visible(r.Statement.Verdict)
	case r.Sealed:
		return "Ended"
	}
	return "Running"
}

// settle compares what is stored with what the closing statement says.
func (r *Run) settle() {
	if r.Statement == nil {
		return
	}
	r.Problems = append(r.Problems, r.Statement.Problems...)
	for i := range r.Chunks {
		r.Chunks[i].Uncommitted = true
	}
	for _, said := range r.Statement.Chunks {
		i := slices.IndexFunc(r.Chunks, func(c Chunk) bool { return string(c.Key) == said.Key })
		if i < 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("%s is missing: the closing statement names it with %s", said.Key, words.English.Count(said.Pages, "page")))
			continue
		}
		r.Chunks[i].Uncommitted = false
		r.Chunks[i].SHA256 = said.SHA256
		if r.Chunks[i].Size != said.Size {
			r.Problems = append(r.Problems, fmt.Sprintf("%s has %d bytes, the closing statement says %d", said.Key, r.Chunks[i].Size, said.Size))
		}
	}
}
