package portal

import (
	"encoding/json"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/follow"
)

// standing is a follower that is as far as it is told.
type standing struct {
	progress follow.Progress
	problems []follow.Problem
}

// Progress implements Follower.
func (s standing) Progress() follow.Progress { return s.progress }

// Problems implements Follower.
func (s standing) Problems() []follow.Problem { return s.problems }

// TestWhatIsNotKnownIsSaid: a page or an answer that lacks something because the portal does not know says so.
func TestWhatIsNotKnownIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	const none, timeline = "https%3A%2F%2Fnone.example%2F", "/timeline?url=https%3A%2F%2Fwww.example.org%2F"
	current := follow.Progress{Listed: noon}
	for _, tc := range []struct {
		name   string
		follow standing
		want   behind
		note   string
	}{
		{"all is known", standing{progress: current}, behind{Listed: true}, ""},
		{"not listed yet", standing{}, behind{}, "The archive was not listed yet"},
		{"not all is read", standing{progress: follow.Progress{Listed: noon, Waiting: 3}}, behind{Listed: true, Waiting: 3}, "3 files are still to be read"},
		{"the store is away", standing{progress: follow.Progress{Listed: noon, Error: "no", Since: noon}}, behind{Listed: true, Since: noon}, "has not answered since 2026-03-14 12:00:00 UTC"},
		{"a file cannot be read", standing{current, []follow.Problem{{Key: folder + "chunks/broken.wacz"}, {Key: folder + "run.json"}}}, behind{Listed: true, Unreadable: 1}, "cannot be read: 1."},
	} {
		f.server.Follow = tc.follow
		for _, path := range []string{"/api/v1/snapshots?q=none", "/api/v1/timeline?url=" + none} {
			var answer struct {
				Catalog behind `json:"catalog"`
			}
			if err := json.Unmarshal([]byte(body(t, f.get(path, "Accept", "application/json"))), &answer); err != nil || answer.Catalog != tc.want {
				t.Errorf("%s: %s: %+v, %v, want %+v", tc.name, path, answer.Catalog, err, tc.want)
			}
		}
		for _, path := range []string{"/", "/?q=none", timeline, "/timeline?url=" + none, runPath} {
			page := body(t, f.get(path))
			if tc.note == "" {
				wantNone(t, tc.name+": "+path, page, `class="note"`)
			} else {
				wantAll(t, tc.name+": "+path, page, tc.note)
			}
		}
		gone := "Nothing of this address is found yet."
		if tc.note == "" {
			gone = "Nothing of this address is archived."
		}
		wantAll(t, tc.name, body(t, f.get("/timeline?url="+none)), gone)
	}
}

// TestNothingIsNotSaidTooEarly: before the archive was listed nobody knows that it is empty.
func TestNothingIsNotSaidTooEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	page := body(t, f.get("/"))
	wantAll(t, "before the first listing", page, "The archive was not listed yet", "Nothing is found yet")
	wantNone(t, "before the first listing", page, "Nothing is archived yet")
}

// TestFilesThatCannotBeRead: what a crawl lost is counted for who may find in its namespace alone, and told
// on its page with the reason.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	f.put(t, f.bucket, folder+"chunks/c1.wacz", []byte("PK no more"))
	f.put(t, f.bucket, "south/boats/u1/chunks/c2.wacz", []byte("nor this\x1b[31m")) // a namespace without any other file
	f.catch(t)
	wantAll(t, "the search", body(t, f.get("/")), "cannot be read: 2.", `href="/crawls"`)
	wantAll(t, "the crawls", body(t, f.get("/crawls")), "1 problem")
	const said = "chunks/c1.wacz cannot be read, so what is in it is not found: "
	run := body(t, f.get(runPath))
	wantAll(t, "the crawl", run, said)
	wantNone(t, "the crawl", run, "c2.wacz", "\x1b")
	var answer Run
	if err := json.Unmarshal([]byte(body(t, f.get("/api/v1"+runPath, "Accept", "application/json"))), &answer); err != nil || len(answer.Problems) != 1 {
		t.Errorf("the API answers %+v, %v", answer, err)
	}
	f.gated(t, readRoles(t), access.Policy{})
	wantAll(t, "for who may find in one namespace", body(t, f.get("/", "Authorization", "Bearer viewer")), "cannot be read: 1.")
}
