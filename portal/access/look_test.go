package access

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/custody"
)

// allow lets ann do things.
func (f *fixture) allow(rights ...string) {
	f.kube.mu.Lock()
	defer f.kube.mu.Unlock()
	for _, r := range rights {
		f.kube.allows["idp:ann "+r] = true
	}
}

const lookInZeden, copyInZeden = `get snapshots.crawlfleet.dev "zeden"`, `get snapshots.crawlfleet.dev/file "zeden"`

func TestLooking(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.allow(lookInZeden)
	b := f.browser()
	f.want("looks", 200, "idp:ann")(b.login("/look/zeden/p1", "ann", "one"))
	for range 3 {
		f.want("again", 200, "idp:ann")(b.get("/look/zeden/p1"))
	}
	f.want("another page", 200, "idp:ann")(b.get("/look/zeden/p2"))
	f.want("not elsewhere", 403, ReasonNotAllowed)(b.get("/look/fraude/p1"))
	f.want("not as a file", 403, ReasonNotAllowed)(b.get("/copy/zeden/p1"))
	f.want("not all lists", 403, ReasonNotAllowed)(b.get("/runs"))
	f.want("not the list of that namespace", 403, ReasonNotAllowed)(b.get("/runs/zeden"))
	f.want("what is not there", 404, "NotFound")(b.get("/look/zeden/gone"))
	f.allow(copyInZeden, `list snapshots.crawlfleet.dev ""`)
	f.at.pass(refusedFor)
	f.want("as a file", 200, "idp:ann")(b.get("/copy/zeden/p1"))
	f.want("all lists", 200, "idp:ann")(b.get("/runs"))
	at := f.at.now().UTC()
	want := []custody.Entry{
		{Event: custody.Read, Object: chunk, SHA256: sum, Who: "idp:ann", When: at.Add(-refusedFor)},
		{Event: custody.Read, Object: chunk, SHA256: sum, Who: "idp:ann", When: at.Add(-refusedFor)},
		{Event: custody.Copied, Object: chunk, SHA256: sum, Who: "idp:ann", When: at, Copy: "c0.wacz", To: "idp:ann"},
	}
	if diff := cmp.Diff(want, f.log.entries, cmpopts.IgnoreFields(custody.Entry{}, "ID")); diff != "" {
		t.Error(diff)
	}
	for i, prefix := range []string{"read/p1/", "read/p2/", "copied/p1/"} {
		if !strings.HasPrefix(f.log.entries[i].ID, prefix) {
			t.Errorf("entry %d has the ID %q", i, f.log.entries[i].ID)
		}
	}
	f.at.pass(time.Hour)
	b.login("/look/zeden/p1", "ann", "one")
	if len(f.log.entries) != 4 {
		t.Errorf("%d entries after an hour, want one more", len(f.log.entries))
	}
}

func TestNothingIsSeenInSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.allow(lookInZeden, copyInZeden)
	b := f.browser()
	b.login("/me", "ann", "one")
	shown := f.shown
	f.log.trouble = errors.New("the store is full")
	for range 2 {
		f.want("looks", 503, ReasonCustodyUnavailable)(b.get("/look/zeden/p1"))
		f.want("copies", 503, ReasonCustodyUnavailable)(b.get("/copy/zeden/p1"))
	}
	f.log.trouble = nil
	store := &chunks{}
	f.gate.Custody.Chunks = store
	f.want("the file's hash is computed where the store has none", 200, "idp:ann")(b.get("/look/zeden/p1"))
	f.kube.trouble = errors.New("connection refused")
	f.at.pass(rightsFor)
	f.want("nobody knows the rights", 503, ReasonRightsUnknown)(b.get("/look/zeden/p1"))
	if f.shown != shown+1 || len(f.log.entries) != 1 || f.log.entries[0].SHA256 != sha256OfTest {
		t.Errorf("shown %d times, %v", f.shown-shown, f.log.entries)
	}
}

const sha256OfTest = sum

func TestWithoutALog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.allow(lookInZeden)
	f.gate.Custody = &Custody{}
	f.want("a fleet that keeps none", 200, "idp:ann")(f.browser().login("/look/zeden/p1", "ann", "one"))
	f.gate.Custody = nil
	f.want("nothing was wired", 200, "idp:ann")(f.browser().login("/look/zeden/p1", "ann", "one"))
}

