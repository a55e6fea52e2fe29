package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"crawlfleet.dev/crawlfleet/images/debian"
)

// TestJSON: the list of an image with this very test as its program.
func TestJSON(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := ReadProgram(self)
	if err != nil {
		t.Fatal(err)
	}
	l := List{
		Image: "docker.io/crawlfleet/worker", Version: "1.2.3", Revision: "0123abc", Architecture: "amd64", At: time.Unix(1_700_000_000, 0),
		Programs: map[string]Program{"/worker": program},
		Packages: []debian.Package{{Name: "libc6", Version: "2.36-9+deb12u10", Architecture: "amd64", Source: "glibc", SourceVersion: "2.36-9+deb12u10", Licenses: []string{"LGPL-2.1+"}}},
		Other:    []cdx.Component{NPM("replaywebpage", "2.5.3", "AGPL-3.0-or-later")},
	}
	data, err := l.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.JSON()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the list of the same image differs (%v)", err)
	}
	var doc cdx.BOM
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SpecVersion != cdx.SpecVersion1_6 || doc.SerialNumber != "" || doc.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("version %s, serial number %q, time %s", doc.SpecVersion, doc.SerialNumber, doc.Metadata.Timestamp)
	}
	for _, ref := range []string{
		"/worker", "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=bookworm", "pkg:npm/replaywebpage@2.5.3", "pkg:golang/stdlib@1.",
	} {
		if !slices.ContainsFunc(*doc.Components, func(c cdx.Component) bool { return strings.HasPrefix(c.BOMRef, ref) }) {
			t.Errorf("%s is not in the list", ref)
		}
	}
}
