package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// ErrNotFound means that the catalog has no such capture.
var ErrNotFound = errors.New("no such capture in the catalog")

const (
	captureColumns = `id, chunk, page, url, final_url, time, title, status, mime, language, kind, partial, reason, digest, text_digest, picture`
	captureSelect  = captureColumns + `, key, namespace, job, run`
)

// scanCapture reads a row of captureSelect.
func scanCapture(row interface{ Scan(...any) error }) (Capture, int64, error) {
	var c Capture
	var id []byte
	var chunk, micro int64
	var key, kind string
	err := row.Scan(&id, &chunk, &c.Page.ID, &c.URL, &c.FinalURL, &micro, &c.Title, &c.Status, &c.MIME, &c.Language, &kind,
		&c.Partial, &c.Reason, &c.Digest, &c.TextDigest, &c.Picture, &key, &c.Namespace, &c.Job, &c.UID)
	c.ID, c.Time, c.Kind, c.Chunk = ID(hex.EncodeToString(id)), time.UnixMicro(micro).UTC(), snapshot.Kind(kind), blob.Key(key)
	return c, chunk, err
}

// Get returns a capture, or an error that is ErrNotFound. It does not look at who asks: whether
// they may see its namespace is for the caller to check.
func (c *Catalog) Get(ctx context.Context, id ID) (Capture, error) {
	raw, err := hex.DecodeString(string(id))
	if err != nil || len(raw) != 16 || strings.ToLower(string(id)) != string(id) {
		return Capture{}, fmt.Errorf("capture %.40q: %w", id, ErrNotFound)
	}
	capture, _, err := scanCapture(c.read.QueryRowContext(ctx, `SELECT `+captureSelect+` FROM captures JOIN chunks ON number = chunk WHERE id = ?`, raw))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Capture{}, fmt.Errorf("capture %q: %w", id, c.judged(err))
	}
	return capture, nil
}

// text unpacks a text.
func (c *Catalog) text(zipped []byte) (string, error) {
	text, err := c.unzip.DecodeAll(zipped, nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return string(text), nil
}

// Chunks lists all chunks in the order of their keys, also those with a Problem. It is for those
// who keep the catalog current, and looks at no namespace.
func (c *Catalog) Chunks(ctx context.Context) ([]Chunk, error) {
	return c.chunks(ctx, `SELECT `+chunkColumns+` FROM chunks ORDER BY key`)
}

// ChunksOfHost lists the chunks of namespaces that hold a record of a host, written as in a SURT
// ("org,example" or "org,example:8080"), in the order of their keys; with below also those that
// hold one of another port or of a host below it.
func (c *Catalog) ChunksOfHost(ctx context.Context, host string, below bool, namespaces []string) ([]Chunk, error) {
	where, args := `host = ?`, []any{host}
	if below { // "," and ":" are followed by "-" and ";"
		where = `(host = ? OR host > ? AND host < ? OR host > ? AND host < ?)`
		args = append(args, host+",", host+"-", host+":", host+";")
	}
	in, names := in(namespaces)
	return c.chunks(ctx, `SELECT `+chunkColumns+` FROM chunks WHERE number IN (SELECT chunk FROM hosts WHERE `+where+`) AND namespace IN `+in+` ORDER BY key`,
		append(args, names...)...)
}

const chunkColumns = `key, size, modified, namespace, job, run, problem`

func (c *Catalog) chunks(ctx context.Context, query string, args ...any) ([]Chunk, error) {
	var all []Chunk
	err := each(ctx, c.read, func(rows *sql.Rows) error {
		var ch Chunk
		var micro int64
		err := rows.Scan(&ch.Key, &ch.Size, &micro, &ch.Namespace, &ch.Job, &ch.UID, &ch.Problem)
		ch.Modified = time.UnixMicro(micro).UTC()
		all = append(all, ch)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list chunks: %w", c.judged(err))
	}
	return all, nil
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls do for each row that a query gives.
func each(ctx context.Context, q querier, do func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err tells what went wrong
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// texts reads a column of texts.
func texts(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	var all []string
	err := each(ctx, q, func(rows *sql.Rows) error {
		var s string
		err := rows.Scan(&s)
		all = append(all, s)
		return err
	}, query, args...)
	return all, err
}

// in writes a list of values for SQL.
func in(values []string) (string, []any) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return "(" + strings.TrimPrefix(strings.Repeat(",?", len(values)), ",") + ")", args
}

// The lists that filters show.
const (
	listNamespaces = "namespace"
	listJobs       = "job"
	listHosts      = "host"
	listLanguages  = "language"
)

// Count is how many captures there are of a value that can be chosen in a filter.
type Count struct {
	// Namespace is set for jobs, whose names mean something within one.
	Namespace string `json:"namespace,omitempty"`
	Value     string `json:"value"`
	Captures  int    `json:"captures"`
}

// Namespaces lists the namespaces with captures, all of them: which a person may see is for the
// caller to check.
func (c *Catalog) Namespaces(ctx context.Context) ([]Count, error) {
	return c.counts(ctx, `SELECT '', namespace, captures FROM counts WHERE list = ? ORDER BY namespace`, listNamespaces)
}

// Jobs lists the jobs of namespaces, in the order of their names.
func (c *Catalog) Jobs(ctx context.Context, namespaces []string) ([]Count, error) {
	in, names := in(namespaces)
	return c.counts(ctx, `SELECT namespace, value, captures FROM counts WHERE list = ? AND namespace IN `+in+` ORDER BY namespace, value`,
		append([]any{listJobs}, names...)...)
}

// Languages lists the languages of the pages of namespaces, that of most pages first.
func (c *Catalog) Languages(ctx context.Context, namespaces []string) ([]Count, error) {
	return c.most(ctx, listLanguages, namespaces, CountLimit)
}

// Hosts lists the hosts of the pages of namespaces, those with most captures first, up to a limit.
// No more than those are looked at in each of the namespaces: of a host that has few in one of
// them these may not be counted.
func (c *Catalog) Hosts(ctx context.Context, namespaces []string, limit int) ([]Count, error) {
	return c.most(ctx, listHosts, namespaces, limit)
}

// most reads as much as it needs of an index: there may be very many hosts.
func (c *Catalog) most(ctx context.Context, list string, namespaces []string, limit int) ([]Count, error) {
	sums := map[string]int{}
	for _, ns := range slices.Compact(slices.Sorted(slices.Values(namespaces))) {
		some, err := c.counts(ctx, `SELECT '', value, captures FROM counts WHERE list = ? AND namespace = ? ORDER BY captures DESC, value LIMIT ?`, list, ns, limit)
		if err != nil {
			return nil, err
		}
		for _, n := range some {
			sums[n.Value] += n.Captures
		}
	}
	var all []Count
	for value, n := range sums {
		all = append(all, Count{Value: value, Captures: n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Captures, a.Captures), cmp.Compare(a.Value, b.Value))
	})
	return all[:min(len(all), limit)], nil
}

func (c *Catalog) counts(ctx context.Context, query string, args ...any) ([]Count, error) {
	var all []Count
	err := each(ctx, c.read, func(rows *sql.Rows) error {
		var n Count
		err := rows.Scan(&n.Namespace, &n.Value, &n.Captures)
		all = append(all, n)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list what can be filtered by: %w", c.judged(err))
	}
	return all, nil
}
