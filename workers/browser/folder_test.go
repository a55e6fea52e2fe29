package browser

import (
	"path/filepath"
	"strings"
	"testing"
)

// Profiles go where the pool was told, also when that folder has to be made first.
func TestProfilesAreInTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(scratch(t), "made", "here")
	p := newPool(t, func(o *Options) { o.Dir = dir })
	if !strings.HasPrefix(p.folder.Path, dir+"/") {
		t.Errorf("the profiles are in %s, not below %s", p.folder.Path, dir)
	}
}
