// Package retention decides how long what a crawl captured is kept.
//
// A run's captures are there to be looked through for a while, the screening period. What
// nobody tied to a case by then is erased. What was is kept until a date, and a legal hold
// keeps it whatever the date. (docs/retention.md)
//
// Whatever is decided lies beside the captures, in retention/00000001.json and on: each
// [Decision] is an object that is written once, and names the SHA-256 of the one before. That
// the store lets only one writer have the next number puts all decisions in one order
// ([Append]). An erasure is a decision, too: the intent to erase exact objects, made by who
// had read all decisions before it. So a hold and an erasure never cross: the one that comes
// second has the first one before it, or is refused its number and reads again.
//
// [Judge] says what follows for each object. It is pure: no clock is read in it.
package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Action is what a decision does.
type Action string

// The actions.
const (
	// Keep ties objects to a case: they are kept until a date. A later one of the same case
	// takes the place of the one before; of several cases the latest date holds.
	Keep Action = "Keep"
	// Hold keeps objects from being erased until the same case releases them.
	Hold Action = "Hold"
	// Release ends the hold of a case.
	Release Action = "Release"
	// Erase is the intent to erase objects. No later decision of a person stops it.
	Erase Action = "Erase"
	// Void says that an erasure is not carried out, and keeps nobody from keeping what it names:
	// it was written before that was due.
	Void Action = "Void"
)

// The bounds of a decision.
const (
	maxText    = 1024 // bytes of each of case, who and why
	MaxObjects = 500  // that one decision names
)

// Decision is one object of a run's retention/.
type Decision struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Run is the UID of the run, Seq the number of the decision, from 1 on, Previous the
	// SHA-256 in hex of the one before, empty for the first.
	Run      string `json:"run"`
	Seq      int64  `json:"seq"`
	Previous string `json:"previous,omitempty"`

	Action Action `json:"action"`
	// Objects are names below the prefix of the run, such as chunks/b1-a1-x.wacz. None is
	// all that the run has, but for an erasure.
	Objects []string `json:"objects,omitempty"`
	// Case is the case that objects are tied to, or held for.
	Case string `json:"case,omitempty"`
	// Until is to when they are kept.
	Until time.Time `json:"until,omitzero"`
	// By is who decided, Why the reason that was given, At when.
	By  string    `json:"by"`
	Why string    `json:"why"`
	At  time.Time `json:"at"`

	// Erasing are the objects of an erasure, each with what was known of it.
	Erasing []Erasing `json:"erasing,omitempty"`
	// Voids is the number of the erasure that is void.
	Voids int64 `json:"voids,omitempty"`
}

// Erasing is an object that is to be erased.
type Erasing struct {
	Name string `json:"name"`
	// Size and SHA256 are as the closing statement names them, or, of what it does not
	// name, as the store does; a store may not know the sum. Of the queue's state Size
	// counts the bytes of all its objects.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	// Stated is set when the closing statement names the object.
	Stated bool `json:"stated,omitempty"`
	// Missing is set when it was not there any more when this was decided: the closing
	// statement names it, and nobody had erased it.
	Missing bool `json:"missing,omitempty"`
	// Due is since when it is to be erased, For why: ScreeningEnded or KeepEnded.
	Due time.Time `json:"due"`
	For Cause     `json:"for"`
}

// What a decision calls itself. Void came with version 2: a program of before says that it does
// not know that version. All else is as it was.
const (
	format      = "crawlfleet-retention"
	version     = 1
	voidVersion = 2
)

// version is the first one that knows such a decision.
func (d *Decision) version() int {
	if d.Action == Void {
		return voidVersion
	}
	return version
}

// ErrInvalid says that a decision makes no sense.
var ErrInvalid = errors.New("not a decision about retention")

// Check finds what is wrong with a decision that somebody wants to make.
func (d *Decision) Check() error {
	for what, text := range map[string]string{"who decides": d.By, "why": d.Why, "a case": d.Case} {
		if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("%w: %s has to be said in at most %d bytes and one line", ErrInvalid, what, maxText)
		}
	}
	if strings.TrimSpace(d.By) == "" || strings.TrimSpace(d.Why) == "" || d.At.IsZero() {
		return fmt.Errorf("%w: it has to say who decides, why, and when", ErrInvalid)
	}
	if len(d.Objects) > MaxObjects || len(d.Erasing) > MaxObjects {
		return fmt.Errorf("%w: it may name %d objects at most", ErrInvalid, MaxObjects)
	}
	return d.checkAction()
}

func (d *Decision) checkAction() error {
	if (d.Action == Void) != (d.Voids > 0) {
		return fmt.Errorf("%w: the number of an erasure goes with Void, and with nothing else", ErrInvalid)
	}
	switch d.Action {
	case Void:
		if len(d.Erasing) > 0 || len(d.Objects) > 0 || d.Case != "" || !d.Until.IsZero() {
			return fmt.Errorf("%w: what is void is an erasure, and nothing else", ErrInvalid)
		}
		return nil
	case Erase:
		if len(d.Erasing) == 0 || len(d.Objects) > 0 || d.Case != "" || !d.Until.IsZero() {
			return fmt.Errorf("%w: an erasure names what it erases and nothing else", ErrInvalid)
		}
		return nil
	case Keep, Hold, Release:
	default:
		return fmt.Errorf("%w: action %q", ErrInvalid, d.Action)
	}
	switch {
	case len(d.Erasing) > 0:
		return fmt.Errorf("%w: %s erases nothing", ErrInvalid, d.Action)
	case strings.TrimSpace(d.Case) == "":
		return fmt.Errorf("%w: %s has to name a case", ErrInvalid, d.Action)
	case (d.Action == Keep) == d.Until.IsZero():
		return fmt.Errorf("%w: a time goes with Keep, and with nothing else", ErrInvalid)
	}
	for _, name := range d.Objects {
		if UnitOf(name) != name || !strings.HasSuffix(name, waczSuffix) {
			return fmt.Errorf("%w: %q is no chunk: its name begins with %s and ends with %s", ErrInvalid, name, Chunks, waczSuffix)
		}
	}
	return nil
}

// covers tells whether a decision of a person speaks of a unit.
func (d *Decision) covers(unit string) bool {
	return d.Action != Erase && d.Action != Void && (len(d.Objects) == 0 || slices.Contains(d.Objects, unit))
}

// encode is the decision as it is stored.
func (d *Decision) encode() ([]byte, error) {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode a decision: %w", err)
	}
	return append(data, '\n'), nil
}

func decode(data []byte) (Decision, error) {
	var d Decision
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.Format != format || d.Version < version || d.Version > voidVersion {
		return d, fmt.Errorf("%w: format %q, version %d: this program reads %s up to %d", ErrInvalid, d.Format, d.Version, format, voidVersion)
	}
	return d, d.Check()
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// The folders of a run's archive, and the name under which the state of its queue goes,
// which lies in another bucket.
const (
	Chunks     = "chunks/"
	Leads      = "leads/"
	Visits     = "visits/"
	Folder     = "retention/"
	State      = "state"
	waczSuffix = ".wacz"
)

// UnitOf is the unit that an object is decided about with: a chunk, with what lies beside it
// under its name and more, such as chunks/x.wacz.sig. Other objects are their own.
func UnitOf(name string) string {
	if rest, ok := strings.CutPrefix(name, Chunks); ok {
		if chunk, _, ok := strings.Cut(rest, waczSuffix); ok && chunk != "" {
			return Chunks + chunk + waczSuffix
		}
		return Chunks
	}
	return ""
}
