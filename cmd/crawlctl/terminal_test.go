package main

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// hostile is what a page may call itself.
const hostile = "a\r\nforged: line\n---\nkind: ClusterRoleBinding\x00\x1b[2J\x1b]0;owned\x07\x7f\u009b31m\u202elmth.exe"

// obeyed is what a terminal does not show but do.
func obeyed(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// TestReportIsPrintable: whatever is said of a page is one line each that a terminal shows.
func TestReportIsPrintable(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	s := &session{job: new(captureJob), stdout: &stdout, stderr: &stderr, progress: new(cli.Progress)}
	s.job.json = true
	page := &browser.Page{
		URL: "http://a.example/" + hostile, FinalURL: hostile, Title: hostile, MIME: hostile, Challenge: hostile,
		Outcome: browser.Outcome{State: browser.Failed, Reason: "TLSFailed", Detail: hostile},
		Limits:  []browser.Limit{{Name: browser.LimitNoDocument, Detail: hostile}},
	}
	if err := s.report(page, false); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); strings.ContainsFunc(got, obeyed) || strings.Count(got, "\n") != 1 || !strings.Contains(got, "owned") {
		t.Errorf("standard output: %q", got)
	}
	if got := stderr.String(); strings.ContainsFunc(got, obeyed) || strings.Contains(got, "\nforged") || !strings.Contains(got, "owned") {
		t.Errorf("standard error: %q", got)
	}
	var listed strings.Builder
	c := &contents{Pages: []pageLine{{URL: hostile, Title: hostile}}}
	if err := c.print(&listed); err != nil {
		t.Fatal(err)
	}
	if got := listed.String(); strings.ContainsFunc(got, obeyed) || strings.Count(got, "\n") != 2 || !strings.Contains(got, "owned") {
		t.Errorf("the list of pages: %q", got)
	}
}

// TestProfileIsYAML: what a site or a person says is a value in the YAML of a profile, and
// no document or key of its own.
func TestProfileIsYAML(t *testing.T) {
	t.Parallel()
	const file = `{"cookies":[{"name":"---","value":"---:'{*&!|>%@","domain":"example.org","path":"/","expires":-1}],"origins":[]}`
	const shown = "a\r\nforged: line\n---\nkind: ClusterRoleBinding \u2028x"
	flags := profileFlags{out: "-", hosts: []string{"example.org"}, login: profile.LoginCheck{LoggedOutText: shown, LoggedInSelector: "a: {b\n---\n"}}
	p, err := profile.New("members", "", []byte(file), flags.hosts, flags.login)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if err := (&profileJob{profileFlags: flags, name: "members"}).write([]byte(file), p, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); strings.ContainsFunc(got, obeyed) {
		t.Errorf("wrote %q", got)
	}
	documents := strings.Split(stdout.String(), "\n---\n")
	if len(documents) != 2 {
		t.Fatalf("%d documents, want 2:\n%s", len(documents), stdout.String())
	}
	var bp v1alpha1.BrowserProfile
	var secret corev1.Secret
	if err := yaml.UnmarshalStrict([]byte(documents[0]), &bp); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(documents[1]), &secret); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.LoginCheck{LoggedOut: &v1alpha1.LoggedOut{Text: shown}, LoggedIn: &v1alpha1.LoggedIn{Selector: flags.login.LoggedInSelector}}
	if diff := cmp.Diff(&want, bp.Spec.LoginCheck); diff != "" || bp.Kind != "BrowserProfile" || secret.Kind != "Secret" {
		t.Errorf("kinds %s and %s, (-want +got):\n%s", bp.Kind, secret.Kind, diff)
	}
	if string(secret.Data[profile.StateKey]) != file {
		t.Errorf("the state is %q", secret.Data[profile.StateKey])
	}
}
