package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// PagesOf counts the captures of chunks. A chunk that the catalog does not have is not among
// them. It looks at no namespace: which chunks a person may hear of is for the caller to check.
func (c *Catalog) PagesOf(ctx context.Context, chunks []blob.Key) (map[blob.Key]int, error) {
	list, err := json.Marshal(chunks)
	if err != nil {
		return nil, err
	}
	counts := map[blob.Key]int{}
	err = each(ctx, c.read, func(rows *sql.Rows) error {
		var key blob.Key
		var n int
		err := rows.Scan(&key, &n)
		counts[key] = n
		return err
	}, `SELECT key, (SELECT count(*) FROM captures WHERE chunk = number) FROM chunks WHERE key IN (SELECT value FROM json_each(?))`, string(list))
	if err != nil {
		return nil, fmt.Errorf("count the captures of chunks: %w", c.judged(err))
	}
	return counts, nil
}
