package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

func TestNewKey(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		in     string
		ok     bool
	}{
		"Plain":     {reason: "letters, digits and the marks are safe everywhere", in: "ns/name/uid/chunks/b1-a1-x.wacz", ok: true},
		"Empty":     {reason: "an object has a name", in: ""},
		"Double":    {reason: "some stores clean paths silently", in: "a//b"},
		"Up":        {reason: "some stores keep objects as files", in: "a/../b"},
		"Dot":       {reason: "a component that begins with a dot is hidden or special", in: "a/.b"},
		"URL":       {reason: "a URL is no key", in: "https://example.org/?q=1"},
		"Space":     {reason: "no white space", in: "a b"},
		"Newline":   {reason: "no header injection", in: "a\nb"},
		"Long":      {reason: "a component is a file name", in: strings.Repeat("a", 256)},
		"LongWhole": {reason: "S3 takes 1,024 bytes", in: strings.Repeat("abc/", 256) + "d"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewKey(tc.in); (err == nil) != tc.ok {
				t.Errorf("%s: NewKey(%q): error %v", tc.reason, tc.in, err)
			}
		})
	}
}

func open(t *testing.T, server *blobtest.Server) *Bucket {
	t.Helper()
	client, err := NewClient(Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("bucket")
}

func content(s string) Content {
	sum := sha256.Sum256([]byte(s))
	return Content{Body: strings.NewReader(s), Size: int64(len(s)), SHA256: hex.EncodeToString(sum[:])}
}

// TestReplace: an object is replaced by whoever has seen it as it is, and by nobody else.
func TestReplace(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	first, err := b.Put(t.Context(), "a", content("one"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Replace(t.Context(), "a", first.ETag, content("two"))
	if err != nil || second.ETag == first.ETag {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := b.Replace(t.Context(), "a", first.ETag, content("two")); err != nil {
		t.Errorf("the same again is our own success told twice: %v", err)
	}
	if _, err := b.Replace(t.Context(), "a", first.ETag, content("three")); !errors.Is(err, ErrExists) {
		t.Errorf("in place of what is not there any more: %v, want ErrExists", err)
	}
	if _, err := b.Replace(t.Context(), "a", "", content("three")); err == nil {
		t.Error("it was replaced without a look at it")
	}
	if got, err := ReadAll(t.Context(), b, "a", 10); err != nil || string(got) != "two" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestPutOnce(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	if _, err := b.Put(t.Context(), "a/b", content("one")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "a/b", content("one")); err != nil {
		t.Errorf("putting the same again is our own success told twice: %v", err)
	}
	if _, err := b.Put(t.Context(), "a/b", content("two")); !errors.Is(err, ErrExists) {
		t.Errorf("putting something else: %v, want ErrExists", err)
	}
	got, err := ReadAll(t.Context(), b, "a/b", 10)
	if err != nil || string(got) != "one" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := ReadAll(t.Context(), b, "a/b", 2); err == nil {
		t.Error("an object over the limit was read")
	}
	if _, err := b.Head(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("head of nothing: %v, want ErrNotFound", err)
	}
}

func TestPutWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	var once sync.Once
	f := &blobtest.Server{}
	f.Answer = func(w http.ResponseWriter, r *http.Request, stored func()) bool {
		lost := false
		if r.Method == http.MethodPut {
			once.Do(func() { stored(); lost = true })
		}
		if lost {
			blobtest.Fail(w, http.StatusInternalServerError, "InternalError")
		}
		return lost
	}
	b := open(t, f)
	info, err := b.Put(t.Context(), "k", content("mine"))
	if err != nil || info.Size != 4 {
		t.Errorf("put = %+v, %v: the retry is told 412 about its own success", info, err)
	}
}

func TestPutConfirmedWithAnotherSum(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		w.Header().Set("X-Amz-Checksum-Sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		return r.Method == http.MethodPut
	}})
	if _, err := b.Put(t.Context(), "k", content("mine")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("put = %v, want ErrCorrupt", err)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		code   string
		want   error
	}{
		"NoBucket":   {http.StatusNotFound, "NoSuchBucket", ErrNoBucket},
		"WrongKey":   {http.StatusForbidden, "InvalidAccessKeyId", ErrDenied},
		"UnknownKey": {http.StatusNotFound, "XAdminUserNotFound", ErrDenied},
		"WrongSign":  {http.StatusForbidden, "SignatureDoesNotMatch", ErrDenied},
		"NotAllowed": {http.StatusForbidden, "AccessDenied", ErrDenied},
		"Clocks":     {http.StatusForbidden, "RequestTimeTooSkewed", ErrClock},
		"SlowDown":   {http.StatusServiceUnavailable, "SlowDown", ErrUnreachable},
		"Full":       {http.StatusInsufficientStorage, "XMinioStorageFull", ErrFull},
		"Digest":     {http.StatusBadRequest, "BadDigest", ErrCorrupt},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
				blobtest.Fail(w, tc.status, tc.code)
				return true
			}})
			if _, err := b.Put(t.Context(), "k", content("x")); !errors.Is(err, tc.want) {
				t.Errorf("put = %v, want %v", err, tc.want)
			}
		})
	}
}

