package portal

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

var update = flag.Bool("update", false, "write what tests derive from the code: docs/reference/routes.md")

// roles are the columns of the table: who has not logged in, who has no right, and who has one role in one namespace. All
// that is looked for is in the namespace default.
var roles = []struct{ name, namespace, role string }{
	{"nobody", "", ""},
	{"no role", "", ""},
	{"crawls", "default", "crawlfleet-crawljob-viewer"},
	{"elsewhere", "south", "crawlfleet-snapshot-exporter"},
	{"viewer", "default", "crawlfleet-snapshot-viewer"},
	{"editor", "default", "crawlfleet-snapshot-editor"},
	{"exporter", "default", "crawlfleet-snapshot-exporter"},
}

// row is what each of roles is answered.
type row [7]int

// The rows that there are. Beside those who may not they say what who may is answered.
func public(status int) row { return row{status, status, status, status, status, status, status} }

// lists are for everybody who may find something, and have no more than that.
func lists(status int) row { return row{401, 403, 403, status, status, status, status} }

// owns are for everybody who has logged in, and have what is their own.
func owns(status int) row { return row{401, status, status, status, status, status, status} }

// finds, looks: of one namespace.
func finds(status int) row  { return row{401, 403, 403, 403, status, status, status} }
func looks(status int) row  { return row{401, 403, 403, 403, status, status, status} }
func copies(status int) row { return row{401, 403, 403, 403, 403, status, status} }

// reads, writes, exports: cases of one namespace.
func reads(status int) row   { return row{401, 403, 403, 403, status, status, status} }
func writes(status int) row  { return row{401, 403, 403, 403, 403, status, status} }
func exports(status int) row { return row{401, 403, 403, 403, 403, 403, status} }

// follows is for who may see the crawls of a namespace, which is another right.
func follows(status int) row { return row{401, 403, status, 403, 403, 403, 403} }

