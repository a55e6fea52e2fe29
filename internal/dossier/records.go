package dossier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// The kinds of records that are derived from a page.
const (
	kindView  = "urn:view:"
	kindText  = "urn:text:"
	kindLinks = "urn:links:"
)

// taken is what the records of a file are read for.
type taken struct {
	answers     map[string]Resource
	bodies      map[string][]byte          // of our own records, by ID
	connections map[string]*connectioninfo // those that were asked for, by ID
	held        int64                      // bytes that were read whole
}

func newTaken() *taken {
	return &taken{answers: map[string]Resource{}, bodies: map[string][]byte{}, connections: map[string]*connectioninfo{}}
}

// read reads every record of a file once. What was derived from a page it gives to a function.
func (t *taken) read(ctx context.Context, z *wacz.Reader, derived func(kind, page string, rec *warc.Record) error) error {
	return z.EachRecord(ctx, func(_ string, _ *warc.Reader, rec *warc.Record) error { return t.record(rec, derived) })
}

// record takes what is needed of a record.
func (t *taken) record(rec *warc.Record, derived func(kind, page string, rec *warc.Record) error) error {
	switch {
	case rec.Type == warc.Response || rec.Type == warc.Revisit:
		r := Resource{MIME: warc.HTTPField(rec.Head, "Content-Type"), SHA256: string(rec.PayloadDigest), Record: rec.ID}
		if rec.Body != nil {
			r.Size = rec.Body.Size()
		}
		t.answers[rec.ID] = r
		return nil
	case rec.Type == warc.Metadata && (strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") || strings.HasPrefix(rec.TargetURI, "urn:connection:")):
		b, err := t.body(rec)
		t.bodies[rec.ID] = b
		return err
	case rec.Type == warc.Conversion:
		page, _ := rec.Get(warc.FieldPageID)
		for _, kind := range []string{kindView, kindText, kindLinks} {
			if strings.HasPrefix(rec.TargetURI, kind) {
				return derived(kind, page, rec)
			}
		}
	}
	return nil
}

// body reads the body of a record, as long as all that are read do not take too much.
func (t *taken) body(rec *warc.Record) ([]byte, error) {
	if rec.Body == nil {
		return nil, nil
	}
	if t.held += rec.Body.Size(); t.held > maxDerived {
		return nil, fmt.Errorf("with it more than %d bytes would be taken out of the file", maxDerived)
	}
	f, err := rec.Body.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return io.ReadAll(f)
}

// connection reads the record of a connection, nil when there is none. Many pages may have come
// over one.
func (t *taken) connection(id string) (*connectioninfo, error) {
	raw := t.bodies[id]
	if c, ok := t.connections[id]; ok || raw == nil {
		return c, nil
	}
	c := new(connectioninfo)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, err
	}
	t.connections[id] = c
	return c, nil
}
