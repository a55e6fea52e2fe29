package harness

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The users of the store that Options.StoreUsers makes, named after the policies of config/store.
const (
	StoreConductor = "conductor"
	StoreBrowser   = "browser"
	StorePortal    = "portal"
)

// storeUsers makes the keys of the users and returns the flags by which the stack knows them.
func (f *Fleet) storeUsers(t testing.TB) (flags []string) {
	t.Helper()
	for _, name := range []string{StoreConductor, StoreBrowser, StorePortal} {
		file := f.StoreCredentials(name)
		if _, err := os.Stat(file); err != nil {
			text := fmt.Sprintf("[default]\naws_access_key_id = CF%s\naws_secret_access_key = %s\n", rand.Text()[:18], rand.Text()+rand.Text())
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		flags = append(flags, "--s3-user", filepath.Join(f.root, "config", "store", name+".json")+"="+file)
	}
	return flags
}

// StoreCredentials is the credentials file of a user of the store.
func (f *Fleet) StoreCredentials(name string) string {
	return filepath.Join(f.Dir, "store-"+name)
}
