package dossier_test

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// counted counts the bytes that are read of the snapshots in a folder.
type counted struct {
	fs.FS
	bytes atomic.Int64
}

// Open implements fs.FS.
func (c *counted) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	random, ok := f.(verify.RandomFile)
	if err != nil || !ok || !strings.HasSuffix(name, ".wacz") {
		return f, err
	}
	return &countedFile{random, &c.bytes}, nil
}

type countedFile struct {
	verify.RandomFile
	bytes *atomic.Int64
}

// Read implements fs.File.
func (f *countedFile) Read(p []byte) (int, error) {
	n, err := f.RandomFile.Read(p)
	f.bytes.Add(int64(n))
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.RandomFile.ReadAt(p, off)
	f.bytes.Add(int64(n))
	return n, err
}

var _ io.ReaderAt = (*countedFile)(nil)

// TestTraceReadsLinearly: a snapshot is read as often whether one page of it has the bytes or a
// hundred do.
func TestTraceReadsLinearly(t *testing.T) {
	t.Parallel()
	const most = 8 // times its size: for the records, the checks, the digests
	picture := verifytest.SumOf([]byte("\x89PNG no picture"))
	text := verifytest.SumOf([]byte("Room to let"))
	for _, pages := range []int{1, 10, 100} {
		raw := verifytest.NewPages(pages).Pack(t)
		for what, sum := range map[string]string{"picture": picture, "text": text} {
			folder := &counted{FS: fstest.MapFS{"a.wacz": &fstest.MapFile{Data: raw}}}
			chains, err := dossier.Trace(t.Context(), &verify.Verifier{}, folder, ".", sum)
			if err != nil || len(chains) != pages {
				t.Fatalf("%d pages have the %s: %d chains, %v", pages, what, len(chains), err)
			}
			if chains[0][len(chains[0])-1].What == dossier.Broken {
				t.Errorf("the sample is not sound: %v", chains[0])
			}
			times := float64(folder.bytes.Load()) / float64(len(raw))
			if times > most {
				t.Errorf("%d pages: it was read %.1f times, want %d at most", pages, times, most)
			}
			t.Logf("%d pages, %s: %.1f times", pages, what, times)
		}
	}
}

// TestTraceRefusesSharedRecords: a list of pages that all name one long record would have it read
// for each of them.
func TestTraceRefusesSharedRecords(t *testing.T) {
	t.Parallel()
	s := verifytest.NewPages(2)
	pages := s.Capture["pages"].([]any)
	pages[1].(map[string]any)["info"] = pages[0].(map[string]any)["info"]
	folder := fstest.MapFS{"a.wacz": &fstest.MapFile{Data: s.Pack(t)}}
	_, err := dossier.Trace(t.Context(), &verify.Verifier{}, folder, ".", verifytest.SumOf([]byte("Room to let")))
	if err == nil || !strings.Contains(err.Error(), "is that of another page, too") {
		t.Errorf("error %v", err)
	}
}

// TestCheckHashesSnapshotsOnce: beside the bag's own hashes, the index and the sidecar are compared
// with one: that there is a sidecar costs no further reading.
func TestCheckHashesSnapshotsOnce(t *testing.T) {
	t.Parallel()
	office := verifytest.NewOffice(t)
	run := t.TempDir()
	if err := os.CopyFS(run, verifytest.NewSignedRun(t, office, 1)); err != nil {
		t.Fatal(err)
	}
	o := options(t, run)
	o.Snapshots = o.Snapshots[:1]
	dir, _ := create(t, o)
	read := func(fsys fs.FS) float64 {
		folder := &counted{FS: fsys}
		if r := check(t, folder); r.Verdict == verify.Fails {
			t.Errorf("%+v", r)
		}
		return float64(folder.bytes.Load())
	}
	const sidecar = "data/exhibits/E01/snapshot.wacz" + verify.SidecarSuffix
	signed := contents(t, dir)
	if signed[sidecar] == nil {
		t.Fatal("the dossier has no sidecar")
	}
	unsigned := contents(t, dir)
	delete(unsigned, sidecar)
	rebag(t, unsigned)
	with, without := read(signed), read(unsigned)
	if with > without*1.02 {
		t.Errorf("with a sidecar %.0f bytes were read, without %.0f", with, without)
	}
}
