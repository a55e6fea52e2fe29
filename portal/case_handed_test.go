package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEnterHandsOverWhatItsFieldIsOf: Enter in a field sends its form by the form's first button
// (https://html.spec.whatwg.org/#implicit-submission), so that what a dossier is asked for with leads to a dossier.
func TestEnterHandsOverWhatItsFieldIsOf(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	const one = "/cases/default/c-17"
	page := want(t, "the page", 200, f.as(exporter, one+"/handover", nil))
	form := regexp.MustCompile(`(?s)<form method="post" action="(` + one + `[^"]*)".*?</form>`)
	got := map[string][]string{}
	for _, m := range form.FindAllStringSubmatch(page, -1) {
		for _, field := range regexp.MustCompile(` name="([^"]*)"`).FindAllStringSubmatch(m[0], -1) {
			if !slices.Contains(got[m[1]], field[1]) {
				got[m[1]] = append(got[m[1]], field[1])
			}
		}
		if n := strings.Count(m[0], "<button"); n != 1 || strings.Contains(m[0], "formaction") {
			t.Errorf("%s: %d buttons in %s", m[1], n, m[0])
		}
	}
	if want := []string{"to", "decision", "present"}; !slices.Equal(got[one+"/selection.wacz"], want) {
		t.Errorf("the WACZ file is asked for with %v, want %v", got[one+"/selection.wacz"], want)
	}
	if want := []string{"to", "decision", "present", "by", "recipient", "supersedes"}; !slices.Equal(got[one+"/dossier.zip"], want) {
		t.Errorf("the dossier is asked for with %v, want %v", got[one+"/dossier.zip"], want)
	}
}

// TestNothingIsHandedOverUnheeded: what was asked for and cannot be had is refused, and nothing goes out without it.
func TestNothingIsHandedOverUnheeded(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	const one = "/cases/default/c-17"
	for _, tc := range []struct {
		path, name string
		status     int
		told       string
	}{
		{"selection.wacz", "recipient", 422, "Only a dossier has recipient"},
		{"selection.wacz", "by", 422, "Only a dossier has by"},
		{"selection.wacz", "supersedes", 422, "Only a dossier has supersedes"},
		{"selection.wacz", "decisions", 422, "no such choice"},
		{"dossier.zip", "recipients", 422, "no such choice"},
	} {
		form := url.Values{"to": {"police-3"}, tc.name: {"age1x"}}
		wantAll(t, tc.name, want(t, tc.name, tc.status, f.as(exporter, one+"/"+tc.path, form)), tc.told, `value="police-3"`)
		res := f.as(exporter, "/api/v1"+one+"/"+tc.path+"?"+form.Encode(), nil, "Accept", "application/json")
		wantAll(t, tc.name, want(t, tc.name, tc.status, res), tc.told)
	}
	res := f.as(exporter, "/api/v1"+one+"/selection.wacz?to=police-3&decision=%zz", nil, "Accept", "application/json")
	wantAll(t, "malformed", want(t, "malformed", http.StatusBadRequest, res), "the query")
	for _, entry := range f.logged(t) {
		if strings.HasPrefix(entry, "Exported") {
			t.Errorf("the log has %q", entry)
		}
	}
}

// TestToWhom: to whom something is handed over is one line of so many characters, in any script, and the log tells two of
// them apart.
func TestToWhom(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	const one = "/cases/default/c-17/selection.wacz"
	for to, status := range map[string]int{
		"полиция": 200, "таможня": 200, strings.Repeat("я", maxTo): 200, strings.Repeat("я", maxTo+1): 422,
		"a\nb": 422, "a\x00b": 422, "a\u2028b": 422, "a\xffb": 422, " ": 422,
	} {
		for what, res := range map[string]*http.Response{
			"form": f.as(exporter, one, url.Values{"to": {to}}),
			"API":  f.as(exporter, "/api/v1"+one+"?"+url.Values{"to": {to}}.Encode(), nil, "Accept", "application/json"),
		} {
			if res.StatusCode != status {
				t.Errorf("%s: %q is answered %d, want %d", what, to, res.StatusCode, status)
			}
		}
	}
	want(t, "who prepared it", 200, f.as(exporter, "/cases/default/c-17/dossier.zip", url.Values{"to": {"police-3"}, "by": {strings.Repeat("я", maxTo)}}))
	wantAll(t, "the log", strings.Join(f.logged(t), "\n"), " %D0%BF%D0%BE%D0%BB%D0%B8%D1%86%D0%B8%D1%8F ", " %D1%82%D0%B0%D0%BC%D0%BE%D0%B6%D0%BD%D1%8F ")
}

// TestOneCapture: what is counted is said as one or as many, in each language, and that no decision is ticked, too.
func TestOneCapture(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	for lang, parts := range map[string][]string{
		"en": {`>no decision</th>`, `2<span class="unit"> captures<`, `1<span class="unit"> capture<`},
		"nl": {`>geen besluit</th>`, `2<span class="unit"> vastleggingen<`, `1<span class="unit"> vastlegging<`},
	} {
		page := want(t, lang, 200, f.as(exporter, "/cases/default/c-17/handover", nil, "Cookie", "lang="+lang))
		wantAll(t, lang, page, parts...)
		wantNone(t, lang, page, `>1<span class="unit"> captures<`, `>1<span class="unit"> vastleggingen<`)
	}
}
