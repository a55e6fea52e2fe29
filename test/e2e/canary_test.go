package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// canary begins every word that belongs to the pages and their addresses alone. What follows
// it says where it was put.
const canary = "zaunkoenig-"

// The places where canaries are put.
const (
	inQuery = canary + "query"
	inPath  = canary + "path"
	inSeed  = canary + "seed"
	inText  = canary + "text"
	inMail  = canary + "mail"
	inForm  = canary + "form"
	inAsk   = canary + "ask" // what somebody asks the portal for
)

// canaries is a site full of them, on which much goes wrong.
func canaries() http.Handler {
	mux := http.NewServeMux()
	page := func(title, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, "<!doctype html><title>%s %s</title>%s", inText, title, body)
		}
	}
	q := "?name=" + inQuery
	var links strings.Builder
	for _, path := range []string{"/fine/", "/gone/", "/error/", "/loop/", "/reset/", "/inside/", "/refused/", "/file/", "/bomb/", "/stuck/", "/disallowed/"} {
		fmt.Fprintf(&links, "<a href='%s%s%s'>%s</a> ", path, inPath, q, inText)
	}
	mux.HandleFunc("/{$}", page("start", links.String()+`<a href="mailto:`+inMail+`@example.test">`+inMail+`</a> <a href="tel:+4900000000">call</a>
		<form method=post action="/form`+q+`"><input name=a value="`+inForm+`"></form><script>
		console.log('`+inText+`'); fetch('http://10.0.0.1/`+inPath+q+`', {method: 'POST', body: '`+inForm+`'}).catch(() => {});
		new WebSocket('ws://' + location.host + '/socket/`+inPath+q+`'); window.open('/window/`+inPath+q+`'); setTimeout(() => document.forms[0].submit(), 30);
		setTimeout(() => { throw new Error('`+inText+`') }, 1); alert('`+inText+`'); document.cookie = 'a=`+inText+`';
		</script><img src="/no-picture/`+inPath+q+`"><img src="http://169.254.169.254/`+inPath+q+`">`))
	mux.HandleFunc("/fine/", page("fine", inText))
	mux.HandleFunc("/gone/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, inText, http.StatusGone) })
	mux.HandleFunc("/error/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, inText, http.StatusInternalServerError) })
	mux.HandleFunc("/loop/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop/"+inPath+q+fmt.Sprintf("%d", time.Now().UnixNano()), http.StatusFound)
	})
	mux.HandleFunc("/reset/", func(w http.ResponseWriter, _ *http.Request) { reset(w) })
	mux.HandleFunc("/inside/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://10.0.0.1/"+inPath+q, http.StatusFound)
	})
	mux.HandleFunc("/refused/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+closedAddress+"/"+inPath+q, http.StatusFound)
	})
	mux.HandleFunc("/file/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", "attachment; filename="+inText+".bin")
		_, _ = io.WriteString(w, inText)
	})
	mux.HandleFunc("/bomb/", page("large", strings.Repeat(inText, 300_000))) // above the limit of a body
	mux.HandleFunc("/stuck/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/disallowed/", page("disallowed", inText))
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# %s\nUser-agent: *\nDisallow: /disallowed/\nSitemap: http://%s/sitemap.xml?%s\n", inText, "127.0.0.1:1", inQuery)
	})
	return mux
}

// closedAddress is one at which nobody answers.
const closedAddress = "127.0.0.1:2"

