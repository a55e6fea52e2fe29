package portal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
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
	// what follows are what [Catalog.Run] and [Catalog.Detail] fill in.
	Statement *Statement `json:"statement,omitempty"`
	// Problems are what is wrong with the archive of this run, for people.
	Problems []string `json:"problems,omitempty"`
	// Pages are the pages of all chunks that count, in order of time.
	Pages []Page `json:"pages,omitempty"`
	// Partial are pages that failed while something of them was captured already.
	Partial []Page `json:"partial,omitempty"`
}

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

// Page is one archived page.
type Page struct {
	ID     string    `json:"id"`
	URL    string    `json:"url"`
	Title  string    `json:"title"`
	Time   time.Time `json:"ts"`
	Status int       `json:"status,omitempty"`
	// Chunk is the file that holds it.
	Chunk blob.Key `json:"chunk"`
}

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

// PageCount is the number of pages that count.
func (r *Run) PageCount() int {
	if r.Pages == nil && r.Statement != nil {
		return r.Statement.Counts.Archived
	}
	return len(r.Pages)
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
			r.Problems = append(r.Problems, fmt.Sprintf("%s is missing: the closing statement names it with %s", said.Key, count(said.Pages, "page")))
			continue
		}
		r.Chunks[i].Uncommitted = false
		r.Chunks[i].SHA256 = said.SHA256
		if r.Chunks[i].Size != said.Size {
			r.Problems = append(r.Problems, fmt.Sprintf("%s has %d bytes, the closing statement says %d", said.Key, r.Chunks[i].Size, said.Size))
		}
	}
}

// find returns the page of an address that was captured at a time (14 digits), or the last one
// of it when no time is given.
func (r *Run) find(address, ts string) (Page, error) {
	for _, list := range [][]Page{r.Pages, r.Partial} {
		for _, p := range slices.Backward(list) {
			if p.URL == address && (ts == "" || p.Time.UTC().Format(replayTime) == ts) {
				return p, nil
			}
		}
	}
	return Page{}, fmt.Errorf("%s/%s %s: %w", r.Namespace, r.Name, r.UID, ErrNoPage)
}
