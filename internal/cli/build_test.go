package cli

import "testing"

// TestReadBuild: what the linker was told comes before what go build knew by itself.
func TestReadBuild(t *testing.T) {
	defer func(version, revision string) { linkedVersion, linkedRevision = version, revision }(linkedVersion, linkedRevision)
	linkedVersion, linkedRevision = "1.2.3", "0123456789abcdef0123456789abcdef01234567+dirty"
	b := ReadBuild()
	if b.Version != "1.2.3" || b.Revision != linkedRevision {
		t.Errorf("version %q of commit %q", b.Version, b.Revision)
	}
	if want := "1.2.3 (0123456789ab) " + b.Go + " " + b.Platform; b.String() != want {
		t.Errorf("in one line: %q, want %q", b, want)
	}
}
