package cases_test

import (
	"encoding/json"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/cases"
)

// FuzzEvents: whatever stands in the store, a case is made of it or an error, and a case that is
// made is within its bounds.
func FuzzEvents(f *testing.F) {
	for _, events := range [][]cases.Event{
		{opened},
		{opened, {Kind: cases.Added, Captures: []cases.Capture{capture(1)}}, {Kind: cases.Noted, Capture: capture(1).ID, Text: "t"}},
		{opened, {Kind: cases.Tagged, Tags: []string{"a"}}, {Kind: cases.Untagged, Tags: []string{"a"}}, {Kind: cases.Closed, Reason: "r"}},
	} {
		b, err := json.Marshal(events)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var events []cases.Event
		if json.Unmarshal(data, &events) != nil {
			return
		}
		for _, e := range events {
			if e.Check() != nil {
				return
			}
		}
		c, err := cases.Fold("research", "c-17", entries(events...))
		if err != nil {
			return
		}
		if c.Version != int64(len(events)) || len(c.Captures) > cases.MaxCaptures || len(c.Tags) > cases.MaxTags {
			t.Errorf("%+v", c)
		}
		for _, it := range c.Captures {
			if c.Item(it.ID) == nil || it.ID != cases.NewCapture(it.Chunk, it.Page).ID {
				t.Errorf("%+v", it)
			}
		}
		c.Summary()
	})
}
