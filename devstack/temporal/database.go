package temporal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/primitives/timestamp"
	"go.temporal.io/server/schema/sqlite"
)

// prepareDatabase makes the database if there is none, and the namespace in it: a
// running server would take seconds to notice a new namespace.
func prepareDatabase(db *config.SQL, path string, opts Options) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createDatabase(path, opts.synchronous())
	}
	if err != nil {
		return fmt.Errorf("prepare Temporal's database: %w", err)
	}
	ns, err := sqlite.NewNamespaceConfig(clusterName, opts.Namespace, false, opts.SearchAttributes)
	if err != nil {
		return fmt.Errorf("describe the Temporal namespace %q: %w", opts.Namespace, err)
	}
	ns.Detail.Config.Retention = timestamp.DurationFromSeconds(int64(retention.Seconds()))
	if err := sqlite.CreateNamespaces(db, ns); err != nil {
		return fmt.Errorf("make the Temporal namespace %q: %w", opts.Namespace, err)
	}
	return nil
}

// createDatabase makes the tables under another name first, so that a half-made
// database is never taken for a whole one.
func createDatabase(path, synchronous string) error {
	draft := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(draft + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	cfg := sqliteConfig(draft, synchronous)
	// Without a write-ahead log all is in the one file that is renamed.
	cfg.ConnectAttributes["journal_mode"] = "delete"
	if err := sqlite.SetupSchema(cfg); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
