package capture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// formatsDir is where check.mjs is, which reads WARC files with warcio.js.
const formatsDir = "../formats"

// checked is what check.mjs says of a record.
type checked struct {
	ID, Type, URI, Payload, SaidPayload, Block, SaidBlock string
	ContentLength, BlockLength                            int64
}

// checkFormats has others read what was written: warcio.js the records, with the digests of blocks and payloads that
// it computes itself, and the harness's reader, which shares nothing with ours, the WACZ file.
func checkFormats(t *testing.T, results []*result) (records int) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(formatsDir, "node_modules", ".package-lock.json")); err != nil {
		run(t, 5*time.Minute, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	}
	dir := t.TempDir()
	var paths []string
	var of []*result
	for i, r := range results {
		path := filepath.Join(dir, fmt.Sprintf("%d.warc.gz", i))
		if err := unpack(r.wacz, path); err != nil {
			t.Errorf("%s: %v", r.c.name, err)
			continue
		}
		paths, of = append(paths, path), append(of, r)
	}
	job, err := json.Marshal(map[string]any{"warcs": paths})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Warcs [][]checked }
	if err := json.Unmarshal(run(t, 5*time.Minute, job, "node", "check.mjs"), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Warcs) != len(of) {
		t.Fatalf("%d files were read, want %d", len(answer.Warcs), len(of))
	}
	for i, r := range of {
		got := answer.Warcs[i]
		if len(got) != len(r.records) {
			t.Errorf("%s: warcio.js finds %d records, want %d", r.c.name, len(got), len(r.records))
		}
		for _, c := range got {
			records++
			if c.Block != c.SaidBlock || c.BlockLength != c.ContentLength {
				t.Errorf("%s: %s %s: block %s of %d bytes, the record says %s of %d", r.c.name, c.Type, c.URI, c.Block, c.BlockLength, c.SaidBlock, c.ContentLength)
			}
			if c.SaidPayload != "" && c.Type != "revisit" && !r.c.unread && c.Payload != c.SaidPayload {
				t.Errorf("%s: %s %s: payload %s, the record says %s", r.c.name, c.Type, c.URI, c.Payload, c.SaidPayload)
			}
		}
	}
	return records
}

// unpack copies the WARC file out of a WACZ file, after the harness's reader and our validator have looked at it.
func unpack(from, to string) (err error) {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := harness.OpenWACZ(f, info.Size()); err != nil {
		return fmt.Errorf("an independent reader: %w", err)
	}
	findings, err := wacz.Validate(context.Background(), f, info.Size(), nil)
	if err != nil || len(findings) > 0 {
		return fmt.Errorf("our validator: %v %w", findings, err)
	}
	z, err := wacz.Open(f, info.Size())
	if err != nil {
		return err
	}
	section, err := z.OpenWARC(z.WARCs()[0])
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, section)
	return errors.Join(err, out.Close())
}

func run(t *testing.T, bound time.Duration, in []byte, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = formatsDir, bytes.NewReader(in), &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v in test/formats (needs Node.js and npm: `make node`): %v\n%s", name, args, err, log.Bytes())
	}
	return out.Bytes()
}
