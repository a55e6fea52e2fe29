package access

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/portal/words"
)

// The headers by which a program says what it looks for.
const (
	PurposeHeader = "Crawlfleet-Purpose"
	CaseHeader    = "Crawlfleet-Case"
)

// The bounds of what a person says they look for, in bytes: the custody log takes a little more.
const (
	maxPurpose = 200
	maxCase    = 100
)

// Ask is from which deed on a person has to say what they look for.
type Ask string

// Each asks for the deeds of the one before, too.
const (
	AskNever  Ask = "never"
	AskExport Ask = "export" // before a case is handed over
	AskCopy   Ask = "copy"   // before a file is downloaded
	AskLook   Ask = "look"   // before a snapshot is seen
)

// deeds are the rights that a purpose can be asked for.
var deeds = map[Right]Ask{Export: AskExport, Copy: AskCopy, Look: AskLook}

// Asks are all there are.
func Asks() []Ask { return []Ask{AskNever, AskExport, AskCopy, AskLook} }

// Policy says when a person has to say what they look for. The zero Policy never asks.
type Policy struct {
	// AskPurpose is from which deed on.
	AskPurpose Ask
	// Purposes are those to choose from; free words where there are none.
	Purposes []string
	// AskCase asks for a case, too.
	AskCase bool
}

// Policies give the Policy of the moment. The error is that nobody knows it, and then nothing is seen
// that a Policy could ask a purpose for.
type Policies interface {
	Current() (Policy, error)
}

// Current implements [Policies]: a Policy that stays as it is.
func (p Policy) Current() (Policy, error) { return p, nil }

// AtLeast is the Policy with what another one asks for beside it. The purposes to choose from stay
// its own.
func (p Policy) AtLeast(floor Policy) Policy {
	if slices.Index(Asks(), floor.AskPurpose) > slices.Index(Asks(), p.AskPurpose) {
		p.AskPurpose = floor.AskPurpose
	}
	p.AskCase = p.AskCase || floor.AskCase
	return p
}

// Asked tells whether a right is not used without a purpose.
func (p Policy) Asked(right Right) bool {
	deed := deeds[right]
	return deed != "" && slices.Index(Asks(), deed) <= slices.Index(Asks(), p.AskPurpose)
}

// unfit is what is wrong with what somebody says they look for, for them to read.
type unfit struct{ words.Said }

// Error implements error.
func (u unfit) Error() string { return u.String() }

func unfitf(text string, args ...any) error { return unfit{words.Say(text, args...)} }

// Check checks what somebody says they look for. The error is for them to read.
func (p Policy) Check(purpose, reference string) error {
	if err := inOrder(purpose, reference); err != nil {
		return err
	}
	switch {
	case purpose == "":
		return unfitf("say what you look for")
	case len(p.Purposes) > 0 && !slices.Contains(p.Purposes, purpose):
		return unfitf("the purpose must be one of: %s", strings.Join(p.Purposes, ", "))
	case p.AskCase && reference == "":
		return unfitf("name the case")
	}
	return nil
}

// inOrder checks that the custody log takes what somebody says.
func inOrder(purpose, reference string) error {
	if err := line(words.Say("the purpose"), purpose, maxPurpose); err != nil {
		return err
	}
	return line(words.Say("the case"), reference, maxCase)
}

