package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
)

const profileFile = "../../config/crd/bases/crawlfleet.dev_browserprofiles.yaml"

// browserProfile writes a manifest with the given rest of spec.
func browserProfile(rest string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: BrowserProfile
metadata: {name: members, namespace: default}
spec:
  secretRef: {name: members-state}
` + indent(rest)
}

func TestBrowserProfileDefinitionIsValid(t *testing.T) {
	t.Parallel()
	if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), loadDefinition(t, profileFile)); len(errs) > 0 {
		t.Fatalf("the API server would refuse the definition:\n%v", errs.ToAggregate())
	}
	var total uint64
	for _, r := range walkRules(t, newServer(t, profileFile).structural, nil) {
		total += r.cost
	}
	if total > crdvalidation.StaticEstimatedCRDCostLimit/2 {
		t.Errorf("all rules together cost %d, over half of the limit of %d", total, crdvalidation.StaticEstimatedCRDCostLimit)
	}
}

func TestBrowserProfileRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, profileFile)
	for name, tc := range map[string]struct{ reason, manifest, want string }{
		"NoSecret": {"Without a Secret there is no state.", strings.Replace(browserProfile(""), "secretRef: {name: members-state}", "hosts: [example.org]", 1), "spec.secretRef: Required value"},
		"Secret":   {"A Secret has a name of its kind.", strings.Replace(browserProfile(""), "members-state", "Members_State", 1), "must be the name of a Secret"},
		"URL":      {"People paste addresses.", browserProfile("hosts: [\"https://example.org/\"]"), "without https://, port and path"},
		"Port":     {"A port is no part of a host.", browserProfile("hosts: [\"example.org:8080\"]"), "without https://, port and path"},
		"Upper":    {"Hosts are compared as they are written.", browserProfile("hosts: [Example.org]"), "a host in lower case"},
		"Wildcard": {"A host stands for its subdomains anyway.", browserProfile("hosts: [\"*.example.org\"]"), "it stands for its subdomains too"},
		"NoHosts":  {"An empty list is a slip.", browserProfile("hosts: []"), "should have at least 1 items"},
		"Twice":    {"So is the same one twice.", browserProfile("hosts: [a.example, a.example]"), "Duplicate value"},
		"NoCheck":  {"A check of nothing checks nothing.", browserProfile("loginCheck: {}"), "give loggedOut (what the log-in page looks like) or loggedIn"},
		"NoSigns":  {"So do signs that are none.", browserProfile("loginCheck: {loggedOut: {}}"), "loggedOut must have a urlPattern, a selector or a text"},
		"NoSigns2": {"Of either kind.", browserProfile("loginCheck: {loggedIn: {}}"), "loggedIn must have a selector or a text"},
		"Pattern":  {"A pattern that is none is found here, not in a crawl.", browserProfile("loginCheck: {loggedOut: {urlPattern: \"(\"}}"), "must be a regular expression in RE2 syntax"},
		"Unknown":  {"A field that does not exist is not passed over.", browserProfile("cookies: []"), "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, tc.manifest)
			if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestBrowserProfileAccepted(t *testing.T) {
	t.Parallel()
	s := newServer(t, profileFile)
	for _, rest := range []string{
		"", "hosts: [example.org, members.example.net, 127.0.0.1, localhost, xn--bcher-kva.example]",
		"loginCheck: {loggedOut: {urlPattern: /login, selector: \"form#login\", text: Log in}, loggedIn: {selector: a.logout}}",
	} {
		if _, errs := s.create(t, browserProfile(rest)); len(errs) > 0 {
			t.Errorf("%s: %v", rest, errs)
		}
	}
	// Unlike an order, it may be changed: it is no part of the evidence.
	if errs := s.update(t, browserProfile(""), browserProfile("hosts: [example.org]")); len(errs) > 0 {
		t.Errorf("a change is refused: %v", errs)
	}
}

func TestBrowserProfileSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("../../config/samples", "browserprofile.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	profiles, jobs := newServer(t, profileFile), newServer(t)
	n := 0
	for doc := range strings.SplitSeq(string(raw), "\n---\n") {
		s := profiles
		if strings.Contains(doc, "kind: CrawlJob") {
			s = jobs
		}
		if _, errs := s.create(t, doc); len(errs) > 0 {
			t.Errorf("%v\n%s", errs, doc)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d resources", n)
	}
}