// TestCustodyTakesEverything: what people are called and say does not keep the log from being told.
func TestCustodyTakesEverything(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	c := &Custody{Log: log, Chunks: &chunks{sum: sum}}
	odd := Person{Name: "https://idp.test#Ånn Example", Purpose: "onderzoek “Zuid”", Case: "zaak 2026/17"}
	page := Snapshot{chunk, "https://www.example.test/" + strings.Repeat("x", 300)}
	long := Person{Name: strings.Repeat("n", 400)}
	for name, err := range map[string]error{
		"read": c.Read(t.Context(), odd, page, Snapshot{Chunk: chunk}), "copied": c.Copied(t.Context(), odd, "p1.png", page),
		"exported": c.Exported(t.Context(), odd, "police unit 3", page), "of a long name": c.Read(t.Context(), long, page),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(log.entries) != 5 {
		t.Errorf("%d entries", len(log.entries))
	}
	if err := c.Exported(t.Context(), odd, "police unit 3", page); err != nil || len(log.entries) != 6 {
		t.Errorf("a second export is one of its own: %v, %d entries", err, len(log.entries))
	}
}

// TestTwoPeopleAreTwo: people whose names the log cannot take as they are looked at the same page, and each is told of.
func TestTwoPeopleAreTwo(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	c := &Custody{Log: log, Chunks: &chunks{sum: sum}}
	for _, name := range []string{"müller@example.org", "möller@example.org", "張偉", "李娜", "m-ller@example.org"} {
		if err := c.Read(t.Context(), Person{Name: name}, Snapshot{chunk, "p1"}); err != nil {
			t.Fatal(err)
		}
	}
	told := map[string]bool{}
	for _, e := range log.entries {
		told[e.Who] = true
	}
	if len(told) != 5 {
		t.Errorf("told of: %v", told)
	}
	for _, reference := range []string{"zaak 1", "zaak-1"} {
		if err := c.Read(t.Context(), Person{Name: "ann", Case: reference}, Snapshot{chunk, "p1"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(log.entries) != 7 {
		t.Errorf("%d entries: looks for two cases are two", len(log.entries))
	}
}

func TestPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.allow(lookInZeden, copyInZeden, `list snapshots.crawlfleet.dev ""`)
	f.gate.Policy = Policy{AskPurpose: AskLook, Purposes: []string{"screening", "onderzoek"}, AskCase: true}
	b := f.browser()
	f.want("is asked for it", 428, ReasonPurposeNeeded+" /look/zeden/p1?x=1")(b.login("/look/zeden/p1?x=1", "ann", "one"))
	f.want("not for lists", 200, "idp:ann")(b.get("/runs"))
	say := func(purpose, reference string, headers ...string) (int, string) {
		return b.do(http.MethodPost, PurposePath, url.Values{"purpose": {purpose}, "case": {reference}, "return": {"/look/zeden/p1?x=1"}}, headers...)
	}
	f.want("another purpose", 428, "must be one of: screening, onderzoek")(say("curiosity", "17"))
	f.want("no case", 428, "/look/zeden/p1?x=1 name the case")(say("screening", " "))
	f.want("said by another site", 403, ReasonCrossOrigin)(say("screening", "17", "Sec-Fetch-Site", "cross-site"))
	f.want("said", 200, `"Purpose":"screening","Case":"2026/17"`)(say("screening", " 2026/17 "))
	f.want("and kept", 200, `"Purpose":"screening","Case":"2026/17"`)(b.get("/look/zeden/p1"))
	f.want("a program says it, too", 200, `"Purpose":"onderzoek","Case":"18"`)(b.get("/look/zeden/p1", PurposeHeader, "onderzoek", CaseHeader, "18"))
	f.want("or says it wrong", 428, "must be one of")(b.get("/look/zeden/p1", PurposeHeader, "x", CaseHeader, "18"))
	f.want("or says half", 428, "name the case")(b.get("/look/zeden/p1", PurposeHeader, "onderzoek"))
	if diff := cmp.Diff([]string{"screening 2026/17", "onderzoek 18"}, f.log.said()); diff != "" {
		t.Error(diff)
	}
	b.login(f.logoutAndBack(b), "ann", "one")
	f.want("not for the next session", 428, ReasonPurposeNeeded)(b.get("/look/zeden/p1"))
}

// said are the purposes and cases of the entries.
func (l *logbook) said() (list []string) {
	for _, e := range l.entries {
		list = append(list, e.Why+" "+e.Case)
	}
	return list
}

// logoutAndBack logs out, but keeps the cookie with the purpose, as somebody could.
func (f *fixture) logoutAndBack(b *browser) string {
	kept := b.cookies()[purposeCookie]
	b.do(http.MethodPost, LogoutPath, nil)
	b.setCookie(purposeCookie, kept)
	return "/me"
}

// changing is a fleet whose policy changes.
type changing struct {
	policy Policy
	err    error
}

func (c *changing) Current() (Policy, error) { return c.policy, c.err }

// TestPolicyOfTheMoment: what a fleet's policy says counts from the next request on, also for who said
// something before, and nobody looks before it is known.
func TestPolicyOfTheMoment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.allow(lookInZeden, copyInZeden, `list snapshots.crawlfleet.dev ""`)
	fleet := &changing{err: errors.New("there is no CrawlFleet")}
	f.gate.Policy = fleet
	b := f.browser()
	f.want("nobody knows", 503, ReasonPolicyUnknown)(b.login("/look/zeden/p1", "ann", "one"))
	f.want("nor what is copied", 503, ReasonPolicyUnknown)(b.get("/copy/zeden/p1"))
	f.want("lists are seen", 200, "idp:ann")(b.get("/runs"))
	say := func(purpose string) (int, string) {
		return b.do(http.MethodPost, PurposePath, url.Values{"purpose": {purpose}, "return": {"/look/zeden/p1"}})
	}
	f.want("nor what may be said", 503, ReasonPolicyUnknown)(say("screening"))
	if len(f.log.entries) != 0 || !strings.Contains(f.said.String(), "there is no CrawlFleet") {
		t.Errorf("%d entries in the custody log, said: %s", len(f.log.entries), f.said.String())
	}
	fleet.policy, fleet.err = Policy{AskPurpose: AskCopy, Purposes: []string{"screening"}}, nil
	f.want("a look is free", 200, "idp:ann")(b.get("/look/zeden/p1"))
	f.want("a copy is not", 428, ReasonPurposeNeeded)(b.get("/copy/zeden/p1"))
	f.want("said", 200, `"Purpose":"screening"`)(say("screening"))
	f.want("and copied", 200, "idp:ann")(b.get("/copy/zeden/p1"))
	fleet.policy.AskPurpose, fleet.policy.Purposes = AskLook, []string{"onderzoek"}
	f.want("what was said is no purpose any more", 428, "must be one of: onderzoek")(b.get("/look/zeden/p1"))
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	fleet := Policy{AskPurpose: AskCopy, Purposes: []string{"Testing"}}
	for _, tc := range []struct{ floor, want Policy }{
		{Policy{}, fleet},
		{Policy{AskPurpose: AskNever}, fleet},
		{Policy{AskPurpose: AskExport, Purposes: []string{"other"}}, fleet},
		{Policy{AskPurpose: AskLook}, Policy{AskPurpose: AskLook, Purposes: fleet.Purposes}},
		{Policy{AskPurpose: AskExport, AskCase: true}, Policy{AskPurpose: AskCopy, Purposes: fleet.Purposes, AskCase: true}},
	} {
		if diff := cmp.Diff(tc.want, fleet.AtLeast(tc.floor)); diff != "" {
			t.Errorf("%+v: %s", tc.floor, diff)
		}
	}
	if got := (Policy{AskCase: true}).AtLeast(Policy{}); !got.AskCase {
		t.Error("what is asked for is not any more")
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	for ask, want := range map[Ask][]bool{
		"": {false, false, false, false}, AskNever: {false, false, false, false}, AskExport: {false, false, false, true},
		AskCopy: {false, false, true, true}, AskLook: {false, true, true, true},
	} {
		var got []bool
		for _, r := range []Right{Find, Look, Copy, Export} {
			got = append(got, Policy{AskPurpose: ask}.Asked(r))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", ask, diff)
		}
	}
	for _, tc := range []struct {
		purpose, reference string
		ok                 bool
	}{
		{"screening", "", true}, {"", "", false}, {"see https://a.test", "", false}, {"WWW.a.test", "", false}, {"two\nlines", "", false}, {"\xff", "", false},
		{strings.Repeat("p", maxPurpose), strings.Repeat("c", maxCase), true}, {strings.Repeat("p", maxPurpose+1), "", false}, {"p", strings.Repeat("c", maxCase+1), false},
	} {
		if err := (Policy{}).Check(tc.purpose, tc.reference); (err == nil) != tc.ok {
			t.Errorf("%q %q: %v", tc.purpose, tc.reference, err)
		}
	}
}

// TestLogged: who is told of by what was sealed of them is told of as they are.
func TestLogged(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ann", "", "https://login.example/realm#7", strings.Repeat("n", 256), strings.Repeat("n", 257), strings.Repeat("://", 300), "Zoë", "a b"} {
		p := Person{Name: name, Groups: []string{"g"}, Purpose: "screening", Case: "7"}
		logged := p.Logged()
		if who(logged.Name) != who(name) || len(logged.Name) > 256 || logged.Purpose != p.Purpose || logged.Case != p.Case || logged.Groups != nil {
			t.Errorf("%q is sealed as %+v, which is told as %q and not %q", name, logged, who(logged.Name), who(name))
		}
	}
}
