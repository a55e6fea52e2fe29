package portal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/watches"
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
	f.casesOfRoles(t, a)
	own := f.watchesOfRoles(t)
	const signed = "default/signed/" + uid + "/"
	for name, file := range verifytest.NewSignedRun(t, verifytest.NewOffice(t), 1) {
		f.put(t, f.bucket, signed+name, file.Data)
	}
	if _, err := f.server.Cases.Open(t.Context(), "default", "signed", cases.Draft{By: "ann"}, "Signed", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Cases.Append(t.Context(), "default", "signed", cases.Draft{By: "ann"}, cases.Event{Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture(signed+"chunks/b0.wacz", "urn:uuid:p1")}}); err != nil {
		t.Fatal(err)
	}
	f.server.Keeper, f.server.Dossiers = &cases.Retention{Store: f.bucket, Now: time.Now}, dossiers(t)
	f.gated(t, readRoles(t), access.Policy{})
	for pattern, d := range rows {
		f.askAll(t, pattern, d.path, d.row, a, b, own)
	}
	for pattern, d := range beside {
		f.askAll(t, pattern, d.path, d.row, a, b, own)
	}
}

// accepted are what a request asks for: as a program, and as a browser.
var accepted = []string{"application/json", "text/html"}

// request names one request of a person in names and addresses.
func request(role, accept string) string {
	return strings.NewReplacer(" ", "-", "/", "-").Replace(role + "-" + accept)
}

// casesOfRoles are cases that can be changed but once, one for each request of who may.
func (f *fixture) casesOfRoles(t *testing.T, a catalog.Capture) {
	t.Helper()
	add := cases.Event{Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture(a.Chunk, a.Page.ID)}}
	for _, r := range roles {
		if !slices.Contains([]string{"editor", "exporter"}, r.name) {
			continue
		}
		for _, accept := range accepted {
			for use, events := range map[string][]cases.Event{"close": nil, "reopen": {{Kind: cases.Closed, Reason: "done"}}, "remove": {add}, "erase": nil} {
				name := use + "-" + request(r.name, accept)
				if _, err := f.server.Cases.Open(t.Context(), "default", name, cases.Draft{By: "ann"}, "Ferry", ""); err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					if _, err := f.server.Cases.Append(t.Context(), "default", name, cases.Draft{By: "ann", Seen: 1}, e); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// dossiers are handed over without a signature.
func dossiers(t *testing.T) *Dossiers {
	t.Helper()
	program := filepath.Join(t.TempDir(), "verify")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Dossiers{Organization: "An office", Programs: []string{program}, Verifier: &verify.Verifier{}, Software: "test"}
}

// watchesOfRoles are watches of everybody who has logged in, one for each request that is about one.
func (f *fixture) watchesOfRoles(t *testing.T) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for pattern, d := range rows {
		if !strings.Contains(d.path+sent[pattern], "WATCH") {
			continue
		}
		for _, r := range roles[1:] {
			for _, accept := range accepted {
				of := pattern + request(r.name, accept)
				w, err := f.server.Watches.Start(t.Context(), "south", r.name, fmt.Sprintf("https://watch.example/%x", sha256.Sum256([]byte(of))), watches.Kinds()...)
				if err != nil {
					t.Fatal(err)
				}
				ids[of] = w.ID
			}
		}
	}
	return ids
}

// token opens the replay of a capture.
func (f *fixture) token(t *testing.T, c catalog.Capture) string {
	t.Helper()
	link, err := f.server.Replay.Link(t.Context(), access.Person{Name: "ann"}, c.Run, c.Page)
	if err != nil {
		t.Fatal(err)
	}
	token, _, _ := strings.Cut(strings.TrimPrefix(link.Src, replayOrigin+"/r/"), "/")
	return token
}

func (f *fixture) askAll(t *testing.T, pattern, asked string, want row, a, b catalog.Capture, own map[string]string) {
	t.Helper()
	method, _, _ := strings.Cut(pattern, " ")
	isReplay, token := strings.HasPrefix(asked, replayOrigin), f.token(t, a)
	for i, r := range roles {
		for _, accept := range accepted {
			one := request(r.name, accept)
			each := meant(a, b, "TOKEN", token, "FOR", one, "WATCH", cmp.Or(own[pattern+one], "none"))
			path, content := each.Replace(asked), each.Replace(sent[pattern])
			header := []string{"Accept", accept, "Sec-Fetch-Mode", "cors"}
			if r.name != "nobody" {
				header = append(header, "Authorization", "Bearer "+r.name)
			}
			kind := "application/x-www-form-urlencoded"
			if strings.HasPrefix(content, "{") {
				kind = "application/json"
			}
			res := f.ask(isReplay, method, path, kind, content, header...)
			text := body(t, res)
			if res.StatusCode != want[i] {
				t.Errorf("%s: %s is answered %d, want %d: %.300s", pattern, r.name, res.StatusCode, want[i], text)
			}
			if i >= 4 || isReplay { // the viewer, the editor and the exporter of the namespace; or who has a token
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

// meant puts what is meant into the path of a row and what is sent to it.
func meant(a, b catalog.Capture, more ...string) *strings.Replacer {
	return strings.NewReplacer(append([]string{
		"/A", "/" + string(a.ID), "=A", "=" + string(a.ID), "=B", "=" + string(b.ID), `"A"`, `"` + string(a.ID) + `"`,
		"CHUNK", string(a.Chunk), "RUN", a.Namespace + "/" + a.Job + "/" + a.UID,
	}, more...)...)
}

// ask asks the portal, or the origin of replays.
func (f *fixture) ask(isReplay bool, method, path, kind, content string, header ...string) *http.Response {
	if !isReplay {
		return f.send(method, path, kind, content, header...)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	if strings.Contains(path, "/wacz/") {
		r.Header.Set("Range", "bytes=0-9") // a replay takes no file as a whole
	}
	f.server.Replay.(*replay.Server).Handler().ServeHTTP(w, r)
	return w.Result()
}

// aboutOne tells whether a path names a namespace, a file or a run: who has its address is told in which namespace a right is
// missing. Of a capture, whose ID names none, they are not.
func aboutOne(path string) bool {
	return strings.Contains(path, "/default") || strings.Contains(path, "RUN") || strings.Contains(path, "CHUNK")
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

A browser that is not logged in is led to the log-in instead of 401, and one that comes in at / without the right to find is led to /live or /cases, where its person may see those, instead of 403. REPLAY is the origin of replays ([replay.md](../replay.md)): a token that the portal hands out to who may look opens one run there, to whoever has it. *no role* has logged in and may do nothing, *crawls* may see CrawlJobs alone (` +
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
		wantAll(t, path, text, "There is nothing here that you may see.", "list snapshots.crawlfleet.dev")
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
