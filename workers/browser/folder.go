package browser

import (
	"fmt"
	"log/slog"
	"os"

	"crawlfleet.dev/crawlfleet/internal/tempdir"
)

// folderPrefix begins the name of the folder in which a pool keeps its profiles. It is
// short: see [maxProfilePath].
const folderPrefix = "cf-chrome-"

// settleIn makes the folder of the pool's profiles.
func (p *Pool) settleIn() (err error) {
	parent := p.opts.Dir
	if err := os.MkdirAll(parent, 0o755); err != nil { // what is not there cannot be looked at
		return fmt.Errorf("make the folder for browsers: %w", err)
	}
	if os.Geteuid() == 0 && !traversable(parent) {
		// Chrome's user could not reach a profile below a private folder.
		parent = os.TempDir()
	}
	if p.folder, err = makeFolder(parent, p.log); err != nil {
		return err
	}
	p.launch.profile = p.folder.Path
	return nil
}

// makeFolder makes a folder for profiles, and removes what those left behind whose process was
// killed.
func makeFolder(parent string, log *slog.Logger) (*tempdir.Folder, error) {
	swept, err := tempdir.Sweep(parent, folderPrefix, killBelow)
	if err != nil {
		// It takes room, and no more: the next one tries again.
		log.Warn("what a dead process left of its browsers could not be removed", "error", err)
	}
	if len(swept) > 0 {
		log.Info("what dead processes left of their browsers was removed", "folders", len(swept))
	}
	return tempdir.Make(parent, folderPrefix)
}
