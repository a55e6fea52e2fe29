package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	_ "modernc.org/sqlite" // the driver of database/sql

	"crawlfleet.dev/crawlfleet/internal/tempdir"
)

// version is that of how texts are cut into words and of what is read of a file of the archive.
// A file of another version or schema is made anew: raise it when either changes.
const version = 1

// application marks the file as a catalog (https://www.sqlite.org/pragma.html#pragma_application_id).
const application = 0x63666361

// readers is how many searches run at a time; the others wait for them.
const readers = 4

const schema = `
CREATE TABLE chunks (
	number    INTEGER PRIMARY KEY,
	key       TEXT NOT NULL UNIQUE,
	size      INTEGER NOT NULL,
	modified  INTEGER NOT NULL, -- microseconds since 1970
	namespace TEXT NOT NULL,
	job       TEXT NOT NULL,
	run       TEXT NOT NULL,
	problem   TEXT NOT NULL
);
CREATE TABLE captures (
	slot        INTEGER PRIMARY KEY, -- see slot.go
	id          BLOB NOT NULL UNIQUE,
	chunk       INTEGER NOT NULL,
	page        TEXT NOT NULL,
	url         TEXT NOT NULL,
	final_url   TEXT NOT NULL,
	time        INTEGER NOT NULL, -- microseconds since 1970
	title       TEXT NOT NULL,
	status      INTEGER NOT NULL,
	mime        TEXT NOT NULL,
	language    TEXT NOT NULL,
	kind        TEXT NOT NULL,
	partial     INTEGER NOT NULL,
	reason      TEXT NOT NULL,
	digest      TEXT NOT NULL,
	text_digest TEXT NOT NULL,
	picture     INTEGER NOT NULL
);
CREATE INDEX captures_chunk ON captures (chunk);
CREATE TABLE texts (
	slot        INTEGER PRIMARY KEY,
	text        BLOB NOT NULL, -- Zstandard
	identifiers TEXT NOT NULL  -- JSON
);
CREATE TABLE hosts (
	host  TEXT NOT NULL, -- of resources, as in a SURT
	chunk INTEGER NOT NULL,
	PRIMARY KEY (host, chunk)
) WITHOUT ROWID;
CREATE INDEX hosts_chunk ON hosts (chunk);
CREATE TABLE counts (
	list      TEXT NOT NULL,
	namespace TEXT NOT NULL,
	value     TEXT NOT NULL,
	captures  INTEGER NOT NULL,
	PRIMARY KEY (list, namespace, value)
) WITHOUT ROWID;
CREATE INDEX counts_most ON counts (list, namespace, captures DESC, value);
CREATE VIRTUAL TABLE terms USING fts5 (text, title, url, facets, content='', columnsize=0, tokenize='ascii');
INSERT INTO terms (terms, rank) VALUES ('secure-delete', 1);
INSERT INTO terms (terms, rank) VALUES ('hashsize', 33554432);
`

// Catalog finds captures. It is safe for concurrent use.
type Catalog struct {
	// Identifiers finds telephone numbers and the like in queries; with nil they are words.
	// Set it before the first search.
	Identifiers Identifiers

	// write has one connection, read has several.
	write, read *sql.DB
	zip         *zstd.Encoder
	unzip       *zstd.Decoder
	// adding lets one change in at a time, in the order in which they come.
	adding sync.Mutex
	folder *tempdir.Folder
	file   *file
	damage damage
}

// Open opens the catalog in the file of that path, and makes it when there is none or when it
// is of another version, made with something else or broken: what it held can be read from the
// store again. With an empty path it is a temporary file that goes with Close.
//
// What is found depends also on what entries were made with, such as the regions in whose
// writings telephone numbers were read: madeWith says so (see [Contacts.MadeWith]).
//
// No two catalogs can have one file at a time: the second one is an error that is ErrInUse.
func Open(ctx context.Context, path string, madeWith ...string) (*Catalog, error) {
	c := &Catalog{damage: damage{found: make(chan struct{})}}
	if path == "" {
		folder, err := temporary()
		if err != nil {
			return nil, fmt.Errorf("open catalog: %w", err)
		}
		c.folder, path = folder, filepath.Join(folder.Path, "catalog.sqlite")
	}
	if err := c.open(ctx, path, fingerprintOf(madeWith)); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog %q: %w", path, err), c.Close())
	}
	return c, nil
}

// temporary makes a folder that only this user may look into, and removes those of processes
// that were killed: what is in them should not outlive them.
func temporary() (*tempdir.Folder, error) {
	const prefix = "crawlfleet-catalog-"
	if _, err := tempdir.Sweep(os.TempDir(), prefix, nil); err != nil {
		return nil, err
	}
	folder, err := tempdir.Make(os.TempDir(), prefix)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(folder.Path, 0o700); err != nil {
		return nil, errors.Join(err, folder.Remove())
	}
	return folder, nil
}

func (c *Catalog) open(ctx context.Context, path string, fingerprint int32) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if c.file, err = lock(path); err != nil {
		return err
	}
	var errZip, errUnzip error
	c.zip, errZip = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	c.unzip, errUnzip = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxText))
	if err := errors.Join(errZip, errUnzip); err != nil {
		return err
	}
	c.write, err = connectWriter(path)
	if err != nil {
		return err
	}
	usable, err := c.usable(ctx, fingerprint)
	if err != nil {
		return err
	}
	if !usable {
		if err := c.anew(ctx, path, fingerprint); err != nil {
			return err
		}
	}
	c.read, err = connect(path, readers, "query_only=ON", "cache_size=-16384")
	return err
}

// connectWriter makes the one connection that writes. What is deleted it overwrites. The files
// that SQLite makes have the mode of the first: what was archived is for this user alone.
func connectWriter(path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return connect(path, 1, "secure_delete=ON", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536")
}

// connect makes a pool of connections, each with these pragmas.
func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_pragma": {"busy_timeout(60000)"}}
	for _, p := range pragmas {
		name, value, _ := strings.Cut(p, "=")
		query.Add("_pragma", name+"("+value+")")
	}
	// SQLite gives its other files the rights of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// usable reports whether the file is a catalog of this fingerprint, and empties its journal.
func (c *Catalog) usable(ctx context.Context, fingerprint int32) (bool, error) {
	var app, v int32
	err := c.write.QueryRowContext(ctx, `SELECT a.application_id, u.user_version FROM pragma_application_id a, pragma_user_version u`).Scan(&app, &v)
	usable := app == application && v == fingerprint
	if err == nil && usable {
		err = c.truncate(ctx) // a process that was killed may have left what it removed
	}
	if broken(err) {
		return false, nil
	}
	return usable, err
}

// anew removes the file and makes an empty catalog.
func (c *Catalog) anew(ctx context.Context, path string, fingerprint int32) error {
	err := c.write.Close()
	if err == nil {
		err = c.file.remove()
	}
	if err != nil {
		return err
	}
	if c.write, err = connectWriter(path); err != nil {
		return err
	}
	tx, err := c.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	_, err = tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id=%d; PRAGMA user_version=%d;", schema, application, fingerprint))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the catalog, and removes a temporary one. One whose file was found damaged is
// removed too, and the error, which is ErrCorrupt, says so: the next Open makes it anew.
func (c *Catalog) Close() error {
	var errs []error
	for _, db := range []*sql.DB{c.read, c.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if c.unzip != nil {
		c.unzip.Close()
	}
	if c.file != nil {
		errs = append(errs, c.removeDamaged(), c.file.unlock())
	}
	if c.folder != nil {
		errs = append(errs, c.folder.Remove())
	}
	return errors.Join(errs...)
}
