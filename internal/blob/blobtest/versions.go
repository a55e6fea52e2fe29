package blobtest

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bucket with Object Lock keeps versions: locks are of versions (Amazon S3 User Guide, "Locking
// objects with Object Lock").
func (s *Server) versioned() bool { return s.Versions || s.Locks }

// VersionsOf is how many versions and delete markers there are under a path.
func (s *Server) VersionsOf(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects[path])
}

// current is what is read under a path.
func (s *Server) current(path string) (object, bool) {
	all := s.objects[path]
	if len(all) == 0 || all[len(all)-1].marker {
		return object{}, false
	}
	return all[len(all)-1], true
}

// add stores a version, in place of the one before where none are kept.
func (s *Server) add(path string, o object) object {
	if s.objects == nil {
		s.objects = map[string][]object{}
	}
	o.at = s.now()
	if !s.versioned() {
		s.objects[path] = []object{o}
		return o
	}
	s.made++
	o.id = fmt.Sprintf("version-%06d", s.made)
	s.objects[path] = append(s.objects[path], o)
	return o
}

// find is the place of a version among those of its path, of the newest for no ID, or -1.
func (s *Server) find(path, id string) int {
	all := s.objects[path]
	if id == "" {
		return len(all) - 1
	}
	return slices.IndexFunc(all, func(o object) bool { return o.id == id })
}

// tell says in an answer which version it is about.
func (o object) tell(w http.ResponseWriter) {
	if o.id != "" {
		w.Header().Set("X-Amz-Version-Id", o.id)
	}
	if o.marker {
		w.Header().Set("X-Amz-Delete-Marker", "true")
	}
}

// serve answers GET and HEAD of an object or of a version of it. As the Versity gateway it does not
// tell the locks of a version that is not the newest in the heads.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("versionId")
	s.mu.Lock()
	have, i := object{}, s.find(r.URL.Path, id)
	newest := i == len(s.objects[r.URL.Path])-1
	if i >= 0 {
		have = s.objects[r.URL.Path][i]
	}
	s.mu.Unlock()
	have.tell(w)
	switch {
	case have.marker && id != "":
		Fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	case i < 0 && id != "":
		Fail(w, http.StatusNotFound, "NoSuchVersion")
		return
	case i < 0 || have.marker:
		Fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	maps.Copy(w.Header(), have.header)
	w.Header().Set("ETag", have.etag())
	if have.until != "" && newest {
		w.Header().Set("X-Amz-Object-Lock-Retain-Until-Date", have.until)
	}
	if have.hold != "" && newest {
		w.Header().Set("X-Amz-Object-Lock-Legal-Hold", have.hold)
	}
	http.ServeContent(w, r, "", have.at, bytes.NewReader(have.body))
}

// remove answers DELETE, also of what is not there. Where versions are kept it hides an object,
// unless it names the version that is to go.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, id := r.URL.Path, r.URL.Query().Get("versionId")
	i := s.find(path, id)
	switch {
	case s.versioned() && id == "":
		s.add(path, object{marker: true})
	case i >= 0 && s.locked(s.objects[path][i]):
		Fail(w, http.StatusForbidden, "AccessDenied")
		return
	case i >= 0:
		if s.objects[path] = slices.Delete(s.objects[path], i, i+1); len(s.objects[path]) == 0 {
			delete(s.objects, path)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// listVersions answers ListObjectVersions. A page has its delete markers first, as that of the
// Versity gateway: nobody may rely on seeing all of a key together.
func (s *Server) listVersions(w http.ResponseWriter, r *http.Request) {
	type version struct {
		entry
		VersionId string
		IsLatest  bool
	}
	var list struct {
		XMLName                            xml.Name `xml:"ListVersionsResult"`
		IsTruncated                        bool
		NextKeyMarker, NextVersionIdMarker string
		DeleteMarker, Version              []version
	}
	query := r.URL.Query()
	bucket := "/" + strings.Trim(r.URL.Path, "/") + "/"
	after, afterID := query.Get("key-marker"), query.Get("version-id-marker")
	most := cmp.Or(s.Page, 1000)
	if asked, err := strconv.Atoi(query.Get("max-keys")); err == nil {
		most = min(most, asked)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		key, ok := strings.CutPrefix(path, bucket)
		if !ok || !strings.HasPrefix(key, query.Get("prefix")) || key < after || key == after && afterID == "" {
			continue
		}
		for i, o := range slices.Backward(s.objects[path]) { // the newest first
			if key == after && o.id >= afterID {
				continue
			}
			if len(list.Version)+len(list.DeleteMarker) == most {
				list.IsTruncated = true
				break
			}
			list.NextKeyMarker, list.NextVersionIdMarker = key, o.id
			v := version{o.entry(key), o.id, i == len(s.objects[path])-1}
			if o.marker {
				list.DeleteMarker = append(list.DeleteMarker, v)
			} else {
				list.Version = append(list.Version, v)
			}
		}
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(list) // the client may be gone
}

// lock takes, and tells, what keeps a version from being deleted (Amazon S3 API Reference,
// PutObjectRetention and PutObjectLegalHold). Retention may be extended, and not shortened.
func (s *Server) lock(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, id := r.URL.Path, r.URL.Query().Get("versionId")
	i := s.find(path, id)
	switch {
	case !s.Locks:
		Fail(w, http.StatusBadRequest, "InvalidRequest")
		return
	case i < 0 && id != "":
		Fail(w, http.StatusNotFound, "NoSuchVersion")
		return
	case i < 0:
		Fail(w, http.StatusNotFound, "NoSuchKey")
		return
	case s.objects[path][i].marker:
		Fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	}
	have := &s.objects[path][i]
	if r.Method == http.MethodGet {
		have.tellLock(w, r.URL.Query().Has("retention"))
		return
	}
	var asked struct{ RetainUntilDate, Status string }
	if err := xml.Unmarshal(body, &asked); err != nil {
		Fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	if asked.RetainUntilDate != "" && asked.RetainUntilDate < have.until {
		Fail(w, http.StatusForbidden, "AccessDenied")
		return
	}
	have.until, have.hold = cmp.Or(asked.RetainUntilDate, have.until), cmp.Or(asked.Status, have.hold)
}

// tellLock answers GetObjectRetention, as the Versity gateway calls the element, or
// GetObjectLegalHold.
func (o object) tellLock(w http.ResponseWriter, retention bool) {
	w.Header().Set("Content-Type", "application/xml")
	switch {
	case retention && o.until != "":
		_, _ = io.WriteString(w, "<ObjectLockRetention><Mode>GOVERNANCE</Mode><RetainUntilDate>"+o.until+"</RetainUntilDate></ObjectLockRetention>")
	case !retention && o.hold != "":
		_, _ = io.WriteString(w, "<LegalHold><Status>"+o.hold+"</Status></LegalHold>")
	default:
		Fail(w, http.StatusNotFound, "NoSuchObjectLockConfiguration")
	}
}

// locked tells whether a version may not be deleted now.
func (s *Server) locked(o object) bool {
	until, err := time.Parse(time.RFC3339, o.until)
	return err == nil && s.now().Before(until) || o.hold == "ON"
}