// line checks that something is one line of text that the custody log takes.
func line(what words.Said, s string, most int) error {
	switch {
	case len(s) > most:
		return unfitf("%s is too long: it has %d bytes, and may have %d", what, len(s), most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return unfitf("%s must be one line of text", what)
	case strings.Contains(s, "//") || strings.Contains(strings.ToLower(s), "www."):
		return unfitf("%s must not hold the address of a page: it goes into the custody log", what)
	}
	return nil
}

// purposed adds what the person said they look for: in headers, or before.
func (g *Gate) purposed(r *http.Request, p Person) Person {
	p.Purpose, p.Case = g.Sessions.purpose(r, p)
	if purpose := r.Header.Get(PurposeHeader); purpose != "" {
		p.Purpose, p.Case = strings.TrimSpace(purpose), ""
	}
	if reference := r.Header.Get(CaseHeader); reference != "" {
		p.Case = strings.TrimSpace(reference)
	}
	return p
}

// sentOn is what a form says beside what it is about, for a deed that a purpose can be asked for.
func (g *Gate) sentOn(r *http.Request, need Need) (purpose, reference string, ok bool) {
	if g.Said == nil || r.Method != http.MethodPost || deeds[need.right] == "" {
		return "", "", false
	}
	return g.Said(r)
}

// policy is that of the moment. Its error is a *[Problem].
func (g *Gate) policy() (Policy, error) {
	if g.Policy == nil {
		return Policy{}, nil
	}
	p, err := g.Policy.Current()
	if err != nil {
		return p, policyUnknown(err)
	}
	return p, nil
}

// checkPurpose checks that a person said what they look for as far as that is asked. What is said
// without being asked has to be in order, too: it goes into the custody log.
func (g *Gate) checkPurpose(r *http.Request, p Person, right Right) error {
	var policy Policy
	if deeds[right] != "" {
		var err error
		if policy, err = g.policy(); err != nil {
			return err
		}
	}
	check := inOrder
	if policy.Asked(right) {
		check = policy.Check
	}
	if err := check(p.Purpose, p.Case); err != nil {
		return purposeNeeded(policy, p.Purpose, p.Case, returnPath(r), err)
	}
	return nil
}

func purposeNeeded(policy Policy, purpose, reference, back string, wrong error) *PurposeNeeded {
	needed := &PurposeNeeded{
		Problem: Problem{
			Status: http.StatusPreconditionRequired, Reason: ReasonPurposeNeeded,
			Text: "Say what you look for.", Hint: "It is written down with what you look at. Programs say it in the headers %s and %s.", HintArgs: []any{PurposeHeader, CaseHeader},
		},
		Policy: policy, Purpose: purpose, Case: reference, Return: back,
	}
	var what unfit
	if (purpose != "" || reference != "") && errors.As(wrong, &what) {
		needed.Wrong = what.Said
	}
	return needed
}

// Asked is what a program is told that has to say what it looks for.
type Asked struct {
	// Wrong is what is wrong with what was said.
	Wrong string `json:"wrong,omitempty"`
	// Purposes are those to choose from; any will do where there are none.
	Purposes []string `json:"purposes"`
	// Case says whether the case has to be said, too: Required or Optional, as the policy of a CrawlFleet does.
	Case string `json:"case"`
}

// Asked is what a program is told, with a hint that says it, too.
func (p *PurposeNeeded) Asked() (asked Asked, hint string) {
	asked = Asked{Wrong: p.Wrong.String(), Purposes: append([]string{}, p.Policy.Purposes...), Case: "Optional"}
	if p.Policy.AskCase {
		asked.Case = "Required"
	}
	_, hint = p.Say(words.English)
	switch {
	case asked.Wrong != "":
		hint = "Wrong: " + asked.Wrong + ". " + hint
	case len(asked.Purposes) > 0:
		hint = "One of: " + strings.Join(asked.Purposes, ", ") + ". " + hint
	}
	return asked, hint
}

// personAndPolicy are who asks, and what they have to say they look for.
func (g *Gate) personAndPolicy(w http.ResponseWriter, r *http.Request) (p Person, policy Policy, err error) {
	if p, err = g.person(w, r); err == nil {
		policy, err = g.policy()
	}
	return p, policy, err
}

// changePurpose asks a person anew what they look for, with what they said before filled in.
func (g *Gate) changePurpose(w http.ResponseWriter, r *http.Request) {
	p, policy, err := g.personAndPolicy(w, r)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	p = g.purposed(r, p)
	needed := purposeNeeded(policy, p.Purpose, p.Case, LocalPath(r.URL.Query().Get("return")), errors.New(""))
	needed.Status = http.StatusOK // nothing is refused
	w.Header().Set("Cache-Control", "no-store")
	g.Problem(w, r.WithContext(With(r.Context(), p)), needed)
}

// setPurpose takes what a person says they look for, and goes on where they wanted to.
func (g *Gate) setPurpose(w http.ResponseWriter, r *http.Request) {
	p, policy, err := g.personAndPolicy(w, r)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	purpose, reference := strings.TrimSpace(r.PostFormValue("purpose")), strings.TrimSpace(r.PostFormValue("case"))
	back := LocalPath(r.PostFormValue("return"))
	if err := policy.Check(purpose, reference); err != nil {
		g.refuse(w, r, purposeNeeded(policy, purpose, reference, back, err))
		return
	}
	if err := g.Sessions.setPurpose(w, r, p, purpose, reference); err != nil {
		g.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