func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// TestNothingTellsOfPages crawls a site whose addresses and pages are full of canaries, with
// orders that succeed and that cannot, and looks for these where they must not be: in all logs
// (at their usual level), metrics, events and statuses, and in what Temporal stores.
func TestNothingTellsOfPages(t *testing.T) {
	t.Parallel()
	srv := serve(t, canaries())
	workerMetrics, operatorMetrics := harness.FreeAddress(t), harness.FreeAddress(t)
	fleet := harness.Start(t, harness.Options{
		WorkerFlags: []string{"--metrics-address", workerMetrics}, OperatorFlags: []string{"--metrics-bind-address", operatorMetrics},
	})
	order := harness.NewJob("canaries", srv.URL+"/?case="+inSeed)
	order.Spec.Capture.Limits.BodyMegabytes = 1
	order.Spec.Browser.PageTimeoutSeconds = 10
	fleet.Apply(t, order)
	unreachable := harness.NewJob("unreachable", "http://"+closedAddress+"/"+inPath+"?case="+inSeed)
	unreachable.Spec.Limits.DurationSeconds = 60
	fleet.Apply(t, unreachable)
	noSitemap := harness.NewJob("no-sitemap")
	noSitemap.Spec.Seeds.Sitemaps = []v1alpha1.SeedURL{v1alpha1.SeedURL(srv.URL + "/gone/" + inPath + "?case=" + inSeed)}
	fleet.Apply(t, noSitemap)
	fleet.WaitUntil(t, "canaries", "there is trouble to tell of", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
		c := job.Status.Counters
		return c != nil && c.Archived != nil && *c.Archived >= 5 && len(job.Status.FailedByReason) >= 3
	})
	fleet.SetState(t, "canaries", v1alpha1.StateCancelled) // some pages are tried again and again
	for _, name := range []string{"canaries", "unreachable", "no-sitemap"} {
		fleet.WaitFor(t, "crawl/"+name, "Finished", crawlTimeout)
	}
	job := fleet.Job(t, "canaries")
	askPortal(t, fleet, job)

	told := map[string][]byte{
		"the worker's metrics":   fetch(t, "http://"+workerMetrics+"/metrics"),
		"the operator's metrics": fetch(t, "http://"+operatorMetrics+"/metrics"),
		"the events":             kubernetes(t, fleet, "events"),
		"the CrawlJobs":          withoutOrders(t, kubernetes(t, fleet, "crawljobs.crawlfleet.dev")),
	}
	for _, log := range []string{"operator.log", "worker-0.log", "portal.log"} {
		raw, err := os.ReadFile(filepath.Join(fleet.Logs, log))
		if err != nil || len(raw) < 500 {
			t.Errorf("%s: %d bytes, %v", log, len(raw), err)
		}
		told["the log "+log] = raw
	}
	if !bytes.Contains(told["the worker's metrics"], []byte("crawlfleet_pages_total")) || !bytes.Contains(told["the events"], []byte("canaries")) {
		t.Error("the search looks at nothing: there are no metrics, or no events")
	}
	for where, raw := range told {
		for _, found := range canariesIn(raw) {
			t.Errorf("%s: …%s…", where, found)
		}
	}
	inTemporal(t, fleet)
}

// canariesIn are the places in which there is one, as it is or as a query writes it.
func canariesIn(raw []byte) (found []string) {
	for at := 0; len(found) < 5; {
		i := bytes.Index(raw[at:], []byte(canary))
		if i < 0 {
			return found
		}
		i += at
		found = append(found, string(raw[max(0, i-200):min(len(raw), i+60)]))
		at = i + len(canary)
	}
	return found
}

// patient follows a few redirects: archived ones lead in circles, as the live ones did.
var patient = &http.Client{CheckRedirect: func(_ *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}}

