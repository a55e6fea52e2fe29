package frontier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
)

// Lead is a line of a list of leads: an address or a number that a page links to, which is
// not visited but may be what somebody looks for.
type Lead struct {
	// Lead is the link as the page has it, such as tel:+15550100.
	Lead string `json:"lead"`
	// Page is the address at which the page was in the end, At when its load ended, Chunk
	// the key of the file in the archive that holds it.
	Page  string    `json:"page"`
	At    time.Time `json:"at"`
	Chunk string    `json:"chunk"`
}

// LeadsStatement is what a closing statement says of leads.
type LeadsStatement struct {
	// Count is how many lines there are in all: each lead once for each page that has it.
	Count int64 `json:"count"`
	// Objects are the lists, in their order: lines of JSON, packed with Zstandard.
	Objects []LeadsObject `json:"objects"`
}

// LeadsObject is a stored list of leads.
type LeadsObject struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Leads  int64  `json:"leads"`
}

// The bounds of a list of leads in bytes.
const (
	// leadsPart is how many bytes of lines an object has at most, unpacked, but for the
	// last line.
	leadsPart = 16 << 20
	// maxLeads bounds an object as it is stored.
	maxLeads = 64 << 20
)

// leadsWriter writes lines into objects of a bounded size. What it writes follows from the
// leads and their order alone.
type leadsWriter struct {
	store  blob.Store
	prefix string
	part   int

	lines   bytes.Buffer
	count   int64
	written LeadsStatement
}

// add writes the leads of the archived pages of a result.
func (w *leadsWriter) add(ctx context.Context, r *frontier.Result) error {
	for _, o := range r.Outcomes {
		if o.Status != frontier.Archived {
			continue
		}
		seen := make(map[string]bool, len(o.Leads))
		for _, lead := range o.Leads {
			if seen[lead] {
				continue
			}
			seen[lead] = true
			if err := w.line(ctx, Lead{Lead: lead, Page: o.Final, At: o.Ended.UTC(), Chunk: r.Chunk.Key}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *leadsWriter) line(ctx context.Context, l Lead) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode a lead: %w", err)
	}
	w.lines.Write(append(line, '\n'))
	w.count++
	if w.lines.Len() < w.part {
		return nil
	}
	return w.flush(ctx)
}

// flush stores an object, unless another attempt did: then what that stored holds.
func (w *leadsWriter) flush(ctx context.Context) error {
	if w.count == 0 {
		return nil
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // EncodeAll leaves nothing to flush
	o := LeadsObject{Key: fmt.Sprintf("%sleads/%05d.jsonl.zst", w.prefix, len(w.written.Objects)+1), Leads: w.count}
	data := z.EncodeAll(w.lines.Bytes(), nil)
	err = put(ctx, w.store, o.Key, data)
	if errors.Is(err, blob.ErrExists) { // another program's packing of the same lines
		data, err = get(ctx, w.store, o.Key, maxLeads)
	}
	if err != nil {
		return fmt.Errorf("store leads: %w", err)
	}
	o.Size, o.SHA256 = int64(len(data)), frontier.Hash(data)
	w.written.Objects = append(w.written.Objects, o)
	w.written.Count += w.count
	w.lines.Reset()
	w.count = 0
	return nil
}

// finish stores what is left.
func (w *leadsWriter) finish(ctx context.Context) (*LeadsStatement, error) {
	if err := w.flush(ctx); err != nil || len(w.written.Objects) == 0 {
		return nil, err
	}
	return &w.written, nil
}