// rows are all routes of the portal with what who asks is answered. A route that is new needs a row.
// In paths A and B are two captures of one address, CHUNK is the file of A and RUN its run.
var rows = map[string]struct {
	path string
	row  row
}{
	"GET /{$}":                            {"/", lists(200)},
	"GET /crawls":                         {"/crawls", lists(200)},
	"GET /timeline":                       {"/timeline?url=" + board, lists(200)},
	"GET /runs/{namespace}/{name}/{uid}":  {"/runs/RUN", finds(200)},
	"GET /snapshots/{id}":                 {"/snapshots/A", looks(200)},
	"GET /snapshots/{id}/thumbnail":       {"/snapshots/A/thumbnail", finds(200)},
	"GET /snapshots/{id}/thumbnail/clear": {"/snapshots/A/thumbnail/clear", looks(200)},
	"GET /snapshots/{id}/picture":         {"/snapshots/A/picture", looks(200)},
	"GET /snapshots/{id}/text":            {"/snapshots/A/text", looks(200)},
	"GET /snapshots/{id}/verify":          {"/snapshots/A/verify", looks(200)},
	"GET /snapshots/{id}/replay":          {"/snapshots/A/replay", looks(200)},
	"GET /snapshots/{id}/replay/link":     {"/snapshots/A/replay/link", looks(200)},
	"GET /snapshots/{id}/wacz":            {"/snapshots/A/wacz", copies(200)},
	"GET /snapshots/{id}/evidence.zip":    {"/snapshots/A/evidence.zip", copies(200)},
	"GET /compare":                        {"/compare?a=A&b=B", looks(200)},
	"GET /compare/picture":                {"/compare/picture?a=A&b=B", looks(200)},
	"GET /wacz/{key...}":                  {"/wacz/CHUNK", copies(200)},
	"GET /live":                           {"/live", follows(200)},
	"GET /live/{namespace}/{name}":        {"/live/default/harbour", follows(200)},
	"GET /watches":                        {"/watches", owns(200)},
	"GET /watches/new":                    {"/watches/new", lists(200)},
	"POST /watches":                       {"/watches", finds(303)},
	"POST /watches/seen":                  {"/watches/seen", owns(303)},
	"POST /watches/end":                   {"/watches/end", owns(404)},
	"GET /watches/feed.atom":              {"/watches/feed.atom", owns(200)},
	"GET /watches/feed.json":              {"/watches/feed.json", owns(200)},

	"GET /api/v1/snapshots":                     {"/api/v1/snapshots", lists(200)},
	"GET /api/v1/snapshots/{id}":                {"/api/v1/snapshots/A", looks(200)},
	"GET /api/v1/snapshots/{id}/picture":        {"/api/v1/snapshots/A/picture", looks(200)},
	"GET /api/v1/snapshots/{id}/text":           {"/api/v1/snapshots/A/text", looks(200)},
	"GET /api/v1/snapshots/{id}/verification":   {"/api/v1/snapshots/A/verification", looks(200)},
	"GET /api/v1/snapshots/{id}/wacz":           {"/api/v1/snapshots/A/wacz", copies(200)},
	"GET /api/v1/snapshots/{id}/evidence.zip":   {"/api/v1/snapshots/A/evidence.zip", copies(200)},
	"GET /api/v1/compare":                       {"/api/v1/compare?a=A&b=B", looks(200)},
	"GET /api/v1/compare/picture":               {"/api/v1/compare/picture?a=A&b=B", looks(200)},
	"GET /api/v1/timeline":                      {"/api/v1/timeline?url=" + board, lists(200)},
	"GET /api/v1/watches":                       {"/api/v1/watches", owns(200)},
	"POST /api/v1/watches":                      {"/api/v1/watches", finds(201)},
	"DELETE /api/v1/watches/{id}":               {"/api/v1/watches/none", owns(404)},
	"POST /api/v1/watches/{id}/seen":            {"/api/v1/watches/none/seen", owns(404)},
	"GET /api/v1/watches/notices":               {"/api/v1/watches/notices", owns(200)},
	"GET /api/v1/runs":                          {"/api/v1/runs", lists(200)},
	"GET /api/v1/runs/{namespace}/{name}/{uid}": {"/api/v1/runs/RUN", finds(200)},
	"GET /api/v1/live":                          {"/api/v1/live", follows(200)},
	"GET /api/v1/live/{namespace}/{name}":       {"/api/v1/live/default/harbour", follows(200)},
	"GET /api/v1/openapi.json":                  {"/api/v1/openapi.json", public(200)},

	"GET /cases":                                          {"/cases", lists(200)},
	"GET /cases/new":                                      {"/cases/new", row{401, 403, 403, 200, 403, 200, 200}},
	"POST /cases":                                         {"/cases?namespace=default", writes(422)},
	"GET /cases/add":                                      {"/cases/add?id=A", writes(200)},
	"POST /cases/add":                                     {"/cases/add?id=A", writes(422)},
	"GET /cases/{namespace}/{name}":                       {"/cases/default/mooring", reads(200)},
	"POST /cases/{namespace}/{name}":                      {"/cases/default/mooring", writes(303)},
	"GET /cases/{namespace}/{name}/history":               {"/cases/default/mooring/history", reads(200)},
	"POST /cases/{namespace}/{name}/close":                {"/cases/default/mooring/close", writes(422)},
	"POST /cases/{namespace}/{name}/reopen":               {"/cases/default/mooring/reopen", writes(422)},
	"GET /cases/{namespace}/{name}/captures/{id}":         {"/cases/default/mooring/captures/A", reads(200)},
	"POST /cases/{namespace}/{name}/captures/{id}":        {"/cases/default/mooring/captures/A", writes(303)},
	"POST /cases/{namespace}/{name}/captures/{id}/remove": {"/cases/default/mooring/captures/A/remove", writes(422)},
	"GET /cases/{namespace}/{name}/keep":                  {"/cases/default/mooring/keep", writes(200)},
	"POST /cases/{namespace}/{name}/keep":                 {"/cases/default/mooring/keep", writes(404)},
	"GET /cases/{namespace}/{name}/erase":                 {"/cases/default/mooring/erase", writes(200)},
	"POST /cases/{namespace}/{name}/erase":                {"/cases/default/mooring/erase", writes(422)},
	"GET /cases/{namespace}/{name}/handover":              {"/cases/default/mooring/handover", exports(200)},
	"POST /cases/{namespace}/{name}/selection.wacz":       {"/cases/default/mooring/selection.wacz", exports(422)},
	"POST /cases/{namespace}/{name}/dossier.zip":          {"/cases/default/mooring/dossier.zip", exports(404)},
	"GET /api/v1/cases":                                   {"/api/v1/cases", lists(200)},
	"POST /api/v1/cases/{namespace}":                      {"/api/v1/cases/default", writes(422)},
	"GET /api/v1/cases/{namespace}/{name}":                {"/api/v1/cases/default/mooring", reads(200)},
	"POST /api/v1/cases/{namespace}/{name}/events":        {"/api/v1/cases/default/mooring/events", writes(422)},
	"GET /api/v1/cases/{namespace}/{name}/selection.wacz": {"/api/v1/cases/default/mooring/selection.wacz?to=desk", exports(200)},
	"GET /api/v1/cases/{namespace}/{name}/dossier.zip":    {"/api/v1/cases/default/mooring/dossier.zip", exports(404)},

	"POST /preferences":                     {"/preferences", public(303)},
	"GET /assets/{file}":                    {"/assets/portal.css", public(200)},
	"GET /assets/replaywebpage-license.txt": {"/assets/replaywebpage-license.txt", public(200)},
	"GET /healthz":                          {"/healthz", public(200)},
	"GET /readyz":                           {"/readyz", public(200)},
	"GET /":                                 {"/nowhere", public(404)},
}

