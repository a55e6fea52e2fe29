package verify

import "slices"

// Verdict is what came of a check.
type Verdict string

// The verdicts.
const (
	// Holds: it is as it should be.
	Holds Verdict = "holds"
	// Fails: it is not; the reason says where and how.
	Fails Verdict = "fails"
	// Unchecked: nothing speaks against it, but it could not be checked; the reason says what
	// would be needed.
	Unchecked Verdict = "unchecked"
)

// Kind is what was checked.
type Kind string

// The kinds of subjects.
const (
	KindWACZ    Kind = "WACZ"
	KindRun     Kind = "Run"
	KindUnknown Kind = "Unknown"
)

// Check is one thing that was checked.
type Check struct {
	// Name is a word, such as "Resource"; the package names them all.
	Name string `json:"name"`
	// Path is the file within the subject that it is about, empty for the subject.
	Path    string  `json:"path,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Reason is for people: why it does not hold or what was seen to hold.
	Reason string `json:"reason"`
}

// Report is everything that was checked of a subject, in the order in which it rests upon each
// other.
type Report struct {
	// Subject is its path as it was given.
	Subject string `json:"subject"`
	Kind    Kind   `json:"kind"`
	// Verdict is the worst of the checks and parts.
	Verdict Verdict `json:"verdict"`
	Checks  []Check `json:"checks"`
	// Facts are what the subject says of itself, as far as its checks hold.
	Facts *Facts `json:"facts,omitempty"`
	// Signer says who signed it, nil when nobody did.
	Signer *Signer `json:"signer,omitempty"`
	// Parts are the reports of what it consists of, such as the chunks of a run.
	Parts []Report `json:"parts,omitempty"`
}

// Add takes down a check.
func (r *Report) Add(name, path string, verdict Verdict, reason string) {
	r.Checks = append(r.Checks, Check{Name: name, Path: path, Verdict: verdict, Reason: reason})
}

// Conclude sets the verdict, when everything was checked.
func (r *Report) Conclude() {
	r.Verdict = Holds
	for _, c := range r.Checks {
		r.Verdict = worse(r.Verdict, c.Verdict)
	}
	for _, p := range r.Parts {
		r.Verdict = worse(r.Verdict, p.Verdict)
	}
	if len(r.Checks) == 0 && len(r.Parts) == 0 {
		r.Verdict = Unchecked
	}
}

// order of verdicts, the better first.
var order = []Verdict{Holds, Unchecked, Fails}

func worse(a, b Verdict) Verdict {
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// Overall is the worst verdict of reports.
func Overall(reports []Report) Verdict {
	v := Holds
	for _, r := range reports {
		v = worse(v, r.Verdict)
	}
	return v
}
