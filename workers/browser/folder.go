package browser

import (
	"os"

	"crawlfleet.dev/crawlfleet/internal/tempdir"
)

// folderPrefix begins the name of the folder in which a pool keeps its profiles. It is
// short: see [maxProfilePath].
const folderPrefix = "cf-chrome-"

// settleIn makes the folder of the pool's profiles, and removes what pools left behind
// whose process was killed.
func (p *Pool) settleIn() (err error) {
	parent := p.opts.Dir
	if os.Geteuid() == 0 && !traversable(parent) {
		// Chrome's user could not reach a profile below a private folder.
		parent = os.TempDir()
	}
	swept, err := tempdir.Sweep(parent, folderPrefix, killBelow)
	if err != nil {
		// It takes room, and no more: the next pool tries again.
		p.log.Warn("what a dead browser pool left could not be removed", "error", err)
	}
	if len(swept) > 0 {
		p.log.Info("what dead browser pools left was removed", "folders", len(swept))
	}
	if p.folder, err = tempdir.Make(parent, folderPrefix); err != nil {
		return err
	}
	p.launch.profile = p.folder.Path
	return nil
}
