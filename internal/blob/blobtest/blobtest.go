// Package blobtest is an S3 server of a few lines for tests: it keeps objects in
// memory, honours If-None-Match and If-Match, keeps versions and locks them where that is asked for,
// and fails as a test wants it to. What real servers do is tested against the development stack.
package blobtest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxObject bounds an object in bytes.
const maxObject = 256 << 20

// Server is the store. Its zero value is ready for [Server.Start].
type Server struct {
	// Answer, when it is set, may answer a request itself and then returns true. It
	// calls stored to keep the object of a PUT all the same.
	Answer func(w http.ResponseWriter, r *http.Request, stored func()) bool
	// Careless makes the server ignore If-None-Match.
	Careless bool
	// Plain makes the server compute no SHA-256: it keeps the one in the metadata.
	Plain bool
	// Versions makes the server keep what is overwritten or deleted; Page is how many versions
	// one answer lists, 1,000 unless set.
	Versions bool
	Page     int
	// Locks makes the server keep versions and lock them: it takes retention and legal holds,
	// and refuses to delete a version that is under one. Now is its clock for that, and the
	// Date of its answers, unless nil.
	Locks bool
	Now   func() time.Time

	mu      sync.Mutex
	objects map[string][]object // the versions under a path, the oldest first
	puts    int
	made    int // versions, for their IDs
}

// object is one version of an object.
type object struct {
	id     string // empty where no versions are kept
	marker bool   // it says that the object was deleted
	body   []byte
	header http.Header
	at     time.Time
	// until and hold are what locks it, as it was asked for.
	until string
	hold  string
}

// etag tells contents apart.
func (o object) etag() string { return fmt.Sprintf(`"%x"`, sha256.Sum256(o.body)) }

// Start serves the store until the test ends and returns its address.
func (s *Server) Start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Keys are the paths of all objects, /bucket/key, that begin with a prefix, in order.
func (s *Server) Keys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Sorted(maps.Keys(s.objects))
	return slices.DeleteFunc(keys, func(k string) bool {
		_, ok := s.current(k)
		return !ok || !strings.HasPrefix(k, prefix)
	})
}

// Object is the content of the object at a path, nil when there is none.
func (s *Server) Object(path string) []byte {
	return s.get(path).body
}

// get is the object at a path, a zero one when there is none.
func (s *Server) get(path string) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, _ := s.current(path)
	return o
}

// Remove loses an object, with all its versions.
func (s *Server) Remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, path)
}

// Damage flips a bit in the middle of an object, as a disk does: what the server says of it stays.
func (s *Server) Damage(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.objects[path]
	o := &versions[len(versions)-1]
	o.body = bytes.Clone(o.body)
	o.body[len(o.body)/2] ^= 1
}

// Puts is how many objects were written.
func (s *Server) Puts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

// Fail answers with an S3 error.
func Fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>made for a test</Message></Error>")
}

// put stores an object, unless it is there and must not be (once), or is not the one that it has
// to match.
func (s *Server) put(r *http.Request, body []byte, once bool, match string) (object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.current(r.URL.Path)
	if ok && once || match != "" && (!ok || match != have.etag()) {
		return object{}, false
	}
	s.puts++
	return s.add(r.URL.Path, object{body: body, header: metadata(r.Header, !s.Plain)}), true
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxObject))
	if err != nil {
		return // the client is gone
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body = unframe(body)
	}
	store := func() { s.put(r, body, false, "") }
	if s.Now != nil {
		w.Header().Set("Date", s.now().Format(http.TimeFormat))
	}
	if s.Answer != nil && s.Answer(w, r, store) {
		return
	}
	switch {
	case strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0:
		s.bucket(w, r)
	case r.URL.Query().Has("retention"), r.URL.Query().Has("legal-hold"):
		s.lock(w, r, body)
	case r.Method == http.MethodPut:
		made, ok := s.put(r, body, r.Header.Get("If-None-Match") == "*" && !s.Careless, r.Header.Get("If-Match"))
		if !ok {
			Fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		if !s.Plain {
			w.Header().Set("X-Amz-Checksum-Sha256", r.Header.Get("X-Amz-Checksum-Sha256"))
		}
		w.Header().Set("ETag", made.etag())
		made.tell(w)
	case r.Method == http.MethodDelete:
		s.remove(w, r)
	default:
		s.serve(w, r)
	}
}

// metadata are the headers that an object keeps, a SHA-256 if the server computes one.
func metadata(h http.Header, computed bool) http.Header {
	kept := http.Header{}
	for name, values := range h {
		if name == "X-Amz-Checksum-Sha256" && computed || strings.HasPrefix(name, "X-Amz-Meta-") {
			kept[name] = values
		}
	}
	return kept
}

// entry is an object as it is listed.
type entry struct {
	Key          string
	Size         int
	ETag         string
	LastModified time.Time
}

func (o object) entry(key string) entry { return entry{key, len(o.body), o.etag(), o.at} }

// bucket answers HEAD and GET of a bucket (ListObjectsV2).
func (s *Server) bucket(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case query.Has("versioning") && s.versioned():
		_, _ = io.WriteString(w, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
		return
	case query.Has("versioning"):
		_, _ = io.WriteString(w, "<VersioningConfiguration/>")
		return
	case query.Has("object-lock") && s.Locks:
		_, _ = io.WriteString(w, "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>")
		return
	case query.Has("object-lock"):
		Fail(w, http.StatusNotFound, "ObjectLockConfigurationNotFoundError")
		return
	case query.Has("versions") && s.versioned():
		s.listVersions(w, r)
		return
	case query.Has("versions"): // as a store without versions answers
		Fail(w, http.StatusNotImplemented, "NotImplemented")
		return
	case r.Method == http.MethodHead || !query.Has("list-type"):
		return
	}
	var list struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []entry
	}
	bucket := "/" + strings.Trim(r.URL.Path, "/") + "/"
	for _, path := range s.Keys(bucket + query.Get("prefix")) {
		list.Contents = append(list.Contents, s.get(path).entry(strings.TrimPrefix(path, bucket)))
	}
	slices.SortFunc(list.Contents, func(a, b entry) int { return cmp.Compare(a.Key, b.Key) })
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(list) // the client may be gone
}

func (s *Server) now() time.Time {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	return now().UTC().Truncate(time.Second)
}

// unframe takes the signature of each chunk off a body (Amazon S3 API Reference,
// "Signature calculations: transferring payload in multiple chunks").
func unframe(framed []byte) []byte {
	var body []byte
	for {
		head, rest, ok := bytes.Cut(framed, []byte("\r\n"))
		hexSize, _, _ := strings.Cut(string(head), ";")
		size, err := strconv.ParseInt(hexSize, 16, 32)
		if !ok || err != nil || size == 0 || int(size)+2 > len(rest) {
			return body
		}
		body, framed = append(body, rest[:size]...), rest[size+2:]
	}
}
