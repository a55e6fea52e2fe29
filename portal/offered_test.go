package portal

import (
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// TestOnlyWhatOneMayIsOffered: no page has a button that leads to a refusal.
func TestOnlyWhatOneMayIsOffered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	f.gated(t, readRoles(t), access.Policy{})
	snapshot := "/snapshots/" + string(a.ID)
	run := "/runs/" + a.Namespace + "/" + a.Job + "/" + a.UID
	const copying, adding = "You may not download files of this namespace.", "You may not add to cases of this namespace."
	for _, tc := range []struct {
		path  string
		links []string
		words []string // for who may not
	}{
		{snapshot, []string{snapshot + "/wacz", `href="/cases/add`}, []string{copying, adding}},
		{snapshot + "/verify", []string{snapshot + "/evidence.zip", snapshot + "/wacz"}, []string{copying}},
		{snapshot + "/replay", []string{snapshot + "/wacz"}, nil},
		{run, []string{`href="/wacz/`}, []string{copying}},
		{comparePath(a, b), []string{`href="/cases/add`}, nil},
		{"/", []string{`formaction="/cases/add"`}, nil},
	} {
		viewer, editor := body(t, f.get(tc.path, "Authorization", "Bearer viewer")), body(t, f.get(tc.path, "Authorization", "Bearer editor"))
		wantNone(t, "a viewer at "+tc.path, viewer, tc.links...)
		wantAll(t, "a viewer at "+tc.path, viewer, tc.words...)
		wantAll(t, "an editor at "+tc.path, editor, tc.links...)
		wantNone(t, "an editor at "+tc.path, editor, "You may not")
	}
	wantAll(t, "who may find may watch", body(t, f.get(snapshot, "Authorization", "Bearer viewer")), `href="/watches/new`)
}
