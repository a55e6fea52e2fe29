// Package catalog finds captures: an SQLite database with full-text search of what the archive
// holds. It is derived: it can be thrown away and made anew from the store, and two catalogs of
// the same store say the same.
package catalog
