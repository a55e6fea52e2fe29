package workflows

import "fmt"

// EarlierRun names the run that the pages of another are compared with.
type EarlierRun struct {
	// Run is the UID of its CrawlJob, Name the name.
	Run  string `json:"run"`
	Name string `json:"name"`
	// Archive is where its snapshots are; empty where the CrawlJob is gone: then they are
	// where the order that names it stores its own.
	Archive Archive `json:"archive,omitzero"`
}

// Compared counts archived pages by how they are beside an earlier run.
type Compared struct {
	Unchanged int64 `json:"unchanged,omitempty"`
	Changed   int64 `json:"changed,omitempty"`
	// New are those that the earlier run did not archive.
	New int64 `json:"new,omitempty"`
	// NotCompared are those of which it cannot be said; the record of each says why.
	NotCompared int64 `json:"notCompared,omitempty"`
}

// Plus adds up two counts.
func (c Compared) Plus(o Compared) Compared {
	return Compared{c.Unchanged + o.Unchanged, c.Changed + o.Changed, c.New + o.New, c.NotCompared + o.NotCompared}
}

// compared says what came of the comparison with an earlier run, for the verdict; empty when
// there is none.
func (r *run) compared(c Compared) string {
	with := r.in.Spec.CompareWith
	if with == nil || c == (Compared{}) {
		return ""
	}
	text := fmt.Sprintf(" (compared with %s: %d unchanged, %d changed, %d new", with.Name, c.Unchanged, c.Changed, c.New)
	if c.NotCompared > 0 {
		text += fmt.Sprintf(", %d not compared", c.NotCompared)
	}
	return text + ")"
}
