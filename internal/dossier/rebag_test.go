package dossier_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// rebag makes the manifests of a bag anew, as who wants to hide a change would.
func rebag(t *testing.T, all fstest.MapFS) {
	t.Helper()
	var payload, tags strings.Builder
	octets, n := 0, 0
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		if strings.HasPrefix(name, "data/") {
			fmt.Fprintf(&payload, "%x  %s\n", sha256.Sum256(all[name].Data), name)
			octets, n = octets+len(all[name].Data), n+1
		}
	}
	all["manifest-sha256.txt"].Data = []byte(payload.String())
	info := string(all["bag-info.txt"].Data)
	info = info[:strings.Index(info, "Payload-Oxum")] + fmt.Sprintf("Payload-Oxum: %d.%d\n", octets, n)
	all["bag-info.txt"].Data = []byte(info)
	for _, name := range names {
		if !strings.HasPrefix(name, "data/") && !strings.HasPrefix(name, "tagmanifest") {
			fmt.Fprintf(&tags, "%x  %s\n", sha256.Sum256(all[name].Data), name)
		}
	}
	all["tagmanifest-sha256.txt"].Data = []byte(tags.String())
}
