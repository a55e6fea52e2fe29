package harness

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// maxJSON bounds the files of a WACZ that are read whole.
const maxJSON = 256 << 20

// A Page is one line of a WACZ's list of pages.
type Page struct {
	ID    string    `json:"id"`
	URL   string    `json:"url"`
	TS    time.Time `json:"ts"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	// Compared is how the page is beside an earlier run.
	Compared string `json:"compared"`
	// Chunk is the object that the page was found in; [OpenWACZ] leaves it empty.
	Chunk string `json:"-"`
}

// A Capture is one line of a WACZ's index and the WARC record that it points to.
type Capture struct {
	URL       string
	Timestamp string
	Status    string
	MIME      string
	// Type is the record's WARC-Type: response, revisit, resource, metadata …
	Type string
	// Digest is what the index says.
	Digest string
}

// A WACZ is what was found in a file that [OpenWACZ] has checked.
type WACZ struct {
	Pages    []Page
	Captures []Capture
	// Files are the names of all files in it.
	Files []string
	// Provenance is capture.json, nil when there is none.
	Provenance []byte
}

// OpenWACZ reads a WACZ and checks it against the specifications (WACZ 1.1.1, CDXJ 1.0, WARC 1.1), with code that shares
// nothing with the fleet's writer:
//
//   - every file is listed in datapackage.json with its size and SHA-256, and datapackage-digest.json has that of it;
//   - WARC files lie in the zip as they are, so that a replay can read parts of them;
//   - the index is sorted, and each line points to exactly one gzip member with one WARC record of that address, whose
//     Content-Length is exact and whose block digest, if it has one, is right;
//   - every page has a capture of its address in the index.
func OpenWACZ(r io.ReaderAt, size int64) (*WACZ, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("open the zip: %w", err)
	}
	w := &waczReader{raw: r, files: map[string]*zip.File{}, out: &WACZ{}}
	for _, f := range z.File {
		if w.files[f.Name] != nil {
			return nil, fmt.Errorf("%s is in the zip twice", f.Name)
		}
		w.files[f.Name] = f
		w.out.Files = append(w.out.Files, f.Name)
	}
	for _, check := range []func() error{w.manifest, w.pages, w.index, w.pagesInIndex} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if w.files["capture.json"] != nil {
		if w.out.Provenance, err = w.read("capture.json"); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

type waczReader struct {
	raw   io.ReaderAt
	files map[string]*zip.File
	out   *WACZ
}

func (w *waczReader) read(name string) ([]byte, error) {
	f := w.files[name]
	if f == nil {
		return nil, fmt.Errorf("there is no %s", name)
	}
	if f.UncompressedSize64 > maxJSON {
		return nil, fmt.Errorf("%s has %d bytes", name, f.UncompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// manifest checks the two files that hold the hashes of all others.
func (w *waczReader) manifest() error {
	raw, err := w.read("datapackage.json")
	if err != nil {
		return err
	}
	var description struct {
		Profile   string `json:"profile"`
		Version   string `json:"wacz_version"`
		Resources []struct {
			Path  string `json:"path"`
			Hash  string `json:"hash"`
			Bytes int64  `json:"bytes"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(raw, &description); err != nil {
		return fmt.Errorf("datapackage.json: %w", err)
	}
	if description.Profile != "data-package" || description.Version == "" {
		return fmt.Errorf("datapackage.json: profile %q and wacz_version %q", description.Profile, description.Version)
	}
	var digest struct {
		Path string `json:"path"`
		Hash string `json:"hash"`
	}
	rawDigest, err := w.read("datapackage-digest.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(rawDigest, &digest); err != nil {
		return fmt.Errorf("datapackage-digest.json: %w", err)
	}
	if sum := sha256.Sum256(raw); digest.Path != "datapackage.json" || digest.Hash != "sha256:"+hex.EncodeToString(sum[:]) {
		return errors.New("datapackage-digest.json does not match datapackage.json")
	}
	listed := map[string]bool{"datapackage.json": true, "datapackage-digest.json": true}
	for _, res := range description.Resources {
		listed[res.Path] = true
		n, hash, err := w.hash(res.Path)
		if err != nil {
			return err
		}
		if n != res.Bytes || "sha256:"+hash != res.Hash {
			return fmt.Errorf("%s: has %d bytes and sha256:%s, datapackage.json says %d and %s", res.Path, n, hash, res.Bytes, res.Hash)
		}
	}
	for _, name := range w.out.Files {
		if !listed[name] {
			return fmt.Errorf("%s is not listed in datapackage.json", name)
		}
	}
	return nil
}

func (w *waczReader) hash(name string) (int64, string, error) {
	f := w.files[name]
	if f == nil {
		return 0, "", fmt.Errorf("there is no %s", name)
	}
	r, err := f.Open()
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = r.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", name, err)
	}
	return n, hex.EncodeToString(sum.Sum(nil)), nil
}

func (w *waczReader) pages() error {
	raw, err := w.read("pages/pages.jsonl")
	if err != nil {
		return err
	}
	first := true
	for line := range bytes.Lines(raw) {
		if first {
			var head struct {
				Format string `json:"format"`
			}
			if err := json.Unmarshal(line, &head); err != nil || head.Format != "json-pages-1.0" {
				return fmt.Errorf("pages.jsonl begins with %q", line)
			}
			first = false
			continue
		}
		var p Page
		if err := json.Unmarshal(line, &p); err != nil {
			return fmt.Errorf("pages.jsonl: %w", err)
		}
		if p.URL == "" || p.TS.IsZero() {
			return fmt.Errorf("pages.jsonl: a page without url or ts: %s", line)
		}
		w.out.Pages = append(w.out.Pages, p)
	}
	return nil
}

