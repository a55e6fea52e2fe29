package access

import (
	"fmt"
	"net/http"

	"crawlfleet.dev/crawlfleet/portal/words"
)

// The reasons why somebody is not let through, one word each.
const (
	ReasonNotLoggedIn         = "NotLoggedIn"
	ReasonLoggedOut           = "LoggedOut" // no fault: it has been done
	ReasonTokenRefused        = "TokenRefused"
	ReasonLoginFailed         = "LoginFailed"
	ReasonLoginExpired        = "LoginExpired"
	ReasonLoginDenied         = "LoginDenied"
	ReasonProviderUnreachable = "ProviderUnreachable"
	ReasonNotAllowed          = "NotAllowed"
	ReasonRightsUnknown       = "RightsUnknown"
	ReasonPurposeNeeded       = "PurposeNeeded"
	ReasonPolicyUnknown       = "PolicyUnknown"
	ReasonCustodyUnavailable  = "CustodyUnavailable"
	ReasonCrossOrigin         = "CrossOrigin"
)

// Reasons are all of them.
func Reasons() []string {
	return []string{
		ReasonNotLoggedIn, ReasonLoggedOut, ReasonTokenRefused, ReasonLoginFailed, ReasonLoginExpired, ReasonLoginDenied, ReasonProviderUnreachable,
		ReasonNotAllowed, ReasonRightsUnknown, ReasonPurposeNeeded, ReasonPolicyUnknown, ReasonCustodyUnavailable, ReasonCrossOrigin,
	}
}

// Problem is what a person is told who is not let through, and what they can do. Text and Hint
// are for people, who read them in their language by [Problem.Say], and hold nothing of what a provider, a
// server or a visitor wrote; Err is for the log and is not to be shown.
type Problem struct {
	Status int
	Reason string
	// Text and Hint are formats of their arguments, where they have any.
	Text, Hint         string
	TextArgs, HintArgs []any
	Err                error
	authenticate       string // of the header WWW-Authenticate
}

// HiddenError is a refusal that its person is not told of: they are told that there is nothing.
type HiddenError struct {
	Refused *Problem
	told    error
}

// Error implements error.
func (e *HiddenError) Error() string { return e.told.Error() }

// Unwrap is what the person is told.
func (e *HiddenError) Unwrap() error { return e.told }

// Say says the problem, and what to do, in a language.
func (p *Problem) Say(lang words.Lang) (text, hint string) {
	return lang.Text(p.Text, p.TextArgs...), lang.Text(p.Hint, p.HintArgs...)
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Err == nil {
		return p.Reason
	}
	return fmt.Sprintf("%s: %v", p.Reason, p.Err)
}

// Unwrap gives what is behind it.
func (p *Problem) Unwrap() error { return p.Err }

// PurposeNeeded is a problem that the person solves by saying what they look for: a page asks
// with a form that posts purpose, case and return to [PurposePath].
type PurposeNeeded struct {
	Problem
	// Policy says what is asked for.
	Policy Policy
	// Given is what was said before, when something about it is not right: Wrong.
	Purpose, Case string
	Wrong         words.Said
	// Return is the local path that the person wanted.
	Return string
}

// Unwrap gives the problem itself, for who does not ask with a form.
func (p *PurposeNeeded) Unwrap() error { return &p.Problem }

func notLoggedIn(why error) *Problem {
	return &Problem{
		Status: http.StatusUnauthorized, Reason: ReasonNotLoggedIn, Err: why, authenticate: `Bearer realm="crawlfleet"`,
		Text: "You are not logged in.", Hint: "Log in, or send a token as Authorization: Bearer TOKEN.",
	}
}

func crossOrigin() *Problem {
	return &Problem{
		Status: http.StatusForbidden, Reason: ReasonCrossOrigin,
		Text: "Another site had your browser ask for this, so it was not done.", Hint: "Do it on the portal's own pages.",
	}
}

func tokenRefused(why error) *Problem {
	return &Problem{
		Status: http.StatusUnauthorized, Reason: ReasonTokenRefused, Err: why, authenticate: `Bearer realm="crawlfleet", error="invalid_token"`,
		Text: "This token is not accepted.", Hint: "It may be over, or made for something else. Fetch a new one from the identity provider, or with kubectl create token.",
	}
}

func rightsUnknown(why error) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Reason: ReasonRightsUnknown, Err: why,
		Text: "Nobody can tell what you may see: the Kubernetes API server does not answer.", Hint: "Nothing is shown meanwhile. Load this page again in a while; if it stays so, tell whoever runs the portal.",
	}
}

func policyUnknown(why error) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Reason: ReasonPolicyUnknown, Err: why,
		Text: "Nobody can tell what you have to say before you look: the policy of this fleet was not read yet.",
		Hint: "Nothing is shown meanwhile. Load this page again in a while; if it stays so, tell whoever runs the portal: it may not read the CrawlFleet, or there is none.",
	}
}

// NowhereAllowed is what somebody is told who has a right in no namespace. It names none: which there are is
// nothing for them to know.
func NowhereAllowed(right Right) *Problem {
	return &Problem{
		Status: http.StatusForbidden, Reason: ReasonNotAllowed,
		Text: "There is nothing here that you may see.",
		Hint: "It takes the right “%s” in a namespace that has something to show. Where you have it, and nothing was captured yet, look again after the first capture. %s", HintArgs: []any{right.String(), whoGrants(right)},
	}
}

// whoGrants says where a right comes from.
func whoGrants(right Right) words.Said {
	if right.Resource == Follow.Resource {
		return words.Say("Ask whoever grants rights in the cluster: the role crawlfleet-crawljob-viewer has it.")
	}
	return words.Say("Ask whoever grants rights in the cluster: the roles crawlfleet-snapshot-viewer, -editor and -exporter have them.")
}

func notAllowed(right Right, namespace string) *Problem {
	where := words.Say("This takes a right in all namespaces, which you do not have.")
	if namespace != "" {
		where = words.Say("You may not do this in the namespace %s.", namespace)
	}
	return &Problem{
		Status: http.StatusForbidden, Reason: ReasonNotAllowed, Text: where.Text, TextArgs: where.Args,
		Hint: "It takes the right “%s” there. %s", HintArgs: []any{right.String(), whoGrants(right)},
	}
}
