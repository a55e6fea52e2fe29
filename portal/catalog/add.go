package catalog

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// Entry is a page of a chunk with what it is found by.
type Entry struct {
	snapshot.Page
	// Text is what the page showed.
	Text string
	// Identifiers are the telephone numbers, e-mail addresses and handles in it.
	Identifiers []Meaning
}

// maxText is the longest text in bytes that is indexed; what comes after it is not found.
const maxText = 8 << 20

// Add takes a chunk into the catalog: its pages, and the hosts, as in a SURT ("org,example" or
// "org,example:8080"), of all that it holds a record of. A chunk that could not be read is added
// with its Problem, and taken in again when it can. A chunk that is in the catalog without a
// problem stays as it is. Of entries with the same page ID the first counts.
func (c *Catalog) Add(ctx context.Context, chunk Chunk, entries []Entry, hosts []string) error {
	err := c.change(ctx, func(w *writer) error {
		known, problem, err := w.chunk(chunk.Key)
		if err != nil || known != 0 && problem == "" {
			return err
		}
		if known != 0 {
			if err := w.removeChunk(known); err != nil {
				return err
			}
		}
		return w.addChunk(chunk, entries, hosts)
	})
	if err != nil {
		return fmt.Errorf("add %q to the catalog: %w", chunk.Key, c.judged(err))
	}
	return nil
}

// Remove takes a chunk out with all that was in it, also from the disk: of what was erased
// nothing lingers in the file, its index or its journal. A chunk that is not there is none.
// After an error it is to be called again.
func (c *Catalog) Remove(ctx context.Context, key blob.Key) error {
	err := c.change(ctx, func(w *writer) error {
		number, _, err := w.chunk(key)
		if err != nil || number == 0 {
			return err
		}
		return w.removeChunk(number)
	})
	if err == nil {
		err = c.truncate(ctx)
	}
	if err != nil {
		return fmt.Errorf("remove %q from the catalog: %w", key, c.judged(err))
	}
	return nil
}

// truncate empties the journal.
func (c *Catalog) truncate(ctx context.Context) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	var busy, frames, moved int
	if err := c.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the journal is still being read")
	}
	return nil
}

// change makes a change in one transaction.
func (c *Catalog) change(ctx context.Context, do func(*writer) error) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	tx, err := c.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	w := &writer{Catalog: c, ctx: ctx, tx: tx, statements: map[string]*sql.Stmt{}, counted: map[count]int{}}
	if err := do(w); err != nil {
		return err
	}
	if err := w.writeCounts(); err != nil {
		return err
	}
	return tx.Commit()
}

// addChunk adds a chunk that is not there.
func (w *writer) addChunk(chunk Chunk, entries []Entry, hosts []string) error {
	result, err := w.exec(`INSERT INTO chunks (key, size, modified, namespace, job, run, problem) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(chunk.Key), chunk.Size, chunk.Modified.UnixMicro(), chunk.Namespace, chunk.Job, chunk.UID, chunk.Problem)
	if err != nil {
		return err
	}
	number, err := result.LastInsertId()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if _, err := w.exec(`INSERT OR IGNORE INTO hosts (host, chunk) VALUES (?, ?)`, h, number); err != nil {
			return err
		}
	}
	for _, r := range newRecords(chunk, number, entries) {
		if err := w.put(r); err != nil {
			return err
		}
		w.count(r, 1)
	}
	return nil
}

// newRecords are the captures of a chunk in the order of their homes: FTS5 writes faster when
// row numbers rise.
func newRecords(chunk Chunk, number int64, entries []Entry) []record {
	records := make([]record, 0, len(entries))
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		e.Chunk = chunk.Key
		id, err := hex.DecodeString(string(NewID(chunk.Key, e.ID)))
		if err != nil {
			panic(err) // NewID writes hex
		}
		records = append(records, record{
			place: place{home: home(id, e.Time), id: string(id)},
			chunk: number, run: chunk.Run, page: e.Page, text: cut(e.Text, maxText), identifiers: e.Identifiers,
		})
	}
	slices.SortFunc(records, func(a, b record) int { return a.compare(b.place) })
	return records
}

// removeChunk removes a chunk and its captures.
func (w *writer) removeChunk(number int64) error {
	ids, err := w.captures(number)
	if err != nil {
		return err
	}
	for _, id := range ids {
		var s slot
		if err := w.row(`SELECT slot FROM captures WHERE id = ?`, []byte(id)).Scan(&s); err != nil {
			return err
		}
		r, err := w.take(s)
		if err != nil {
			return err
		}
		w.count(r, -1)
		if err := w.close(s); err != nil {
			return err
		}
	}
	if _, err := w.exec(`DELETE FROM hosts WHERE chunk = ?`, number); err != nil {
		return err
	}
	_, err = w.exec(`DELETE FROM chunks WHERE number = ?`, number)
	return err
}