func (w *waczReader) index() error {
	found := false
	for _, name := range w.out.Files {
		if path.Dir(name) != "indexes" || !strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".cdx") && !strings.HasSuffix(name, ".cdxj") {
			continue
		}
		found = true
		if err := w.indexFile(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !found {
		return errors.New("there is no index")
	}
	return nil
}

func (w *waczReader) indexFile(name string) error {
	raw, err := w.read(name)
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, ".gz") {
		if raw, err = gunzip(raw); err != nil {
			return err
		}
	}
	last := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if line < last {
			return fmt.Errorf("not sorted: %q comes after %q", line, last)
		}
		last = line
		if strings.HasPrefix(line, "!meta") {
			continue
		}
		if err := w.capture(line); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
	}
	return nil
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxJSON))
}

// capture checks one line of the index and the record behind it.
func (w *waczReader) capture(line string) error {
	_, rest, ok := strings.Cut(line, " ")
	timestamp, object, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || len(timestamp) < 14 {
		return errors.New("want a key, a timestamp and an object")
	}
	var entry struct {
		URL      string      `json:"url"`
		MIME     string      `json:"mime"`
		Status   json.Number `json:"status"`
		Digest   string      `json:"digest"`
		Filename string      `json:"filename"`
		Offset   json.Number `json:"offset"`
		Length   json.Number `json:"length"`
	}
	// Numbers may stand in quotes, as pywb writes them; json.Number takes both.
	if err := json.Unmarshal([]byte(object), &entry); err != nil {
		return err
	}
	offset, err := entry.Offset.Int64()
	if err != nil {
		return fmt.Errorf("offset: %w", err)
	}
	length, err := entry.Length.Int64()
	if err != nil {
		return fmt.Errorf("length: %w", err)
	}
	f := w.files["archive/"+entry.Filename]
	if f == nil {
		return fmt.Errorf("there is no archive/%s", entry.Filename)
	}
	if f.Method != zip.Store {
		return fmt.Errorf("archive/%s is compressed in the zip", entry.Filename)
	}
	start, err := f.DataOffset()
	if err != nil {
		return err
	}
	if offset < 0 || length <= 0 || offset+length > int64(f.UncompressedSize64) {
		return fmt.Errorf("%d bytes at %d are outside of a file of %d bytes", length, offset, f.UncompressedSize64)
	}
	kind, target, err := readRecord(io.NewSectionReader(w.raw, start+offset, length))
	if err != nil {
		return fmt.Errorf("the record: %w", err)
	}
	if target != entry.URL {
		return fmt.Errorf("the record is of %s", target)
	}
	w.out.Captures = append(w.out.Captures, Capture{URL: entry.URL, Timestamp: timestamp, Status: entry.Status.String(), MIME: entry.MIME, Type: kind, Digest: entry.Digest})
	return nil
}

// readRecord reads one gzip member that holds one WARC record and nothing else.
func readRecord(member io.Reader) (kind, target string, err error) {
	raw := bufio.NewReader(member)
	z, err := gzip.NewReader(raw)
	if err != nil {
		return "", "", err
	}
	z.Multistream(false)
	r := bufio.NewReader(z)
	fields, err := readHead(r)
	if err != nil {
		return "", "", err
	}
	var n int64
	if _, err := fmt.Sscanf(fields["content-length"], "%d", &n); err != nil {
		return "", "", fmt.Errorf("Content-Length %q", fields["content-length"])
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, r, n); err != nil {
		return "", "", fmt.Errorf("the block is shorter than %d bytes: %w", n, err)
	}
	end, err := io.ReadAll(io.LimitReader(r, 5))
	if err != nil {
		return "", "", fmt.Errorf("after the block: %w", err)
	}
	if string(end) != "\r\n\r\n" {
		return "", "", fmt.Errorf("the record ends with %q, want two empty lines", end)
	}
	if _, err := raw.ReadByte(); !errors.Is(err, io.EOF) {
		return "", "", errors.New("more than one gzip member")
	}
	if digest, ok := strings.CutPrefix(fields["warc-block-digest"], "sha256:"); ok && digest != hex.EncodeToString(sum.Sum(nil)) && digest != base32.StdEncoding.EncodeToString(sum.Sum(nil)) && digest != base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum.Sum(nil)) {
		return "", "", fmt.Errorf("the block's SHA-256 is %x, WARC-Block-Digest says %s", sum.Sum(nil), digest)
	}
	return fields["warc-type"], strings.Trim(fields["warc-target-uri"], "<>"), nil
}

// readHead reads the version line and the named fields; names in lower case.
func readHead(r *bufio.Reader) (map[string]string, error) {
	fields := map[string]string{}
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("read the head: %w", err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		switch {
		case first && line != "WARC/1.1" && line != "WARC/1.0":
			return nil, fmt.Errorf("it begins with %q", line)
		case first:
		case line == "":
			return fields, nil
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("a field without colon: %q", line)
			}
			fields[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
}

// pagesInIndex checks that every page can be replayed.
func (w *waczReader) pagesInIndex() error {
	captured := map[string]bool{}
	for _, c := range w.out.Captures {
		captured[c.URL] = true
	}
	for _, p := range w.out.Pages {
		address, _, _ := strings.Cut(p.URL, "#")
		if !captured[p.URL] && !captured[address] {
			return fmt.Errorf("the page %s has no capture", p.URL)
		}
	}
	return nil
}
