package s3

import (
	"testing"

	"github.com/versity/versitygw/backend/posix"
)

// TestDurable: a store whose confirmations are to survive a power cut is one that writes to the disk, and another is not
// slowed down by it. (The gateway's own Posix has no such setting.)
func TestDurable(t *testing.T) {
	for want, opts := range map[bool]Options{true: {Dir: t.TempDir(), Durable: true}, false: {Dir: t.TempDir()}} {
		files, err := openBackend(opts)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := files.(*durable)
		if ok != want {
			t.Errorf("Durable %t: got %T", want, files)
		}
		if !ok {
			if _, ok := files.(*posix.Posix); !ok {
				t.Errorf("got %T, want the gateway's own", files)
			}
			continue
		}
		if err := d.sync(); err != nil {
			t.Error(err)
		}
		d.data += "/none"
		if err := d.sync(); err == nil {
			t.Error("what cannot be written to the disk is confirmed")
		}
	}
}