// TestCheckKinds tells apart what a HEAD, which is answered without a body, cannot.
func TestCheckKinds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		want   error
	}{
		"NoSuchBucket":         {http.StatusNotFound, ErrNoBucket},
		"XAdminUserNotFound":   {http.StatusNotFound, ErrDenied},
		"AccessDenied":         {http.StatusForbidden, ErrDenied},
		"RequestTimeTooSkewed": {http.StatusForbidden, ErrClock},
	}
	for code, tc := range tests {
		b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			blobtest.Fail(w, tc.status, code)
			return true
		}})
		if err := b.Check(t.Context()); !errors.Is(err, tc.want) {
			t.Errorf("check = %v for %s, want %v", err, code, tc.want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	client, err := NewClient(Config{Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.Bucket("bucket").Check(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("check = %v, want ErrUnreachable", err)
	}
}

func TestCredentialsFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials")
	p := &fileProvider{path: path}
	if _, err := p.Retrieve(); !errors.Is(err, ErrDenied) {
		t.Errorf("no file: %v, want ErrDenied", err)
	}
	write := func(path, key string) {
		text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = secret\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "first")
	if v, err := p.Retrieve(); err != nil || v.AccessKeyID != "first" || p.IsExpired() {
		t.Errorf("first = %+v, %v, expired %v", v, err, p.IsExpired())
	}
	write(path, "the-second")
	if !p.IsExpired() {
		t.Fatal("a changed file is not noticed")
	}
	if v, err := p.Retrieve(); err != nil || v.AccessKeyID != "the-second" {
		t.Errorf("second = %+v, %v", v, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(path+".new", "a-third-id") // as long as the second, and of the same time
	if err := errors.Join(os.Chtimes(path+".new", info.ModTime(), info.ModTime()), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if !p.IsExpired() {
		t.Error("a file in place of another is not noticed")
	}
}

func TestReaderAt(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	whole := make([]byte, 3*readAhead/2)
	for i := range whole {
		whole[i] = byte(i * 7)
	}
	if _, err := b.Put(t.Context(), "k", content(string(whole))); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 1, 5, readAhead - 3, readAhead + 9, int64(len(whole)) - 10} {
		r := NewReaderAt(t.Context(), b, "k", int64(len(whole)))
		got := make([]byte, 10)
		n, err := r.ReadAt(got, at)
		if n != 10 || err != nil || !bytes.Equal(got, whole[at:at+10]) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
	r := NewReaderAt(t.Context(), b, "k", int64(len(whole)))
	if n, err := r.ReadAt(make([]byte, 20), int64(len(whole))-5); n != 5 || !errors.Is(err, io.EOF) {
		t.Errorf("over the end: %d bytes, %v", n, err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	denied := func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodPut {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return r.Method == http.MethodPut
	}
	cases := map[string]struct {
		reason string
		server *blobtest.Server
		plain  bool
		want   error
	}{
		"Fit":      {reason: "a second writer is refused", server: &blobtest.Server{}},
		"Plain":    {reason: "a store without sums can be had, and is known for it", server: &blobtest.Server{Plain: true}, plain: true},
		"Careless": {reason: "a store that overwrites would lose evidence", server: &blobtest.Server{Careless: true}, want: ErrUnfit},
		"ReadOnly": {reason: "it is better to know before the crawl", server: &blobtest.Server{Answer: denied}, want: ErrDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, tc.server)
			for range 2 { // the second time the object is there already
				abilities, err := b.Probe(t.Context())
				if !errors.Is(err, tc.want) || (err == nil && abilities.Checksums == tc.plain) {
					t.Errorf("%s: probe = %+v, %v, want %v", tc.reason, abilities, err, tc.want)
				}
			}
			if n := len(tc.server.Keys("/bucket/")); n > 1 {
				t.Errorf("%d objects are left behind", n)
			}
		})
	}
}

func TestListInOrder(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	for _, key := range []Key{"a/2", "a/1", "b/1"} {
		if _, err := b.Put(t.Context(), key, content(string(key))); err != nil {
			t.Fatal(err)
		}
	}
	var got []Key
	if err := b.List(t.Context(), "a/", func(i Info) bool { got = append(got, i.Key); return true }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "a/1" || got[1] != "a/2" {
		t.Errorf("list = %v", got)
	}
}

func TestStuckStoreIsUnreachable(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	b := open(t, &blobtest.Server{Answer: func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Put(ctx, "k", content("x")); !errors.Is(err, ErrUnreachable) {
		t.Errorf("put = %v, want ErrUnreachable", err)
	}
}
