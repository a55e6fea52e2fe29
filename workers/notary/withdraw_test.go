package notary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/tsa"
)

const (
	chunk      blob.Key = "ns/name/uid/chunks/1.wacz"
	sidecarKey          = chunk + evidence.SidecarSuffix
	sidecarAt           = "/archive/" + string(sidecarKey)
)

func connect(t *testing.T, endpoint string) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: endpoint, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("archive")
}

// hooked serves a store and calls hook after each request.
func hooked(t *testing.T, server *blobtest.Server, hook func(r *http.Request)) *blob.Bucket {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
		hook(r)
	}))
	t.Cleanup(s.Close)
	return connect(t, s.URL)
}

func contentOfText(text string) blob.Content {
	sum := sha256.Sum256([]byte(text))
	return blob.Content{Body: bytes.NewReader([]byte(text)), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

// desk is a notary with an authority that may be away, and an object to vouch for.
type desk struct {
	*Notary
	authority *answering
	server    *blobtest.Server
	direct    *blob.Bucket
	object    Object
}

func newDesk(t *testing.T, server *blobtest.Server) desk {
	t.Helper()
	a, err := tsa.NewAuthority("test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := evidence.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := desk{server: server, authority: &answering{authority: a}, direct: connect(t, server.Start(t))}
	d.Notary = &Notary{
		Signer: &evidence.Signer{Keys: keyOf{key}, Software: "test"}, Logger: slog.New(slog.DiscardHandler),
		Authorities: []evidence.Authority{{Name: "tsa.example", URL: "http://tsa.example/"}}, Stamper: func(evidence.Authority) evidence.Stamper { return d.authority },
	}
	c := contentOfText("of a chunk")
	if _, err := d.direct.Put(t.Context(), chunk, c); err != nil {
		t.Fatal(err)
	}
	d.object = Object{Key: chunk, Size: c.Size, SHA256: c.SHA256, Plain: true}
	return d
}

// vouch vouches for the object, with a hook after the sidecar is written.
func (d desk) vouch(t *testing.T, written func()) (int, error) {
	t.Helper()
	store := hooked(t, d.server, func(r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, evidence.SidecarSuffix) {
			written()
		}
	})
	return d.Vouch(t.Context(), store, Order{Run: "uid"}, d.object)
}

func (d desk) erase(t *testing.T, keys ...blob.Key) {
	t.Helper()
	for _, key := range keys {
		if _, err := d.direct.Erase(context.WithoutCancel(t.Context()), key); err != nil {
			t.Error(err)
		}
	}
}

// TestErasedMeanwhile: what is written beside an object while that is erased is taken back, and
// nothing else is.
func TestErasedMeanwhile(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		before bool // a sidecar is there that is owed a stamp
		hook   func(*testing.T, desk)
		// left is how many versions of the sidecar are left, in a bucket that keeps none and in
		// one that does.
		left [2]int
		owed int
	}{
		"Created":      {reason: "nobody listed it", hook: func(t *testing.T, d desk) { d.erase(t, chunk) }, left: [2]int{0, 0}},
		"Replaced":     {reason: "the one before is there to be erased by who listed it", before: true, hook: func(t *testing.T, d desk) { d.erase(t, chunk) }, left: [2]int{0, 1}},
		"BothErased":   {reason: "who erases saw it", hook: func(t *testing.T, d desk) { d.erase(t, chunk, sidecarKey) }, left: [2]int{0, 0}, owed: 1},
		"Stays":        {reason: "the object is there", hook: func(*testing.T, desk) {}, left: [2]int{1, 1}, owed: 1},
		"StaysStamped": {reason: "the object is there", before: true, hook: func(*testing.T, desk) {}, left: [2]int{1, 2}},
		"OtherIsGone":  {reason: "what is gone has another name", hook: func(t *testing.T, d desk) { d.erase(t, "ns/name/uid/chunks/1") }, left: [2]int{1, 1}, owed: 1},
		"NotOurs": {reason: "another wrote it anew, and looks itself", hook: func(t *testing.T, d desk) {
			d.erase(t, chunk)
			have, err := d.direct.Head(t.Context(), sidecarKey)
			if err == nil {
				_, err = d.direct.Replace(t.Context(), sidecarKey, have.ETag, contentOfText("of another"))
			}
			if err != nil {
				t.Error(err)
			}
		}, left: [2]int{1, 1}},
	}
	for name, tc := range cases {
		for kind, versions := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " versions ", versions), func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, &blobtest.Server{Versions: versions})
				if tc.before {
					if owed, err := d.vouch(t, func() {}); owed != 1 || err != nil {
						t.Fatalf("%d, %v", owed, err)
					}
					d.authority.back = true
				}
				if owed, err := d.vouch(t, func() { tc.hook(t, d) }); err != nil || owed != tc.owed {
					t.Errorf("%s: %d are owed, %v", tc.reason, owed, err)
				}
				if n := d.server.VersionsOf(sidecarAt); n != tc.left[kind] {
					t.Errorf("%s: %d versions of the sidecar are left, want %d", tc.reason, n, tc.left[kind])
				}
			})
		}
	}
}

// TestHiddenIsNotErased: a chunk that a plain DELETE hides has not gone, and keeps its sidecar.
func TestHiddenIsNotErased(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"Created": false, "Replaced": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, &blobtest.Server{Versions: true, Page: 1})
			if before {
				if owed, err := d.vouch(t, func() {}); owed != 1 || err != nil {
					t.Fatalf("%d, %v", owed, err)
				}
			}
			if err := d.direct.Remove(t.Context(), chunk); err != nil {
				t.Fatal(err)
			}
			d.authority.back = true
			if owed, err := d.vouch(t, func() {}); owed != 0 || err != nil {
				t.Errorf("%d, %v", owed, err)
			}
			if sc, err := read(t.Context(), d.direct, sidecarKey); err != nil || len(sc.Owed()) > 0 {
				t.Errorf("the sidecar: %+v, %v", sc, err)
			}
		})
	}
}

