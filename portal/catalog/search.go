package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// countTime is how long is counted after what is shown has been found.
const countTime = 25 * time.Millisecond

// Search finds captures. An error that is an *InvalidError is the fault of the query.
func (c *Catalog) Search(ctx context.Context, q Query) (Result, error) {
	p, err := newPlan(q, c.Identifiers)
	if err != nil {
		return Result{}, fmt.Errorf("search: %w", err)
	}
	result := Result{Meant: p.meant}
	err = reading(ctx, c.read, func(tx *sql.Tx) error {
		found, err := find(ctx, tx, p, q.Namespaces, CountLimit)
		if err != nil {
			return err
		}
		result.Next, result.Count, result.More = found.next(p), found.count, found.more
		result.Hits, err = c.hits(ctx, tx, p, found.slots)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("search: %w", c.judged(err))
	}
	return result, nil
}

// Of lists the captures of one URL for a timeline: as Search, but it needs Query.URL, and reads
// no texts and counts nothing. It returns the cursor of the next page, empty on the last.
// Two writings of one address are the same: http and https, a "www." in front, the case of
// letters and the order of parameters make no difference, and an address counts for what was
// asked for and for where that led.
func (c *Catalog) Of(ctx context.Context, q Query) (captures []Capture, next string, err error) {
	if q.URL == "" {
		return nil, "", fmt.Errorf("captures of a URL: %w", invalid("url", "it is missing; say which address is meant"))
	}
	p, err := newPlan(q, c.Identifiers)
	if err != nil {
		return nil, "", fmt.Errorf("captures of a URL: %w", err)
	}
	err = reading(ctx, c.read, func(tx *sql.Tx) error {
		found, err := find(ctx, tx, p, q.Namespaces, 0)
		if err != nil {
			return err
		}
		next = found.next(p)
		return eachCapture(ctx, tx, found.slots, func(_ slot, capture Capture) error {
			captures = append(captures, capture)
			return nil
		})
	})
	if err != nil {
		return nil, "", fmt.Errorf("captures of a URL: %w", c.judged(err))
	}
	return captures, next, nil
}

// reading reads within one transaction, so that all is of one moment: what is allowed and what
// is found.
func reading(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return do(tx)
}

// found are the slots of a page of a result.
type found struct {
	slots []slot
	// further is set when there is a page after this one.
	further bool
	count   int
	more    bool
}

func (f found) next(p *plan) string {
	if !f.further {
		return ""
	}
	return cursor{at: f.slots[len(f.slots)-1], count: f.count, more: f.more}.String(p.fingerprint)
}

// find finds the slots of a page, and counts up to a limit when it is the first page.
func find(ctx context.Context, tx *sql.Tx, p *plan, allowed []string, countLimit int) (found, error) {
	all, err := texts(ctx, tx, `SELECT namespace FROM counts WHERE list = ?`, listNamespaces)
	if err != nil {
		return found{}, err
	}
	expression := p.match(allowed, all)
	if expression == "" || p.low >= p.high {
		return found{}, nil
	}
	if p.cursor != nil {
		f, err := p.page(ctx, tx, expression, 0)
		f.count, f.more = p.cursor.count, p.cursor.more
		return f, err
	}
	if p.hasPrefix() { // all words that begin so are brought together first: once is enough
		return p.page(ctx, tx, expression, countLimit)
	}
	f, err := p.page(ctx, tx, expression, 0)
	if err != nil || !f.further {
		return f, err
	}
	return f, p.countOn(ctx, tx, expression, &f, countLimit)
}

// matching finds slots in order. The statements around it answer in one step, because that is
// what the driver interrupts when a context ends.
const matching = `(SELECT rowid AS slot FROM terms WHERE terms MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid %s LIMIT ?)`

func (p *plan) matching() string {
	if p.descending {
		return fmt.Sprintf(matching, "DESC")
	}
	return fmt.Sprintf(matching, "ASC")
}

// page finds the slots of a page, whether there is another one, and how many there are up to a
// limit or the end of the page.
func (p *plan) page(ctx context.Context, tx *sql.Tx, expression string, countLimit int) (found, error) {
	var list []byte
	most := max(p.limit, countLimit)
	err := tx.QueryRowContext(ctx, `SELECT json_group_array(slot) FROM `+p.matching(), expression, int64(p.low), int64(p.high), most+1).Scan(&list)
	if err != nil {
		return found{}, err
	}
	var f found
	if err := json.Unmarshal(list, &f.slots); err != nil {
		return found{}, err
	}
	slices.Sort(f.slots)
	if p.descending {
		slices.Reverse(f.slots)
	}
	f.count, f.more = min(len(f.slots), most), len(f.slots) > most
	if len(f.slots) > p.limit {
		f.slots, f.further = f.slots[:p.limit], true
	}
	return f, nil
}

// countOn counts what comes after a page, for a while.
func (p *plan) countOn(ctx context.Context, tx *sql.Tx, expression string, f *found, limit int) error {
	f.more = true
	if f.count >= limit {
		f.count = limit
		return nil
	}
	low, high := p.low, f.slots[f.count-1]
	if !p.descending {
		low, high = f.slots[f.count-1]+1, p.high
	}
	bounded, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	var n int
	err := tx.QueryRowContext(bounded, `SELECT count(*) FROM `+p.matching(), expression, int64(low), int64(high), limit-f.count+1).Scan(&n)
	if err != nil {
		if bounded.Err() != nil && ctx.Err() == nil {
			return nil
		}
		return err
	}
	f.count, f.more = min(f.count+n, limit), f.count+n > limit
	return nil
}

// eachCapture reads the captures at slots, in this order.
func eachCapture(ctx context.Context, tx *sql.Tx, slots []slot, do func(slot, Capture) error) error {
	statement, err := tx.PrepareContext(ctx, `SELECT `+captureSelect+` FROM captures JOIN chunks ON number = chunk WHERE slot = ?`)
	if err != nil {
		return err
	}
	defer statement.Close() //nolint:errcheck // it only read
	for _, s := range slots {
		capture, _, err := scanCapture(statement.QueryRowContext(ctx, int64(s)))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("slot %d is in the index and not in the table: %w", s, err)
		}
		if err != nil {
			return err
		}
		if err := do(s, capture); err != nil {
			return err
		}
	}
	return nil
}

// hits reads captures with the text around what was looked for.
func (c *Catalog) hits(ctx context.Context, tx *sql.Tx, p *plan, slots []slot) ([]Hit, error) {
	texts, err := tx.PrepareContext(ctx, `SELECT text FROM texts WHERE slot = ?`)
	if err != nil {
		return nil, err
	}
	defer texts.Close() //nolint:errcheck // it only read
	shower := shower{terms: p.show, identified: p.identified, identifiers: c.Identifiers, left: maxShown}
	var hits []Hit
	err = eachCapture(ctx, tx, slots, func(s slot, capture Capture) error {
		var zipped []byte
		if err := texts.QueryRowContext(ctx, int64(s)).Scan(&zipped); err != nil {
			return err
		}
		text, err := c.text(zipped)
		if err != nil {
			return err
		}
		hits = append(hits, Hit{Capture: capture, Snippet: shower.snippet(text), Heading: shower.heading(capture.Title)})
		return nil
	})
	return hits, err
}