func fetch(t *testing.T, address string) []byte {
	t.Helper()
	res, err := patient.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func kubernetes(t *testing.T, fleet *harness.Fleet, kind string) []byte {
	t.Helper()
	out, err := fleet.Kubectl(t.Context(), "", "get", kind, "--all-namespaces", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(out)
}

// withoutOrders leaves out what the user has written: the order, and kubectl's copy of it.
func withoutOrders(t *testing.T, raw []byte) []byte {
	t.Helper()
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 3 {
		t.Errorf("there are %d CrawlJobs", len(list.Items))
	}
	for _, item := range list.Items {
		delete(item, "spec")
		if meta, ok := item["metadata"].(map[string]any); ok {
			delete(meta, "annotations")
		}
	}
	out, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// askPortal has the portal show everything of a run in every way there is, and asks it for what there is not.
func askPortal(t *testing.T, fleet *harness.Fleet, job *v1alpha1.CrawlJob) {
	t.Helper()
	address := harness.FreeAddress(t)
	fleet.Portal(t, "portal", address)
	portal := "http://" + address
	pages := listed(t, portal, job)
	paths := []string{"/", "/crawls", "/api/v1/runs", "/" + inAsk + "?" + inAsk, "/wacz/" + inAsk, "/snapshots/" + inAsk, "/compare?a=" + inAsk + "&b=" + inAsk}
	for _, query := range []string{"q=" + inAsk, "q=" + inText, "host=" + inAsk, "url=" + inAsk, "cursor=" + inAsk} {
		paths = append(paths, "/?"+query, "/api/v1/snapshots?"+query)
	}
	for _, run := range []string{"/runs/" + strings.TrimSuffix(job.Status.Archive.Prefix, "/"), "/runs/default/" + inAsk + "/" + inAsk} {
		paths = append(paths, run, run+"?q="+inAsk, "/api/v1"+run)
	}
	for i, p := range pages {
		for _, part := range []string{"", "/text", "/picture", "/thumbnail", "/thumbnail/clear", "/verify", "/replay", "/replay/link", "/wacz"} {
			paths = append(paths, "/snapshots/"+p.ID+part)
		}
		for _, part := range []string{"", "/text", "/picture", "/verification", "/wacz"} {
			paths = append(paths, "/api/v1/snapshots/"+p.ID+part)
		}
		query, pair := url.Values{"url": {p.URL}}.Encode(), "a="+p.ID+"&b="+pages[(i+1)%len(pages)].ID
		paths = append(paths, "/timeline?"+query, "/api/v1/timeline?"+query, "/wacz/"+p.Chunk, "/compare?"+pair, "/compare/picture?"+pair, "/api/v1/compare?"+pair)
		paths = append(paths, "/cdx?"+query, "/memento/timemap/link/"+p.URL, "/memento/timegate/"+p.URL)
	}
	shown := 0
	for _, path := range paths {
		shown += len(canariesIn(fetch(t, portal+path)))
	}
	var link struct{ Src string }
	if err := json.Unmarshal(fetch(t, portal+"/snapshots/"+pages[0].ID+"/replay/link"), &link); err != nil {
		t.Fatal(err)
	}
	folder, _, _ := strings.Cut(link.Src, "#")
	for _, path := range []string{"", "collection.json", "wacz/" + pages[0].Chunk, "wacz/" + inAsk, "replay/w/" + inAsk} {
		_ = fetch(t, folder+path)
	}
	if shown < len(pages) {
		t.Errorf("the portal was asked for %d things, and showed %d canaries: it was asked for too little", len(paths), shown)
	}
}

// capture is what the portal says of one.
type capture struct{ ID, URL, Chunk string }

// listed waits until the portal knows what a job has archived, and returns all of it, with what failed.
func listed(t *testing.T, portal string, job *v1alpha1.CrawlJob) []capture {
	t.Helper()
	var found struct{ Items []capture }
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		raw := fetch(t, portal+"/api/v1/snapshots?partial=1&limit=1000&run="+string(job.UID))
		if err := json.Unmarshal(raw, &found); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if len(found.Items) >= int(*job.Status.Counters.Archived) {
			return found.Items
		}
		if time.Now().After(deadline) {
			t.Fatalf("the portal lists %d captures, and %d pages are archived", len(found.Items), *job.Status.Counters.Archived)
		}
	}
}

// inTemporal looks at what the server knows of all workflows, and then into its database, as
// who reads that would. With the keys, the canaries must be there: the search can find them.
func inTemporal(t *testing.T, fleet *harness.Fleet) {
	t.Helper()
	s := fleet.State().Temporal
	options := client.Options{HostPort: s.Address, Namespace: s.Namespace}
	keys, err := payload.Open(payload.File{Path: fleet.PayloadKeys}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(options) // which knows no keys
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	seen, payloads, decrypted := 0, 0, 0
	for _, info := range list.Executions {
		messages := []proto.Message{info}
		history := c.GetWorkflowHistory(t.Context(), info.Execution.WorkflowId, info.Execution.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for history.HasNext() {
			event, err := history.Next()
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, event)
		}
		for _, m := range messages {
			raw, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range canariesIn(raw) {
				t.Errorf("the history of %s: …%q…", info.Execution.WorkflowId, found)
			}
			plain, n := decryptAll(t, keys, m)
			payloads += n
			decrypted += len(canariesIn(plain))
		}
		seen++
	}
	if seen < 4 || payloads < 50 || decrypted == 0 {
		t.Errorf("%d workflows with %d payloads, in which %d canaries were found with the keys: the search finds nothing", seen, payloads, decrypted)
	}
	inFiles(t, filepath.Join(fleet.Dir, "stack", "temporal"))
}

// decryptAll counts the payloads of a message, each of which must be encrypted, and returns
// what is in them.
func decryptAll(t *testing.T, keys *payload.Keys, m proto.Message) (plain []byte, n int) {
	t.Helper()
	visit := func(_ *proxy.VisitPayloadsContext, list []*commonpb.Payload) ([]*commonpb.Payload, error) {
		for _, p := range list {
			if string(p.GetMetadata()["encoding"]) != "binary/encrypted" {
				t.Errorf("a payload is not encrypted: %v", p)
			}
		}
		decoded, err := keys.Decode(list)
		for _, p := range decoded {
			n++
			plain = append(plain, p.GetData()...)
		}
		return list, err
	}
	err := proxy.VisitPayloads(context.WithoutCancel(t.Context()), proto.Clone(m), proxy.VisitPayloadsOptions{Visitor: visit, SkipSearchAttributes: true})
	if err != nil {
		t.Fatal(err)
	}
	return plain, n
}

// inFiles looks for canaries in all files below a folder.
func inFiles(t *testing.T, dir string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			files = append(files, path)
			for _, found := range canariesIn(raw) {
				t.Errorf("%s: …%q…", path, found)
			}
		}
		return err
	})
	if err != nil || !slices.ContainsFunc(files, func(f string) bool { return strings.Contains(filepath.Base(f), ".db") || strings.Contains(f, "sqlite") }) {
		t.Errorf("Temporal's files are %v, %v: its database is not among them", files, err)
	}
}
