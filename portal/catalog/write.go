package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// writer makes a change within a transaction.
type writer struct {
	*Catalog
	ctx        context.Context
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	// counted is by how much counts change.
	counted map[count]int
}

// count names one of the numbers that filters show.
type count struct{ list, namespace, value string }

func (k count) compare(o count) int {
	return strings.Compare(k.list+"\x00"+k.namespace+"\x00"+k.value, o.list+"\x00"+o.namespace+"\x00"+o.value)
}

// record is all that is stored of a capture.
type record struct {
	place
	chunk       int64
	run         Run
	page        snapshot.Page
	text        string
	identifiers []Meaning
}

func (w *writer) statement(query string) (*sql.Stmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	s, err := w.tx.PrepareContext(w.ctx, query) // closed with the transaction
	if err == nil {
		w.statements[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	s, err := w.statement(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(w.ctx, args...)
}

// row reads one row. That its statement is faulty, its Scan says.
func (w *writer) row(query string, args ...any) *sql.Row {
	s, err := w.statement(query)
	if err != nil {
		return w.tx.QueryRowContext(w.ctx, query, args...)
	}
	return s.QueryRowContext(w.ctx, args...)
}

// chunk is the number of a chunk, 0 when it is not there, and its problem.
func (w *writer) chunk(key blob.Key) (number int64, problem string, err error) {
	err = w.row(`SELECT number, problem FROM chunks WHERE key = ?`, string(key)).Scan(&number, &problem)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	return number, problem, err
}

// captures are the IDs of the captures of a chunk, in the order of time.
func (w *writer) captures(chunk int64) ([]string, error) {
	return texts(w.ctx, w.tx, `SELECT id FROM captures WHERE chunk = ? ORDER BY slot`, chunk)
}

// put puts a capture where it belongs, and moves on those that come after it.
func (w *writer) put(r record) error {
	for s := r.home; ; s++ {
		there, taken, err := w.at(s)
		if err != nil {
			return err
		}
		if !taken {
			return w.write(s, r)
		}
		if there.compare(r.place) < 0 {
			continue
		}
		moved, err := w.take(s)
		if err != nil {
			return err
		}
		if err := w.write(s, r); err != nil {
			return err
		}
		r = moved
	}
}

// close moves captures back towards their homes over a slot that became free.
func (w *writer) close(free slot) error {
	for {
		there, taken, err := w.at(free + 1)
		if err != nil || !taken || there.home > free {
			return err
		}
		moved, err := w.take(free + 1)
		if err != nil {
			return err
		}
		if err := w.write(free, moved); err != nil {
			return err
		}
		free++
	}
}

// at tells what lies at a slot.
func (w *writer) at(s slot) (place, bool, error) {
	var id []byte
	var micro int64
	err := w.row(`SELECT id, time FROM captures WHERE slot = ?`, int64(s)).Scan(&id, &micro)
	if errors.Is(err, sql.ErrNoRows) {
		return place{}, false, nil
	}
	if err != nil {
		return place{}, false, err
	}
	return place{home: home(id, time.UnixMicro(micro)), id: string(id)}, true, nil
}

// write writes a capture to a free slot.
func (w *writer) write(s slot, r record) error {
	p := r.page
	_, err := w.exec(`INSERT INTO captures (slot, `+captureColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(s), []byte(r.id), r.chunk, p.ID, p.URL, p.FinalURL, p.Time.UnixMicro(), p.Title, p.Status, p.MIME, p.Language,
		string(p.Kind), p.Partial, p.Reason, p.Digest, p.TextDigest, p.Picture)
	if err != nil {
		return err
	}
	identifiers, err := json.Marshal(r.identifiers)
	if err != nil {
		return err
	}
	if _, err := w.exec(`INSERT INTO texts (slot, text, identifiers) VALUES (?, ?, ?)`, int64(s), w.zip.EncodeAll([]byte(r.text), nil), string(identifiers)); err != nil {
		return err
	}
	d := newDocument(r.run, p, r.text, r.identifiers)
	_, err = w.exec(`INSERT INTO terms (rowid, text, title, url, facets) VALUES (?, ?, ?, ?, ?)`, int64(s), string(d.text), string(d.title), string(d.url), string(d.facets))
	return err
}

// take reads the capture at a slot and removes it.
func (w *writer) take(s slot) (record, error) {
	capture, chunk, err := scanCapture(w.row(`SELECT `+captureSelect+` FROM captures JOIN chunks ON number = chunk WHERE slot = ?`, int64(s)))
	if err != nil {
		return record{}, err
	}
	r := record{chunk: chunk, run: capture.Run, page: capture.Page}
	var zipped []byte
	var identifiers string
	if err := w.row(`SELECT text, identifiers FROM texts WHERE slot = ?`, int64(s)).Scan(&zipped, &identifiers); err != nil {
		return record{}, err
	}
	if r.text, err = w.text(zipped); err != nil {
		return record{}, err
	}
	if err := json.Unmarshal([]byte(identifiers), &r.identifiers); err != nil {
		return record{}, err
	}
	if r.place, _, err = w.at(s); err != nil {
		return record{}, err
	}
	d := newDocument(r.run, r.page, r.text, r.identifiers)
	_, err = w.exec(`INSERT INTO terms (terms, rowid, text, title, url, facets) VALUES ('delete', ?, ?, ?, ?, ?)`, int64(s), string(d.text), string(d.title), string(d.url), string(d.facets))
	if err != nil {
		return record{}, fmt.Errorf("remove from the index: %w", err)
	}
	if _, err := w.exec(`DELETE FROM texts WHERE slot = ?`, int64(s)); err != nil {
		return record{}, err
	}
	_, err = w.exec(`DELETE FROM captures WHERE slot = ?`, int64(s))
	return r, err
}

// count notes that there is a capture more or less.
func (w *writer) count(r record, by int) {
	ns := r.run.Namespace
	w.counted[count{listNamespaces, ns, ""}] += by
	w.counted[count{listJobs, ns, r.run.Job}] += by
	if h := hostname(r.page.URL); h != "" {
		w.counted[count{listHosts, ns, h}] += by
	}
	if r.page.Language != "" {
		w.counted[count{listLanguages, ns, r.page.Language}] += by
	}
}

func (w *writer) writeCounts() error {
	for _, k := range slices.SortedFunc(maps.Keys(w.counted), count.compare) {
		_, err := w.exec(`INSERT INTO counts (list, namespace, value, captures) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET captures = captures + excluded.captures`, k.list, k.namespace, k.value, w.counted[k])
		if err != nil {
			return err
		}
		if w.counted[k] >= 0 {
			continue
		}
		if _, err := w.exec(`DELETE FROM counts WHERE list = ? AND namespace = ? AND value = ? AND captures = 0`, k.list, k.namespace, k.value); err != nil {
			return err
		}
	}
	return nil
}
