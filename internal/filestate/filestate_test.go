package filestate

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSame: each change of a file that can be seen from outside is seen.
func TestSame(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		reason string
		change func(path string) error
		want   bool
	}{
		"Nothing": {reason: "nobody touched it", change: func(string) error { return nil }, want: true},
		"Read":    {reason: "reading changes nothing", change: func(path string) error { _, err := os.ReadFile(path); return err }, want: true},
		"Younger": {reason: "it was written again", change: func(path string) error { return put(path, "one", at.Add(time.Second)) }},
		"Longer":  {reason: "its clock stood still", change: func(path string) error { return put(path, "three", at) }},
		"Gone":    {reason: "there is none any more", change: os.Remove},
		"Replaced": {reason: "another has its time and size", change: func(path string) error {
			if err := put(path+".new", "two", at); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, other := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			for _, p := range []string{path, other} {
				if err := put(p, "one", at); err != nil {
					t.Fatal(err)
				}
			}
			before := Look(other, path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.change(path); err != nil {
				t.Fatal(err)
			}
			if got := before.Same(Look(other, path)); got != tc.want {
				t.Errorf("%s: same is %v", tc.reason, got)
			}
			if got := Of(info).Same(Look(path)); got != tc.want {
				t.Errorf("%s: same as an open one is %v", tc.reason, got)
			}
		})
	}
}

// TestSameOfNothing: what nobody looked at has to be read, and what is not there stays so.
func TestSameOfNothing(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "absent")
	if (Seen{}).Same(Look(absent)) || (Seen{}).Same(Seen{}) {
		t.Error("nobody has looked yet")
	}
	if !Look(absent).Same(Look(absent)) {
		t.Error("a file that is not there has changed")
	}
	if Look(absent).Same(Look(absent, absent)) {
		t.Error("one file is as two are")
	}
}

func put(path, content string, at time.Time) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, at, at)
}
