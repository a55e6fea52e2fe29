package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

const (
	// stallTime is how long nothing may come of a file before it is asked for again.
	stallTime = time.Minute
	// maxStalls is how often it is asked for in vain, one time after the other.
	maxStalls = 5
)

// download is a file that is got of a snapshot.
type download struct {
	id    string
	part  string // text, picture, wacz or evidence.zip, as in the path of the API
	path  string
	force bool
	// resume goes on with what an earlier command has left. It is for files that never change.
	resume bool
}

// free refuses to replace a file.
func (d download) free() error {
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return cli.Input("%s exists: choose another name, or replace it with --force", d.path)
	}
	return nil
}

// transfer is a download on its way into a file, which gets its name when it is whole.
type transfer struct {
	download
	client *portalClient
	status *status
	file   *os.File
	hash   hash.Hash
	have   int64
	total  int64 // -1 when it is not known
	// tag is the ETag of what has come, digest its SHA-256 as the portal tells it.
	tag    string
	digest []byte
}

// download writes a file whole or not at all, and says what it wrote.
func (c *portalClient) download(ctx context.Context, d download, s *status) (string, error) {
	t := &transfer{download: d, client: c, status: s, hash: sha256.New(), total: -1}
	if err := t.open(); err != nil {
		return "", err
	}
	name := t.file.Name()
	err := t.run(ctx)
	s.clear()
	if err == nil {
		err = t.file.Sync()
	}
	if err := errors.Join(err, t.file.Close()); err != nil {
		if t.resume && t.have > 0 && !errors.Is(err, errDamaged) {
			return "", fmt.Errorf("%w\n%s came and is kept in %s: the same command goes on", err, cli.Bytes(t.have), name)
		}
		return "", errors.Join(err, os.Remove(name))
	}
	if !d.force {
		if err := d.free(); err != nil {
			return "", err
		}
	}
	if err := os.Rename(name, d.path); err != nil {
		return "", err
	}
	checked := ""
	if t.digest != nil {
		checked = ", as the portal says"
	}
	return fmt.Sprintf("%s: %s, SHA-256 %s%s", d.path, cli.Bytes(t.have), hex.EncodeToString(t.hash.Sum(nil)), checked), nil
}

// open opens the unfinished file, which is named after what is in it.
func (t *transfer) open() (err error) {
	mode := os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if t.resume {
		mode = os.O_RDWR | os.O_CREATE
	}
	t.file, err = os.OpenFile(t.path+"."+t.id+".part", mode, 0o600)
	if err != nil {
		return err
	}
	if t.have, err = io.Copy(t.hash, t.file); err != nil {
		return errors.Join(err, t.file.Close())
	}
	return nil
}

// run asks until all has come: an answer that breaks off is gone on with where it did.
func (t *transfer) run(ctx context.Context) error {
	for stalls := 0; ; {
		before := t.have
		broken, err := t.attempt(ctx)
		switch {
		case err == nil && broken == nil:
			return t.check()
		case ctx.Err() != nil:
			return &cli.Error{Code: cli.ExitInterrupted, Err: errors.New("interrupted")}
		case err != nil:
			return err
		case t.have > before:
			stalls = 0
			continue
		}
		if stalls++; stalls == maxStalls {
			return fmt.Errorf("the download breaks off: %w", broken)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(stalls) * time.Second):
		}
	}
}

// attempt asks once for what is missing. Broken is an error after which it can be asked again.
func (t *transfer) attempt(ctx context.Context) (broken, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stall := time.AfterFunc(stallTime, cancel)
	defer stall.Stop()
	header := http.Header{"Accept": {"application/wacz, application/zip, image/png, text/plain"}}
	if t.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", t.have))
		if t.tag != "" {
			header.Set("If-Range", t.tag)
		}
	}
	res, err := t.client.send(ctx, "/api/v1/snapshots/"+t.id+"/"+t.part, nil, header)
	var said *portalError
	switch {
	case errors.As(err, &said) && said.status == http.StatusRequestedRangeNotSatisfiable && t.have > 0:
		return errors.New("what came before is of another file"), t.restart()
	case err != nil && (t.total < 0 || errors.As(err, &said)):
		return nil, err // it did not begin: that will not pass
	case err != nil:
		return err, nil
	}
	defer res.Body.Close()
	if err := t.begin(res); err != nil {
		return nil, err
	}
	return t.copy(res.Body, stall)
}

// begin reads what an answer says of itself.
func (t *transfer) begin(res *http.Response) error {
	if res.StatusCode == http.StatusPartialContent {
		var first, last, total int64
		if _, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil || first != t.have {
			return noPortal(fmt.Errorf("range %q where the one from %d was asked for", res.Header.Get("Content-Range"), t.have))
		}
		t.total = total
	} else {
		if err := t.restart(); err != nil {
			return err
		}
		t.total = res.ContentLength
	}
	if tag := res.Header.Get("ETag"); !strings.HasPrefix(tag, "W/") { // RFC 9110 section 13.1.5
		t.tag = tag
	}
	t.digest = reprDigest(res.Header)
	return nil
}

// restart forgets what has come.
func (t *transfer) restart() error {
	t.have, t.tag, t.digest = 0, "", nil
	t.hash.Reset()
	_, err := t.file.Seek(0, io.SeekStart)
	return errors.Join(err, t.file.Truncate(0))
}

// copy writes what comes.
func (t *transfer) copy(body io.Reader, stall *time.Timer) (broken, err error) {
	buffer := make([]byte, 128<<10)
	for {
		n, readErr := body.Read(buffer)
		stall.Reset(stallTime)
		if n > 0 {
			if _, err := t.file.Write(buffer[:n]); err != nil {
				return nil, err
			}
			t.hash.Write(buffer[:n])
			t.have += int64(n)
			t.show()
		}
		switch {
		case errors.Is(readErr, io.EOF) && (t.total < 0 || t.have == t.total):
			return nil, nil
		case errors.Is(readErr, io.EOF):
			return io.ErrUnexpectedEOF, nil
		case readErr != nil:
			return readErr, nil
		}
	}
}

func (t *transfer) show() {
	if t.total > 0 {
		t.status.show("%s: %s of %s, %d%%", t.path, cli.Bytes(t.have), cli.Bytes(t.total), t.have*100/t.total)
		return
	}
	t.status.show("%s: %s", t.path, cli.Bytes(t.have))
}

// errDamaged means that what came is not what the portal has.
var errDamaged = errors.New("what came is not what the portal has: its SHA-256 is another one; nothing was written")

func (t *transfer) check() error {
	if t.digest != nil && string(t.digest) != string(t.hash.Sum(nil)) {
		return errDamaged
	}
	return nil
}

// reprDigest is the SHA-256 of a whole file that an answer has a part of (RFC 9530 section 3), nil
// when it does not tell.
func reprDigest(h http.Header) []byte {
	for member := range strings.SplitSeq(strings.Join(h.Values("Repr-Digest"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		if !strings.EqualFold(name, "sha-256") {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
		if err == nil && len(sum) == sha256.Size {
			return sum
		}
	}
	return nil
}
