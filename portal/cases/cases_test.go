package cases_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

var when = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func chunk(n int) blob.Key {
	return blob.Key(fmt.Sprintf("research/board/uid-1/chunks/b%d.wacz", n))
}

func capture(n int) cases.Capture { return cases.NewCapture(chunk(n), fmt.Sprintf("urn:uuid:p%d", n)) }

// entries number events as a chain does.
func entries(events ...cases.Event) (all []cases.Entry) {
	for i := range events {
		all = append(all, cases.Entry{Seq: int64(i + 1), By: fmt.Sprintf("person-%d", i+1), At: when.Add(time.Duration(i) * time.Minute), Event: &events[i]})
	}
	return all
}

var opened = cases.Event{Kind: cases.Opened, Title: "Harbour"}

func TestFold(t *testing.T) {
	t.Parallel()
	one, two := capture(1), capture(2)
	add := cases.Event{Kind: cases.Added, Captures: []cases.Capture{one, two}}
	by := func(n int) cases.Signed {
		return cases.Signed{By: fmt.Sprintf("person-%d", n), At: when.Add(time.Duration(n-1) * time.Minute)}
	}
	for _, test := range []struct {
		name   string
		events []cases.Event
		want   cases.Case
		wrong  error
	}{
		{name: "nothing", events: nil, want: cases.Case{Captures: []cases.Item{}}},
		{name: "opened", events: []cases.Event{opened}, want: cases.Case{
			State: cases.StateOpen, Title: "Harbour", Opened: by(1), Changed: by(1), Version: 1, Captures: []cases.Item{},
		}},
		{name: "captures added twice are there once", events: []cases.Event{opened, add, {Kind: cases.Added, Captures: []cases.Capture{two}}}, want: cases.Case{
			State: cases.StateOpen, Title: "Harbour", Opened: by(1), Changed: by(3), Version: 3,
			Captures: []cases.Item{{Capture: one, Added: by(2)}, {Capture: two, Added: by(2)}},
		}},
		{name: "what was said of a capture goes with it", events: []cases.Event{
			opened, add,
			{Kind: cases.Noted, Capture: two.ID, Text: "the same room\nas before"},
			{Kind: cases.Tagged, Capture: two.ID, Tags: []string{"b", "a"}},
			{Kind: cases.Decided, Capture: two.ID, Decision: cases.NeedsReview},
			{Kind: cases.Decided, Capture: two.ID, Decision: cases.HandOver, Reason: "seen by two"},
			{Kind: cases.Untagged, Capture: two.ID, Tags: []string{"b", "never there"}},
			{Kind: cases.Noted, Text: "about the case"},
			{Kind: cases.Removed, Captures: []cases.Capture{one}, Reason: "another harbour"},
		}, want: cases.Case{
			State: cases.StateOpen, Title: "Harbour", Opened: by(1), Changed: by(9), Version: 9,
			About: cases.About{Notes: []cases.Note{{Signed: by(8), Text: "about the case"}}},
			Captures: []cases.Item{{Capture: two, Added: by(2), About: cases.About{
				Notes: []cases.Note{{Signed: by(3), Text: "the same room\nas before"}}, Tags: []string{"a"},
				Decision: &cases.Decision{Signed: by(6), Word: cases.HandOver, Reason: "seen by two"},
			}}},
		}},
		{name: "what comes back starts anew", events: []cases.Event{
			opened, add, {Kind: cases.Tagged, Capture: one.ID, Tags: []string{"x"}}, {Kind: cases.Removed, Captures: []cases.Capture{one}, Reason: "r"}, add,
		}, want: cases.Case{
			State: cases.StateOpen, Title: "Harbour", Opened: by(1), Changed: by(5), Version: 5,
			Captures: []cases.Item{{Capture: two, Added: by(2)}, {Capture: one, Added: by(5)}},
		}},
		{name: "closed", events: []cases.Event{opened, {Kind: cases.Closed, Reason: "done"}}, want: cases.Case{
			State: cases.StateClosed, Title: "Harbour", Opened: by(1), Changed: by(2), Closed: new(by(2)), Version: 2, Captures: []cases.Item{},
		}},
		{name: "reopened", events: []cases.Event{opened, {Kind: cases.Closed, Reason: "done"}, {Kind: cases.Reopened, Reason: "not yet"}}, want: cases.Case{
			State: cases.StateOpen, Title: "Harbour", Opened: by(1), Changed: by(3), Version: 3, Captures: []cases.Item{},
		}},
		{name: "not opened", events: []cases.Event{add}, wrong: chain.ErrNotFound},
		{name: "opened twice", events: []cases.Event{opened, opened}, wrong: cases.ErrExists},
		{name: "closed and written in", events: []cases.Event{opened, {Kind: cases.Closed, Reason: "done"}, add}, wrong: cases.ErrClosed},
		{name: "closed twice", events: []cases.Event{opened, {Kind: cases.Closed, Reason: "done"}, {Kind: cases.Closed, Reason: "done"}}, wrong: cases.ErrClosed},
		{name: "reopened while it is open", events: []cases.Event{opened, {Kind: cases.Reopened, Reason: "r"}}, wrong: cases.ErrNotClosed},
		{name: "removed what is not there", events: []cases.Event{opened, {Kind: cases.Removed, Captures: []cases.Capture{one}, Reason: "r"}}, wrong: cases.ErrNotInCase},
		{name: "said of what is not there", events: []cases.Event{opened, {Kind: cases.Noted, Capture: one.ID, Text: "t"}}, wrong: cases.ErrNotInCase},
		{name: "of another namespace", events: []cases.Event{opened, {Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture("other/board/u/chunks/c.wacz", "p")}}}, wrong: cases.ErrNamespace},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := entries(test.events...)
			got, err := cases.Fold("research", "c-17", log)
			if test.wrong != nil {
				if !errors.Is(err, test.wrong) || !errors.Is(err, chain.ErrBroken) {
					t.Errorf("error %v, want %v", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			test.want.Namespace, test.want.Name, test.want.History = "research", "c-17", log
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	one := capture(1)
	many := make([]cases.Capture, cases.MaxAtOnce+1)
	for i := range many {
		many[i] = capture(i)
	}
	forged := one
	forged.Page = "urn:uuid:another"
	for name, e := range map[string]cases.Event{
		"no kind":                 {},
		"a kind that is not ours": {Kind: "Suspected", Text: "t"},
		"no title":                {Kind: cases.Opened},
		"title of two lines":      {Kind: cases.Opened, Title: "a\nb"},
		"title too long":          {Kind: cases.Opened, Title: strings.Repeat("x", cases.MaxTitle+1)},
		"member of another kind":  {Kind: cases.Opened, Title: "a", Text: "b"},
		"no captures":             {Kind: cases.Added},
		"too many captures":       {Kind: cases.Added, Captures: many},
		"captures named twice":    {Kind: cases.Added, Captures: []cases.Capture{one, one}},
		"ID of another page":      {Kind: cases.Added, Captures: []cases.Capture{forged}},
		"no chunk":                {Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture("research/board/u/run.json", "p")}},
		"no key":                  {Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture("research/../u/chunks/c.wacz", "p")}},
		"no page":                 {Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture(chunk(1), "")}},
		"removed without reason":  {Kind: cases.Removed, Captures: []cases.Capture{one}},
		"empty note":              {Kind: cases.Noted, Text: " \n"},
		"note too long":           {Kind: cases.Noted, Text: strings.Repeat("x", cases.MaxNote+1)},
		"note with controls":      {Kind: cases.Noted, Text: "\x1b[2J"},
		"note that is no text":    {Kind: cases.Noted, Text: "\xff"},
		"tag too long":            {Kind: cases.Tagged, Tags: []string{strings.Repeat("é", cases.MaxTag+1)}},
		"tag with spaces":         {Kind: cases.Tagged, Tags: []string{" a"}},
		"tag twice":               {Kind: cases.Tagged, Tags: []string{"a", "a"}},
		"empty tag":               {Kind: cases.Tagged, Tags: []string{""}},
		"another decision":        {Kind: cases.Decided, Decision: "Guilty"},
		"closed without reason":   {Kind: cases.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := e.Check(); !errors.Is(err, chain.ErrInvalid) {
				t.Errorf("error %v", err)
			}
		})
	}
	for name, e := range map[string]cases.Event{
		"a tag of 64 characters": {Kind: cases.Tagged, Tags: []string{strings.Repeat("é", cases.MaxTag)}},
		"a note with joiners":    {Kind: cases.Noted, Text: "\U0001f469\u200d\U0001f527\tمی\u200cخواهم\n"},
	} {
		if err := e.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFullCase(t *testing.T) {
	t.Parallel()
	events := []cases.Event{opened}
	for n := 0; n < cases.MaxCaptures; n += cases.MaxAtOnce {
		e := cases.Event{Kind: cases.Added}
		for i := range cases.MaxAtOnce {
			e.Captures = append(e.Captures, capture(n+i))
		}
		events = append(events, e)
	}
	c, err := cases.Fold("research", "c-17", entries(events...))
	if err != nil || len(c.Captures) != cases.MaxCaptures {
		t.Fatal(err)
	}
	if c.Item(capture(77).ID) == nil || c.Item("nothing") != nil {
		t.Error("a capture is not found by its ID")
	}
	again := append(events, cases.Event{Kind: cases.Added, Captures: []cases.Capture{capture(5)}})
	if _, err := cases.Fold("research", "c-17", entries(again...)); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	more := append(events, cases.Event{Kind: cases.Added, Captures: []cases.Capture{capture(cases.MaxCaptures)}})
	if _, err := cases.Fold("research", "c-17", entries(more...)); !errors.Is(err, cases.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	var tags []cases.Event
	for i := range cases.MaxTags + 1 {
		tags = append(tags, cases.Event{Kind: cases.Tagged, Tags: []string{fmt.Sprint(i)}})
	}
	if _, err := cases.Fold("research", "c-17", entries(append([]cases.Event{opened}, tags...)...)); !errors.Is(err, cases.ErrFull) {
		t.Errorf("a tag too many: %v", err)
	}
}

// TestIDs pins how a capture is called: other packages have to find the same.
func TestIDs(t *testing.T) {
	t.Parallel()
	// printf 'research/board/uid-1/chunks/b1.wacz\nurn:uuid:p1' | sha256sum
	if got, want := capture(1).ID, catalog.ID("5867cb3442a5ffb1169bbf4dc7cf096f"); got != want {
		t.Errorf("ID %s, want %s", got, want)
	}
}
