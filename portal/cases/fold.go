package cases

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

var (
	// ErrExists says that there is a case of that name.
	ErrExists = errors.New("there is a case of that name already")
	// ErrClosed says that the case is closed.
	ErrClosed = errors.New("the case is closed")
	// ErrNotClosed says that it is not.
	ErrNotClosed = errors.New("the case is not closed")
	// ErrNotInCase says that a capture is not in the case.
	ErrNotInCase = errors.New("is not in the case")
	// ErrFull says that a case has as much as it can have.
	ErrFull = errors.New("the case is full")
	// ErrNamespace says that a capture belongs to another namespace.
	ErrNamespace = errors.New("belongs to another namespace")
)

// State is how a case stands.
type State string

// The states.
const (
	StateOpen   State = "Open"
	StateClosed State = "Closed"
	StateErased State = "Erased"
)

// Case is a case as it follows from its events. It is not to be changed: others may have the
// same.
type Case struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Version is the number of the last event.
	Version int64 `json:"version"`
	State   State `json:"state"`

	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Opened is who opened the case, Changed who did the last thing, Closed who closed it.
	Opened  Signed  `json:"opened,omitzero"`
	Changed Signed  `json:"changed"`
	Closed  *Signed `json:"closed,omitempty"`

	// About is what was said about the case.
	About
	// Captures are those that are in the case, in the order in which they were added.
	Captures []Item `json:"captures"`
	// History are all events. Of a case that is erased it is the stub.
	History []Entry `json:"history"`
	// Left is how many objects an erasure has left that did not come to its end: erase again.
	Left int `json:"left,omitempty"`
}