// sent is what is sent to routes that take something, ACCEPT being another for each request of a person.
var sent = map[string]string{
	"POST /cases":     "namespace=default",
	"POST /cases/add": "namespace=default",
	"POST /api/v1/cases/{namespace}/{name}/events": `{"kind":"Ghost"}`,
	"POST /api/v1/cases/{namespace}":               `{}`,
	"POST /watches":                                "namespace=default&kind=Gone&url=https://form.example/ACCEPT",
	"POST /api/v1/watches":                         `{"namespace":"default","url":"https://json.example/ACCEPT"}`,
	"POST /api/v1/watches/{id}/seen":               `{"captures":[]}`,
}

// beside are the routes that are not in the list: those of other people's programs and of the gate.
var beside = map[string]struct {
	path string
	row  row
}{
	"GET /cdx":                               {"/cdx?url=" + board, lists(200)},
	"GET /memento/timemap/{format}/{url...}": {"/memento/timemap/link/" + board, row{401, 403, 403, 404, 200, 200, 200}},
	"GET /purpose":                           {"/purpose", owns(200)},
	"GET /login":                             {"/login", public(303)},
	"GET /login/callback":                    {"/login/callback", public(400)},
	"POST /logout":                           {"/logout", public(200)},
	"GET /logged-out":                        {"/logged-out", public(200)},
}

// bound is a Reviewer that knows the project's own roles, and who is bound to which.
type bound map[string][]rbacv1.PolicyRule

// readRoles reads the roles that config/rbac grants people.
func readRoles(t *testing.T) bound {
	t.Helper()
	files, err := filepath.Glob("../config/rbac/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b := bound{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(raw, []byte("\n---\n")) {
			var role rbacv1.ClusterRole
			if err := yaml.Unmarshal(document, &role); err == nil && role.Kind == "ClusterRole" {
				b[role.Name] = role.Rules
			}
		}
	}
	return b
}

// May implements access.Reviewer, as the API server does with one role binding for each of roles.
func (b bound) May(_ context.Context, p access.Person, right access.Right, namespace string) (bool, error) {
	resource := right.Resource
	if right.Subresource != "" {
		resource += "/" + right.Subresource
	}
	for _, r := range roles {
		if r.name != p.Name || r.namespace != namespace {
			continue
		}
		for _, rule := range b[r.role] {
			if slices.Contains(rule.APIGroups, "crawlfleet.dev") && slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, right.Verb) {
				return true, nil
			}
		}
	}
	return false, nil
}

// inDefault is how a refusal names the namespace.
const inDefault = "namespace default"

// secrets are what who may see nothing of the namespace default must not be told.
var secrets = []string{"Room to let", "bright room", "202-555-0143", "12025550143", "board.example", "early.wacz", "late.wacz", "default/ads", inDefault}

// TestEveryRouteForEveryRole asks for every route as everybody: who may not is refused, and the refusal holds nothing of the
// archive; who may see other things alone is shown nothing of these.
func TestEveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	f.capture(t, visit{Namespace: "south", Key: "other", URL: "https://river.example/", Title: "Boats", Text: "Boats on the river."})
	if _, err := f.server.Cases.Open(t.Context(), "default", "mooring", cases.Draft{By: "ann"}, "Mooring", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Cases.Append(t.Context(), "default", "mooring", cases.Draft{By: "ann"}, cases.Event{Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture(a.Chunk, a.Page.ID)}}); err != nil {
		t.Fatal(err)
	}
	f.gated(t, readRoles(t), access.Policy{})
	for pattern, d := range rows {
		f.askAll(t, pattern, d.path, d.row, a, b)
	}
	for pattern, d := range beside {
		f.askAll(t, pattern, d.path, d.row, a, b)
	}
}