// decide makes the next decision about the run.
func (d desk) decide(t *testing.T, decision retention.Decision) {
	t.Helper()
	decision.By, decision.Why, decision.At = "desk", "a test", time.Now()
	l, err := retention.Read(t.Context(), d.direct, "ns/name/uid/")
	if err == nil {
		err = l.Append(t.Context(), d.direct, "ns/name/uid/", decision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// toErase is the decision to erase the object.
func toErase() retention.Decision {
	return retention.Decision{Action: retention.Erase, Erasing: []retention.Erasing{{Name: "chunks/1.wacz", Due: time.Now(), For: retention.ScreeningEnded}}}
}

// TestTakenBackLater: whose writer died, or could not look, is taken back by who vouches next. An
// authority is not asked for a stamp of what is not there any more.
func TestTakenBackLater(t *testing.T) {
	t.Parallel()
	for name, stamped := range map[string]bool{"Owed": false, "NothingOwed": true} {
		for _, versions := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " versions ", versions), func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, &blobtest.Server{Versions: versions})
				d.authority.back = stamped
				d.decide(t, toErase())
				d.server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
					lists := r.Method == http.MethodGet && r.URL.Query().Has("list-type")
					if lists {
						blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
					}
					return lists
				}
				for range 2 { // the second finds a sidecar
					if _, err := d.vouch(t, func() { d.erase(t, chunk) }); !errors.Is(err, blob.ErrDenied) {
						t.Errorf("nobody knows whether it is there: %v, want ErrDenied", err)
					}
				}
				d.server.Answer = nil
				asked := d.authority.asked
				if owed, err := d.VouchAll(t.Context(), d.direct, Order{Run: "uid"}, []Object{d.object}); owed != 0 || err != nil || d.authority.asked != asked {
					t.Errorf("%d, %v, asked %d times", owed, err, d.authority.asked-asked)
				}
				if n := d.server.VersionsOf(sidecarAt); n > 0 {
					t.Errorf("%d versions of the sidecar are left", n)
				}
			})
		}
	}
}

// TestNotTakenBack: of what is gone, and nobody erased, the sidecar says what it was.
func TestNotTakenBack(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		decide func(*testing.T, desk)
		owed   int
		fails  bool // the store refuses the removal
	}{
		"Missing": {reason: "nobody erased it", decide: func(*testing.T, desk) {}},
		"Void": {reason: "that nobody carries out", decide: func(t *testing.T, d desk) {
			d.decide(t, toErase())
			d.decide(t, retention.NewVoid(1, "desk", time.Now()))
		}},
		"Held": {reason: "what is left of a run is held", decide: func(t *testing.T, d desk) {
			d.decide(t, toErase())
			d.decide(t, retention.Decision{Action: retention.Hold, Case: "A"})
		}},
		"Broken": {reason: "nobody knows what was decided", decide: func(t *testing.T, d desk) {
			d.decide(t, toErase())
			d.decide(t, retention.Decision{Action: retention.Hold, Case: "A"})
			d.server.Remove("/archive/ns/name/uid/" + retention.DecisionName(1))
		}, owed: 1},
		"Refused": {reason: "it is tried again", decide: func(t *testing.T, d desk) { d.decide(t, toErase()) }, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, &blobtest.Server{})
			if owed, err := d.vouch(t, func() {}); owed != 1 || err != nil {
				t.Fatalf("%d, %v", owed, err)
			}
			tc.decide(t, d)
			d.erase(t, chunk)
			before, asked := d.server.Object(sidecarAt), d.authority.asked
			d.authority.back = true
			d.server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
				refused := tc.fails && r.Method == http.MethodDelete
				if refused {
					blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
				}
				return refused
			}
			owed, err := d.VouchAll(t.Context(), d.direct, Order{Run: "uid"}, []Object{d.object})
			if owed != tc.owed || errors.Is(err, blob.ErrDenied) != tc.fails || err != nil && !tc.fails {
				t.Errorf("%s: %d are owed, %v", tc.reason, owed, err)
			}
			if d.authority.asked != asked || !bytes.Equal(before, d.server.Object(sidecarAt)) {
				t.Errorf("%s: asked %d times, the sidecar is now %q", tc.reason, d.authority.asked-asked, d.server.Object(sidecarAt))
			}
		})
	}
}

// TestListIsNotBelieved: a list that does not show what was just written says nothing of the object.
func TestListIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"Empty":   func(w http.ResponseWriter) { _, _ = w.Write([]byte("<ListBucketResult/>")) },
		"Refused": func(w http.ResponseWriter) { blobtest.Fail(w, http.StatusForbidden, "AccessDenied") },
		"Missing": func(w http.ResponseWriter) { blobtest.Fail(w, http.StatusNotFound, "NoSuchBucket") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &blobtest.Server{}
			server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
				lists := r.Method == http.MethodGet && r.URL.Query().Has("list-type")
				if lists {
					answer(w)
				}
				return lists
			}
			d := newDesk(t, server)
			if _, err := d.vouch(t, func() {}); (err != nil) != (name != "Empty") || err != nil && errors.Is(err, blob.ErrNotFound) {
				t.Error(err)
			}
			if server.Object(sidecarAt) == nil {
				t.Error("the sidecar is removed")
			}
		})
	}
}
