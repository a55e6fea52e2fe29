package frontier

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// scratch mounts a file system of its own for a worker.
func scratch(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small file system and needs to be root in its own mount name space: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskThatCannotBeUsed: a worker whose disk becomes read-only, or has no room for
// further files, brings back what it stored, says what to do, and visits nothing more; when
// it has been mended the crawl is whole, and the books balance.
func TestDiskThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	remount := func(dir string, flags uintptr) error {
		return syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, "")
	}
	tests := map[string]struct {
		reason        string
		options       string
		harm, mend    func(dir string) error
		want          workflows.Reason
		message, step string
	}{
		"ReadOnly": {
			reason: "A file system that is read-only.", options: "size=600m",
			harm: func(dir string) error { return remount(dir, syscall.MS_RDONLY) },
			mend: func(dir string) error { return remount(dir, 0) },
			want: workflows.ReasonDiskUnwritable, message: "cannot be written to", step: "read-only",
		},
		"NoInodes": {
			reason: "One that has no room for further files.", options: fmt.Sprintf("size=600m,nr_inodes=%d", minFreeFiles+200),
			harm: func(dir string) error {
				for i := 0; ; i++ {
					err := os.WriteFile(filepath.Join(dir, fmt.Sprint("other-", i)), nil, 0o600)
					if errors.Is(err, syscall.ENOSPC) {
						return nil
					}
					if err != nil {
						return err
					}
				}
			},
			mend: func(dir string) error {
				list, err := filepath.Glob(filepath.Join(dir, "other-*"))
				for _, path := range list {
					err = errors.Join(err, os.Remove(path))
				}
				return err
			},
			want: workflows.ReasonDiskFull, message: "disk of a worker", step: "--dir",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const pages = 40
			var links []string
			for i := range pages {
				links = append(links, fmt.Sprintf("http://a.test/%d", i))
			}
			w := &web{links: map[string][]string{"http://a.test/0": links}}
			r := newRig(t, w)
			r.crawler.Dir = scratch(t, tc.options)
			r.seed(links[0])
			loads, bundle, harmed := 0, 0, 0
			w.visit = func(_ context.Context, _ *browser.Page) error {
				loads++
				// The first page of a bundle: with a file that is open for writing, nothing
				// can be made read-only.
				if bundle++; bundle == 1 && loads > 5 && harmed == 0 {
					harmed = loads
					return tc.harm(r.crawler.Dir)
				}
				return nil
			}
			var out workflows.BundleOutput
			var err error
			plan := r.plan(1)
			for err == nil && out.Trouble == nil && !plan.Idle {
				ref := plan.Bundles[0]
				bundle = 0
				if out, err = r.crawl(t.Context(), ref); out.Trouble == nil {
					plan = r.plan(1, workflows.BundleDone{ID: ref.ID, Results: out.Results})
				}
			}
			expectTrouble(t, tc.reason, out, err, tc.want, tc.message, tc.step)
			before := plan.Counts.Archived
			if loads != harmed || before == 0 {
				t.Errorf("%s: %d pages were loaded on a disk that is of no use, %d archived before", tc.reason, loads-harmed, before)
			}
			plan = r.plan(1, workflows.BundleDone{ID: plan.Bundles[0].ID, Results: out.Results})
			if plan.Counts.Archived < before {
				t.Errorf("%s: %d pages were archived, and are %d now", tc.reason, before, plan.Counts.Archived)
			}
			again, err := r.crawl(t.Context(), plan.Bundles[0])
			expectTrouble(t, tc.reason, again, err, tc.want, tc.message, tc.step)
			if err := tc.mend(r.crawler.Dir); err != nil {
				t.Fatal(err)
			}
			r.plan(0, workflows.BundleDone{ID: plan.Bundles[0].ID, Results: again.Results})
			if end := r.run(1); end.Counts.Archived != pages {
				t.Errorf("%s: %d pages are archived, want %d", tc.reason, end.Counts.Archived, pages)
			}
			if sealed := r.seal(); !sealed.Balanced {
				t.Errorf("%s: the books do not balance: %+v", tc.reason, sealed)
			}
		})
	}
}

func expectTrouble(t *testing.T, name string, out workflows.BundleOutput, err error, want workflows.Reason, message, step string) {
	t.Helper()
	if err != nil || out.Trouble == nil || out.Trouble.Reason != want || !strings.Contains(out.Trouble.Message, message) || !strings.Contains(out.Trouble.NextStep, step) {
		t.Errorf("%s: error %v, trouble %+v", name, err, out.Trouble)
	}
}
