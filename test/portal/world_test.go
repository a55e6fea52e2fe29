package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
)

// The namespaces.
const (
	theNorth = "team-north"
	theSouth = "team-south"
)

// client is the portals' name at the provider, password is everybody's there.
const (
	client   = "portal"
	password = "correct horse"
)

// The people. Each may do what roles says.
const (
	ann  = "ann"  // analyst of the north, who sees its crawls run, too
	eve  = "eve"  // hands over, in the north
	vera = "vera" // views, in the north
	vic  = "vic"  // views, in the south
	nic  = "nic"  // nothing
	eng  = "eng"  // runs crawls in the north, and sees no snapshot
)

// roles are who is bound to what, and where.
var roles = []struct{ name, fullName, namespace, role string }{
	{ann, "Ann Analyst", theNorth, "crawlfleet-snapshot-editor"},
	{ann, "", theNorth, "crawlfleet-crawljob-viewer"},
	{eve, "Eve Export", theNorth, "crawlfleet-snapshot-exporter"},
	{vera, "Vera View", theNorth, "crawlfleet-snapshot-viewer"},
	{vic, "Vic View", theSouth, "crawlfleet-snapshot-viewer"},
	{eng, "Eng Ineer", theNorth, "crawlfleet-crawljob-viewer"},
	{nic, "Nic Nothing", "", ""},
}

// world is a fleet whose archive is filled, its portals, and a Chrome that can ask nobody else.
type world struct {
	fleet *harness.Fleet
	site  *site
	// open asks nobody for a purpose, asking asks for one before each look, local knows no log-in. They are addresses.
	open, asking, local string
	provider            string
	// account is the kubeconfig of the portals' service account.
	account string
	// service is the header of a program that may see the north.
	service string
	gate    *chrome.Gate
	// browser is Chrome; each person has a tab of their own in it.
	browser context.Context
	// spring and summer are the captures of one page, the room, before and after it changed.
	spring, summer capture
}

// capture is what the API says of one.
type capture struct{ ID, Namespace, Job, UID, URL, Chunk, Page string }

// run is the path of the run that it belongs to.
func (c capture) run() string { return "/runs/" + c.Namespace + "/" + c.Job + "/" + c.UID }

func build(t *testing.T) *world {
	t.Helper()
	w := &world{site: &site{}}
	server, err := sites.Start(sites.Options{Handler: w.site})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	var resolve []string
	for _, address := range []string{rooms, info, boats} {
		resolve = append(resolve, strings.TrimPrefix(address, "http://")+":80="+server.Addr)
	}
	w.fleet = harness.Start(t, harness.Options{Resolve: resolve})
	w.bind(t)
	w.crawl(t, theSouth, "boats", boats+"/")
	w.crawl(t, theNorth, "spring", rooms+"/", info+"/")
	w.finished(t, theSouth, "boats")
	w.finished(t, theNorth, "spring")
	w.site.season.Store(summer)
	w.crawl(t, theNorth, "summer", rooms+"/")
	w.portals(t) // they follow what is still being stored
	w.finished(t, theNorth, "summer")
	w.caughtUp(t)
	w.spring, w.summer = w.capture(t, "spring", "/room/12"), w.capture(t, "summer", "/room/12")
	w.gate = chrome.NewGate(t, w.open, w.asking, w.local, w.provider, replayOf(w.open), replayOf(w.asking), replayOf(w.local))
	w.browser = chrome.New(t, w.gate.Flags()...)
	return w
}

// replayOf is where a portal replays from.
func replayOf(portal string) string { return harness.ReplayOf(portal) }

