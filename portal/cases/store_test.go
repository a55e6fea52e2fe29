package cases_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

func bucket(t *testing.T, server *blobtest.Server) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "test", SecretKey: "testtest"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("bucket")
}

func clock() time.Time { return when }

func open(t *testing.T, server *blobtest.Server) *cases.Store {
	t.Helper()
	return cases.New(bucket(t, server), clock)
}

func must(t *testing.T) func(*cases.Case, error) *cases.Case {
	return func(c *cases.Case, err error) *cases.Case {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// TestConcurrentWriters: whatever people write at the same moment, in several portals, is there
// once, and all see it in the same order.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	portals := []*cases.Store{open(t, server), open(t, server), open(t, server)}
	ctx := t.Context()
	must(t)(portals[0].Open(ctx, "research", "c-17", cases.Draft{By: "ann"}, "Harbour", ""))
	const people, each = 6, 5
	var wg sync.WaitGroup
	errs := make(chan error, people*each)
	for p := range people {
		wg.Go(func() {
			for i := range each {
				n := p*each + i
				e := cases.Event{Kind: cases.Noted, Text: fmt.Sprintf("note %d", n)}
				if i%2 == 1 {
					e = cases.Event{Kind: cases.Added, Captures: []cases.Capture{capture(n)}}
				}
				_, err := portals[p%len(portals)].Append(ctx, "research", "c-17", cases.Draft{By: fmt.Sprintf("person-%d", p)}, e)
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	var order string
	for _, portal := range append(portals, open(t, server)) {
		c := must(t)(portal.Get(ctx, "research", "c-17"))
		if c.Version != people*each+1 || len(c.Notes) != people*3 || len(c.Captures) != people*2 {
			t.Errorf("version %d, %d notes, %d captures", c.Version, len(c.Notes), len(c.Captures))
		}
		var b strings.Builder
		for _, e := range c.History {
			fmt.Fprintf(&b, "%d %s %s %s\n", e.Seq, e.By, e.ID, e.Event.Text)
		}
		if order == "" {
			order = b.String()
		} else if b.String() != order {
			t.Errorf("one portal sees another order:\n%s\nthan\n%s", b.String(), order)
		}
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), open(t, &blobtest.Server{})
	ann, bob := cases.Draft{By: "ann"}, cases.Draft{By: "bob"}
	note := func(text string) cases.Event { return cases.Event{Kind: cases.Noted, Text: text} }
	closing := cases.Event{Kind: cases.Closed, Reason: "done"}
	if _, err := s.Append(ctx, "research", "c-17", ann, note("too early")); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("a note in no case: %v", err)
	}
	if _, err := s.Get(ctx, "research", "c-17"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("no case: %v", err)
	}
	c := must(t)(s.Open(ctx, "research", "c-17", ann, "Harbour", "first line\r\nsecond"))
	if c.Description != "first line\nsecond" {
		t.Errorf("description %q", c.Description)
	}
	if _, err := s.Open(ctx, "research", "c-17", bob, "Harbour", ""); !errors.Is(err, cases.ErrExists) {
		t.Errorf("opened again: %v", err)
	}
	for _, name := range []string{"", "C-17", "c/17", "..", "-c", strings.Repeat("c", 64)} {
		if _, err := s.Open(ctx, "research", name, ann, "Harbour", ""); !errors.Is(err, chain.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := s.Append(ctx, "research", "c-17", ann, closing); !errors.Is(err, cases.ErrSeen) {
		t.Errorf("closed unseen: %v", err)
	}
	must(t)(s.Append(ctx, "research", "c-17", bob, note("wait")))
	seen := ann
	seen.Seen = c.Version
	_, err := s.Append(ctx, "research", "c-17", seen, closing)
	var conflict *cases.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Since) != 1 || conflict.Since[0].Event.Text != "wait" {
		t.Errorf("closed without having seen the last note: %v", err)
	}
	seen.Seen = 2
	c = must(t)(s.Append(ctx, "research", "c-17", seen, closing))
	if c.State != cases.StateClosed {
		t.Errorf("state %s", c.State)
	}
	if _, err := s.Append(ctx, "research", "c-17", bob, note("late")); !errors.Is(err, cases.ErrClosed) {
		t.Errorf("a note in a closed case: %v", err)
	}
	if c := must(t)(s.Append(ctx, "research", "c-17", bob, cases.Event{Kind: cases.Reopened, Reason: "more came"})); c.State != cases.StateOpen {
		t.Errorf("state %s", c.State)
	}
	twice := cases.Draft{By: "ann", ID: "form-1"}
	must(t)(s.Append(ctx, "research", "c-17", twice, note("once")))
	if c := must(t)(s.Append(ctx, "research", "c-17", twice, note("once"))); c.Version != 5 {
		t.Errorf("version %d: what is sent twice is there once", c.Version)
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Versions: true}
	ctx, s := t.Context(), open(t, server)
	must(t)(s.Open(ctx, "research", "c-17", cases.Draft{By: "ann"}, "Secret harbour", ""))
	must(t)(s.Append(ctx, "research", "c-17", cases.Draft{By: "ann"}, cases.Event{Kind: cases.Noted, Text: "secret"}))
	must(t)(s.Open(ctx, "research", "c-170", cases.Draft{By: "ann"}, "Another", ""))
	other := open(t, server)
	must(t)(other.Get(ctx, "research", "c-17"))
	c := must(t)(s.Erase(ctx, "research", "c-17", "bob", "the case ended"))
	if c.State != cases.StateErased || c.Version != 3 || c.Left != 0 || c.Title != "" || c.History[0].Erased.Why != "the case ended" || c.Changed.By != "bob" {
		t.Errorf("%+v", c)
	}
	keys := server.Keys("/bucket/cases/research/c-17/")
	if len(keys) != 1 || strings.Contains(string(server.Object(keys[0])), "ecret") {
		t.Errorf("left is %v", keys)
	}
	if c := must(t)(other.Get(ctx, "research", "c-17")); c.State != cases.StateErased {
		t.Errorf("another portal, which knew it, sees %+v", c)
	}
	for _, e := range []cases.Event{{Kind: cases.Opened, Title: "again"}, {Kind: cases.Noted, Text: "late"}} {
		if _, err := other.Append(ctx, "research", "c-17", cases.Draft{By: "ann"}, e); !errors.Is(err, chain.ErrErased) {
			t.Errorf("%s: %v", e.Kind, err)
		}
	}
	if c := must(t)(s.Erase(ctx, "research", "c-17", "eve", "again")); c.Changed.By != "bob" {
		t.Errorf("erased again: %+v", c)
	}
	if _, err := s.Erase(ctx, "research", "none", "eve", "why"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("erased what is not there: %v", err)
	}
	list, err := s.List(ctx, "research")
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, sum := range list {
		if want := map[string]cases.State{"c-17": cases.StateErased, "c-170": cases.StateOpen}[sum.Name]; sum.State != want {
			t.Errorf("%+v", sum)
		}
	}
}

func TestListTellsWhatIsBroken(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	ctx, s := t.Context(), open(t, server)
	for _, name := range []string{"good", "bad"} {
		must(t)(s.Open(ctx, "research", name, cases.Draft{By: "ann"}, "Harbour "+name, ""))
		must(t)(s.Append(ctx, "research", name, cases.Draft{By: "ann"}, cases.Event{Kind: cases.Added, Captures: []cases.Capture{capture(1)}}))
		must(t)(s.Append(ctx, "research", name, cases.Draft{By: "ann"}, cases.Event{Kind: cases.Decided, Capture: capture(1).ID, Decision: cases.Relevant}))
	}
	must(t)(s.Open(ctx, "research-b", "elsewhere", cases.Draft{By: "ann"}, "Elsewhere", ""))
	server.Remove("/bucket/cases/research/bad/00000001.json")
	list, err := s.List(ctx, "research")
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, sum := range list {
		good := sum.Problem == "" && sum.Captures == 1 && sum.Decided[cases.Relevant] == 1 && sum.Title == "Harbour good"
		if good != (sum.Name == "good") || (sum.Problem != "") != (sum.Name == "bad") {
			t.Errorf("%+v", sum)
		}
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	store := open(t, server)
	for _, name := range []string{"vice/a", "vice/b", "fraud/c"} {
		namespace, name, _ := strings.Cut(name, "/")
		must(t)(store.Open(t.Context(), namespace, name, cases.Draft{By: "ann"}, "A case", ""))
	}
	put(t, bucket(t, server), "cases/No Namespace/x", []byte("of somebody else"))
	got, err := store.Namespaces(t.Context())
	if strings.Join(got, " ") != "fraud vice" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
