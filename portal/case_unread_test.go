package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestWhatCannotBeReadIsNotSaved: a form that is too large, is no form or is malformed is refused, with what could be read
// of it kept in the page.
func TestWhatCannotBeReadIsNotSaved(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "c-1", ids...)
	const one = "/cases/default/c-1"
	const urlencoded, who = "application/x-www-form-urlencoded", "ann-read-write-find-export"
	long := "Begin " + strings.Repeat("я", 200_000) + " end"
	escaped := url.QueryEscape(long)
	if len(escaped) <= maxCaseForm {
		t.Fatalf("the note has %d bytes, too few to be refused", len(escaped))
	}
	part := "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nseen\r\n--x--\r\n"
	for _, tc := range []struct {
		what, path, kind, content string
		status                    int
		kept                      []string
	}{
		{"a large note about the case", one, urlencoded, "tags=harbour&note=" + escaped, 413, []string{">Begin я", "я end</textarea>", `value="harbour"`}},
		{"a large note about a capture", one + "/captures/" + ids[0], urlencoded, "tags=harbour&note=" + escaped, 413, []string{">Begin я", "я end</textarea>", `value="harbour"`}},
		{"more than is kept", one, urlencoded, "tags=harbour&note=" + strings.Repeat(escaped, 5), 413, []string{">Begin я", `value="harbour"`}},
		{"a note as multipart", one, "multipart/form-data; boundary=x", part, 415, nil},
		{"a note about a capture as multipart", one + "/captures/" + ids[0], "multipart/form-data; boundary=x", part, 415, nil},
		{"of no type", one, "", "note=seen", 415, nil},
		{"malformed", one, urlencoded, "note=kept&%zz=%", 400, []string{">kept</textarea>"}},
		{"malformed, about a capture", one + "/captures/" + ids[0], urlencoded, "note=kept&%zz=%", 400, []string{">kept</textarea>"}},
		{"nothing said", one, urlencoded, "seen=2&note=&tags=", 422, nil},
		{"what nobody knows", one + "/captures/" + ids[0], urlencoded, "text=seen&next=" + ids[0], 422, nil},
		{"close", one + "/close", urlencoded, "reason=done&seen=2&x=" + escaped, 413, []string{`value="done"`}},
		{"reopen", one + "/reopen", urlencoded, "reason=more&%zz=%", 400, nil},
		{"erase", one + "/erase", urlencoded, "why=over&name=c-1&seen=2&%zz=%", 400, []string{`value="over"`}},
		{"keep", one + "/keep", urlencoded, "until=2199-01-01&why=court&%zz=%", 400, []string{`value="court"`}},
		{"remove", one + "/captures/" + ids[0] + "/remove", urlencoded, "reason=twice&seen=2&%zz=%", 400, []string{`value="twice"`}},
		{"remove what is not there", one + "/captures/none/remove", urlencoded, "%zz=%", 404, nil},
		{"hand over", one + "/selection.wacz", urlencoded, "to=police-3&%zz=%", 400, []string{`value="police-3"`}},
		{"open", "/cases", urlencoded, "namespace=default&name=c-2&title=Ferry&description=" + escaped, 413, []string{`value="Ferry"`, "я end</textarea>"}},
		{"open, without its namespace", "/cases", "multipart/form-data; boundary=x", part, 415, nil},
		{"add", "/cases/add", urlencoded, "id=" + ids[0] + "&namespace=default&do=open&name=c-2&title=Ferry&description=" + escaped, 413, []string{`value="Ferry"`}},
		{"add nothing that can be read", "/cases/add", urlencoded, "%zz=%", 400, nil},
		{"preferences", "/preferences", urlencoded, "%zz=%", 400, nil},
		{"a watch", "/watches", "multipart/form-data; boundary=x", part, 415, nil},
		{"a watch of an address that cannot be read", "/watches", urlencoded, "url=https://harbour.test/%zz&namespace=default&kind=Gone", 400, []string{`value="https://harbour.test/%zz"`, `value="Gone" checked`}},
		{"a watch of much", "/watches", urlencoded, "kind=Gone&namespace=default&url=https://harbour.test/" + strings.Repeat("x", maxBody), 413, []string{`value="https://harbour.test/xxx`}},
	} {
		res := f.post(tc.path, tc.content, "Authorization", "Bearer "+who, "Accept", "text/html", "Content-Type", tc.kind)
		page := body(t, res)
		if res.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d", tc.what, res.StatusCode, tc.status)
			continue
		}
		for _, part := range tc.kept {
			if !strings.Contains(page, part) {
				t.Errorf("%s: %q is not kept", tc.what, part)
			}
		}
	}
	if c := f.read(t, "c-1"); c.Version != 2 || len(c.Captures) != 1 {
		t.Errorf("version %d: something was written down", c.Version)
	}
	res := f.post("/cases/default/c-1", "%zz=%", "Authorization", "Bearer "+who, "Accept", "text/html", "Content-Type", urlencoded, "Accept-Language", "nl")
	wantAll(t, "in Dutch", want(t, "in Dutch", http.StatusBadRequest, res), "Er is niets opgeschreven.")
}