func (f *fixture) askAll(t *testing.T, pattern, path string, want row, a, b catalog.Capture) {
	t.Helper()
	method, _, _ := strings.Cut(pattern, " ")
	asked := path
	path = pathOf(path, a, b)
	for i, r := range roles {
		for _, accept := range []string{"application/json", "text/html"} {
			header := []string{"Accept", accept, "Sec-Fetch-Mode", "cors"}
			if r.name != "nobody" {
				header = append(header, "Authorization", "Bearer "+r.name)
			}
			content := strings.ReplaceAll(sent[pattern], "ACCEPT", strings.ReplaceAll(accept, "/", "-"))
			kind := "application/x-www-form-urlencoded"
			if strings.HasPrefix(content, "{") {
				kind = "application/json"
			}
			res := f.send(method, path, kind, content, header...)
			text := body(t, res)
			if res.StatusCode != want[i] {
				t.Errorf("%s: %s is answered %d, want %d: %.300s", pattern, r.name, res.StatusCode, want[i], text)
			}
			if i >= 4 { // the viewer, the editor and the exporter of the namespace
				continue
			}
			for _, secret := range secrets {
				// (A page names its own address, and a refusal what was asked for.)
				named := strings.Contains(path, secret) || secret == inDefault && (aboutOne(asked) || strings.Contains(content, "default"))
				if !named && strings.Contains(text, secret) {
					t.Errorf("%s: what %s is answered has %q: %.400s", pattern, r.name, secret, text)
				}
			}
		}
	}
}

// pathOf is the path of a row with what it is about.
func pathOf(path string, a, b catalog.Capture) string {
	run := a.Namespace + "/" + a.Job + "/" + a.UID
	return strings.NewReplacer("/A", "/"+string(a.ID), "=A", "="+string(a.ID), "=B", "="+string(b.ID), "CHUNK", string(a.Chunk), "RUN", run).Replace(path)
}

// aboutOne tells whether a path names a capture, a file or a run: who has its address is told in which namespace a right is
// missing.
func aboutOne(path string) bool {
	return strings.Contains(path, "/default") || strings.Contains(path, "/A") || strings.Contains(path, "=A") || strings.Contains(path, "RUN") || strings.Contains(path, "CHUNK")
}

// TestEveryRouteHasARow finds routes that the table does not have, and rows without a route.
func TestEveryRouteHasARow(t *testing.T) {
	t.Parallel()
	routes := map[string]bool{}
	for _, r := range (handlers{Server: &Server{}}).routes() {
		routes[r.Pattern] = true
		if _, ok := rows[r.Pattern]; !ok {
			t.Errorf("who may ask for %q? Write a row for it into rows", r.Pattern)
		}
	}
	for pattern := range rows {
		if !routes[pattern] {
			t.Errorf("there is no route %q any more", pattern)
		}
	}
}

// TestRoutesAreDocumented compares the table with its page in the docs.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# Who is answered what

Every route of the portal and what each role in the namespace of what is asked for is answered, as HTTP status. It is written and checked by the tests of package
portal, which ask for each (go test ./portal -run Routes -update). What the roles hold is in [access.md](access.md).

A browser that is not logged in is led to the log-in instead of 401. *no role* has logged in and may do nothing, *crawls* may see CrawlJobs alone (` +
		"`crawlfleet-crawljob-viewer`), *elsewhere* has every role in another namespace: lists have what is there, and nothing of this one.\n\n|")
	for _, r := range roles {
		b.WriteString(" | " + r.name)
	}
	b.WriteString(" |\n| ---" + strings.Repeat(" | ---", len(roles)) + " |\n")
	write := func(pattern string, r row) {
		fmt.Fprintf(&b, "| `%s`", pattern)
		for _, status := range r {
			fmt.Fprintf(&b, " | %d", status)
		}
		b.WriteString(" |\n")
	}
	for _, r := range (handlers{Server: &Server{}}).routes() {
		write(r.Pattern, rows[r.Pattern].row)
	}
	for _, pattern := range slices.Sorted(maps.Keys(beside)) {
		write(pattern, beside[pattern].row)
	}
	const file = "../docs/reference/routes.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not as the table is: go test ./portal -run Routes -update", file)
	}
}

// TestNobodyIsToldOfNamespaces: who may find nothing learns no name of what there is.
func TestNobodyIsToldOfNamespaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.twoVisits(t)
	f.gated(t, readRoles(t), access.Policy{})
	for _, path := range []string{"/", "/crawls", "/api/v1/snapshots"} {
		res := f.get(path, "Authorization", "Bearer no role")
		text := body(t, res)
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		wantAll(t, path, text, "You may not do this in any namespace.", "list snapshots.crawlfleet.dev")
		wantNone(t, path, text, inDefault)
	}
}

// TestNobodyReadsEvidenceByChance: the roles for the archive are in no role of the cluster's own, which people have for
// other reasons, unless somebody puts them there.
func TestNobodyReadsEvidenceByChance(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../config/rbac/snapshot_*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("roles are %v, %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(b, &role); err != nil {
			t.Fatal(err)
		}
		if len(role.Rules) == 0 || len(role.Labels) > 0 || role.AggregationRule != nil {
			t.Errorf("%s: %d rules, labels %v, %v", name, len(role.Rules), role.Labels, role.AggregationRule)
		}
	}
}
