package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
)

// dumped are the queries whose answers are all that a catalog says. Numbers of chunks are not
// among them: they tell in which order chunks came.
var dumped = []string{
	`SELECT 'chunk', ` + chunkColumns + ` FROM chunks ORDER BY key`,
	`SELECT 'capture', slot, hex(id), key, page, url, final_url, time, title, status, mime, language, kind, partial, reason, digest, text_digest, picture
		FROM captures JOIN chunks ON number = chunk ORDER BY slot`,
	`SELECT 'text', slot, hex(text), identifiers FROM texts ORDER BY slot`,
	`SELECT 'host', host, key FROM hosts JOIN chunks ON number = chunk ORDER BY host, key`,
	`SELECT 'count', list, namespace, value, captures FROM counts ORDER BY list, namespace, value`,
	`SELECT 'term', term, doc, col, offset FROM vocabulary ORDER BY term, doc, col, offset`,
}

// Dump writes all that the catalog holds, the index too, one line each in an order of its own:
// two catalogs of the same chunks write the same, however they came to be. It is for tests: the
// dump is several times as large as the catalog.
func (c *Catalog) Dump(ctx context.Context, w io.Writer) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	err := reading(ctx, c.write, func(tx *sql.Tx) error { // readers may not make the table
		if _, err := tx.ExecContext(ctx, `CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab (main, terms, instance)`); err != nil {
			return err
		}
		for _, query := range dumped {
			if err := dump(ctx, tx, w, query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("dump catalog: %w", err)
	}
	return nil
}

func dump(ctx context.Context, tx *sql.Tx, w io.Writer, query string) error {
	return each(ctx, tx, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		fields := make([]string, len(values))
		for i, v := range values {
			fields[i] = fmt.Sprintf("%q", fmt.Sprint(v))
		}
		_, err = fmt.Fprintln(w, strings.Join(fields, " "))
		return err
	}, query)
}