// bind makes the namespaces and gives people their roles.
func (w *world) bind(t *testing.T) {
	t.Helper()
	var yaml strings.Builder
	for _, n := range []string{theNorth, theSouth} {
		fmt.Fprintf(&yaml, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", n)
	}
	for _, r := range roles {
		if r.role != "" {
			fmt.Fprintf(&yaml, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s-%[3]s, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[3]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "idp:%[1]s"}]
`, r.name, r.namespace, r.role)
		}
	}
	w.fleet.ApplyYAML(t, yaml.String())
}

func (w *world) crawl(t *testing.T, namespace, name string, seeds ...string) {
	t.Helper()
	job := harness.NewJob(name, seeds...)
	job.Namespace = namespace
	job.Spec.Authorization.Reference = "DPIA-2026-014"
	job.Spec.Browser.PageTimeoutSeconds = 120 // a page may be held
	w.fleet.Apply(t, job)
}

// finished waits until a crawl has ended well.
func (w *world) finished(t *testing.T, namespace, name string) {
	t.Helper()
	_, err := w.fleet.Kubectl(t.Context(), "", "-n", namespace, "wait", "--for=condition=Succeeded", "--timeout=110s", "crawl/"+name)
	if err != nil {
		status, _ := w.fleet.Kubectl(t.Context(), "", "-n", namespace, "get", "crawl/"+name, "-o", "jsonpath={.status}")
		t.Fatalf("%v\nstatus: %s", err, status)
	}
}

// portals starts the provider and the portals.
func (w *world) portals(t *testing.T) {
	t.Helper()
	open, asking, local := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	w.open, w.asking, w.local = "http://"+open, "http://"+asking, "http://"+local
	var people []harness.Login
	for _, r := range roles {
		if r.fullName != "" {
			people = append(people, harness.Login{Name: r.name, FullName: r.fullName, Password: password})
		}
	}
	var redirects []string
	for _, address := range []string{w.open, w.asking} {
		redirects = append(redirects, address+"/login/callback", address+"/logged-out")
	}
	w.provider = w.fleet.Provider(t, client, people, redirects...)
	w.account = w.fleet.ServiceAccount(t, "crawlfleet-system", "crawlfleet-portal")
	keys := filepath.Join(t.TempDir(), "session-keys")
	if err := os.WriteFile(keys, []byte(strings.Repeat("a secret of the test", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{
		"--oidc-issuer", w.provider, "--oidc-client-id", client, "--oidc-username-claim", "preferred_username", "--oidc-username-prefix", "idp:",
		"--kubeconfig", w.account, "--session-key-file", keys,
	}
	w.fleet.Portal(t, "portal", open, append(slices.Clone(login), "--external-url", w.open)...)
	w.fleet.Portal(t, "portal-asking", asking, append(slices.Clone(login), "--external-url", w.asking,
		"--fleet-namespace", "", "--ask-purpose", "look", "--purposes", "screening,investigation", "--ask-case")...)
	w.fleet.Portal(t, "portal-local", local)
}

// caughtUp waits until each portal has all that is archived: the last crawl's pages, and the one of the south.
func (w *world) caughtUp(t *testing.T) {
	t.Helper()
	w.service = bearer(w.token(t, "caught-up"))
	for _, portal := range []string{w.open, w.asking, w.local} {
		auth := w.service
		if portal == w.local {
			auth = ""
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			found := struct{ Count int }{}
			status, body := w.ask(t, portal+"/api/v1/snapshots?job=summer&url="+rooms+"/contact", "Authorization", auth)
			if status == http.StatusOK && json.Unmarshal(body, &found) == nil && found.Count == 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not catch up with the archive: %d %s", portal, status, body)
			}
		}
	}
}

// capture finds the one of a path of the rooms in a crawl.
func (w *world) capture(t *testing.T, job, path string) capture {
	t.Helper()
	var found struct{ Items []capture }
	w.getJSON(t, w.open+"/api/v1/snapshots?job="+job+"&url="+rooms+path, &found, "Authorization", w.service)
	if len(found.Items) != 1 {
		t.Fatalf("%s has %d captures of %s", job, len(found.Items), path)
	}
	return found.Items[0]
}

// token makes a service account that may see the north, and returns a token of it.
func (w *world) token(t *testing.T, name string) string {
	t.Helper()
	w.fleet.ApplyYAML(t, fmt.Sprintf(`apiVersion: v1
kind: ServiceAccount
metadata: {name: %s, namespace: %s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s-service, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: crawlfleet-snapshot-editor}
subjects: [{kind: ServiceAccount, name: %[1]s, namespace: %[2]s}]
`, name, theNorth))
	token, err := w.fleet.Kubectl(t.Context(), "", "-n", theNorth, "create", "token", name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(token)
}

func bearer(token string) string {
	if token == "" {
		return ""
	}
	return "Bearer " + token
}

// plain follows no redirect.
var plain = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, MaxIdleConnsPerHost: 4},
}

// ask asks as a program does, with headers of which empty ones are left out.
func (w *world) ask(t *testing.T, address string, header ...string) (status int, body []byte) {
	t.Helper()
	res := w.send(t, http.MethodGet, address, nil, header...)
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

func (w *world) send(t *testing.T, method, address string, content io.Reader, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, content)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	res, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (w *world) getJSON(t *testing.T, address string, into any, header ...string) {
	t.Helper()
	status, body := w.ask(t, address, header...)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", address, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}