// About is what people said about a capture or a case.
type About struct {
	Notes []Note   `json:"notes,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// Decision is the last one; those before are in the history.
	Decision *Decision `json:"decision,omitempty"`
}

// Item is a capture in a case.
type Item struct {
	Capture
	Added Signed `json:"added"`
	About
}

// Note is what somebody wrote.
type Note struct {
	Signed
	Text string `json:"text"`
}

// Decision is what somebody decided.
type Decision struct {
	Signed
	Word   Word   `json:"decision"`
	Reason string `json:"reason,omitempty"`
}

// Item is the capture of that ID, nil when it is not in the case.
func (c *Case) Item(id catalog.ID) *Item {
	i := slices.IndexFunc(c.Captures, func(it Item) bool { return it.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Captures[i]
}

// Fold makes a case of its events. The error says which event cannot have followed those before
// it: no program of ours wrote it.
func Fold(namespace, name string, events []Entry) (*Case, error) {
	c, err := fold(namespace, name, events)
	if err != nil {
		return nil, err
	}
	return &c.Case, nil
}

func fold(namespace, name string, events []Entry) (*folding, error) {
	c := &folding{Case: Case{Namespace: namespace, Name: name, Captures: []Item{}}, places: map[catalog.ID]int{}}
	for i := range events {
		e := &events[i]
		if e.Event == nil {
			return nil, fmt.Errorf("%s/%s: %w", namespace, name, chain.ErrErased)
		}
		if err := c.allows(e.Event); err != nil {
			return nil, fmt.Errorf("%s/%s: %w: number %d: %w", namespace, name, chain.ErrBroken, e.Seq, err)
		}
		c.apply(e)
	}
	return c, nil
}

// folding is a case in the making.
type folding struct {
	Case
	places map[catalog.ID]int // of captures in Captures
}

// allows says why an event cannot be the next one.
func (c *folding) allows(e *Event) error {
	switch {
	case e.Kind == Opened && c.State != "":
		return ErrExists
	case e.Kind != Opened && c.State == "":
		return chain.ErrNotFound
	case e.Kind == Reopened && c.State != StateClosed:
		return ErrNotClosed
	case e.Kind != Reopened && c.State == StateClosed:
		return ErrClosed
	}
	switch e.Kind {
	case Added:
		return c.allowsAdded(e)
	case Removed:
		for i := range e.Captures {
			if err := c.has(e.Captures[i].ID); err != nil {
				return err
			}
		}
	case Tagged:
		about, err := c.about(e.Capture)
		if err == nil && len(union(about.Tags, e.Tags)) > MaxTags {
			err = fmt.Errorf("%w: it has %d tags at most", ErrFull, MaxTags)
		}
		return err
	case Noted, Untagged, Decided:
		_, err := c.about(e.Capture)
		return err
	case Opened, Closed, Reopened: // there is nothing more to it
	}
	return nil
}

func (c *folding) allowsAdded(e *Event) error {
	more := 0
	for i := range e.Captures {
		namespace, err := e.Captures[i].Namespace()
		if err != nil {
			return err
		}
		if namespace != c.Namespace {
			return fmt.Errorf("capture %s %w: %s", e.Captures[i].ID, ErrNamespace, namespace)
		}
		if c.has(e.Captures[i].ID) != nil {
			more++
		}
	}
	if len(c.Captures)+more > MaxCaptures {
		return fmt.Errorf("%w: it has %d captures at most", ErrFull, MaxCaptures)
	}
	return nil
}

func (c *folding) has(id catalog.ID) error {
	if _, ok := c.places[id]; !ok {
		return fmt.Errorf("capture %s %w", id, ErrNotInCase)
	}
	return nil
}

// about is what was said about a capture, or about the case when the ID is empty.
func (c *folding) about(id catalog.ID) (*About, error) {
	if id == "" {
		return &c.About, nil
	}
	if err := c.has(id); err != nil {
		return nil, err
	}
	return &c.Captures[c.places[id]].About, nil
}

// apply makes an event that is allowed part of the case.
func (c *folding) apply(e *Entry) {
	v := e.Event
	c.Version, c.Changed, c.History = e.Seq, signed(e), append(c.History, *e)
	switch v.Kind {
	case Opened:
		c.State, c.Title, c.Description, c.Opened = StateOpen, v.Title, v.Description, signed(e)
	case Closed:
		by := signed(e)
		c.State, c.Closed = StateClosed, &by
	case Reopened:
		c.State, c.Closed = StateOpen, nil
	case Added:
		for _, capture := range v.Captures {
			if _, there := c.places[capture.ID]; !there {
				c.places[capture.ID] = len(c.Captures)
				c.Captures = append(c.Captures, Item{Capture: capture, Added: signed(e)})
			}
		}
	case Removed:
		c.remove(v.Captures)
	case Noted, Tagged, Untagged, Decided:
		about, _ := c.about(v.Capture) // allows has found it
		about.say(e)
	}
}

func (c *folding) remove(captures []Capture) {
	gone := map[catalog.ID]bool{}
	for i := range captures {
		gone[captures[i].ID] = true
	}
	c.Captures = slices.DeleteFunc(c.Captures, func(it Item) bool { return gone[it.ID] })
	clear(c.places)
	for i := range c.Captures {
		c.places[c.Captures[i].ID] = i
	}
}

// say adds what an event says.
func (a *About) say(e *Entry) {
	v := e.Event
	switch v.Kind {
	case Noted:
		a.Notes = append(a.Notes, Note{signed(e), v.Text})
	case Tagged:
		a.Tags = union(a.Tags, v.Tags)
	case Untagged:
		a.Tags = slices.DeleteFunc(slices.Clone(a.Tags), func(t string) bool { return slices.Contains(v.Tags, t) })
	case Decided:
		a.Decision = &Decision{signed(e), v.Decision, v.Reason}
	case Opened, Added, Removed, Closed, Reopened: // say nothing about one thing
	}
}

// union are the tags of both, in the order of their letters.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.SortFunc(all, strings.Compare)
	return slices.Compact(all)
}

// Summary is a case in a list.
type Summary struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Version   int64  `json:"version"`
	State     State  `json:"state"`
	Title     string `json:"title,omitempty"`
	Captures  int    `json:"captures"`
	Notes     int    `json:"notes"`
	// Tags are those of the case.
	Tags    []string  `json:"tags,omitempty"`
	Opened  Signed    `json:"opened,omitzero"`
	Changed Signed    `json:"changed,omitzero"`
	Closed  time.Time `json:"closed,omitzero"`
	// Decided counts the captures by what was decided about them last.
	Decided map[Word]int `json:"decided,omitempty"`
	// Problem says why the case cannot be read, empty when it can.
	Problem string `json:"problem,omitempty"`
}

// Summary is the case in a list.
func (c *Case) Summary() Summary {
	s := Summary{
		Namespace: c.Namespace, Name: c.Name, Version: c.Version, State: c.State, Title: c.Title, Captures: len(c.Captures),
		Notes: len(c.Notes), Tags: c.Tags, Opened: c.Opened, Changed: c.Changed,
	}
	if c.Closed != nil {
		s.Closed = c.Closed.At
	}
	for i := range c.Captures {
		s.Notes += len(c.Captures[i].Notes)
		if d := c.Captures[i].Decision; d != nil {
			if s.Decided == nil {
				s.Decided = map[Word]int{}
			}
			s.Decided[d.Word]++
		}
	}
	return s
}
