package cli

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadPages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		in     string
		want   []string
		errs   []string
	}{
		"Plain":     {"One a line.", "http://a.example/\nhttps://b.example/x?y=1#z\n", []string{"http://a.example/", "https://b.example/x?y=1#z"}, nil},
		"Windows":   {"A mark and CRLF are no part of an address.", "\ufeffhttp://a.example/\r\n\r\n# note\r\nhttp://b.example/\r\n", []string{"http://a.example/", "http://b.example/"}, nil},
		"Percent":   {"Browsers take a sign that starts no escape.", "http://a.example/100%-cotton#5%\n", []string{"http://a.example/100%-cotton#5%"}, nil},
		"Secret":    {"Nor is a password repeated then.", "http://me:secret@a.example/100%-cotton", nil, []string{"list:1: ", "never logs in"}},
		"Twice":     {"Each page once.", "http://a.example/\nhttp://a.example/\n", []string{"http://a.example/"}, nil},
		"Empty":     {"Nothing is nothing.", "", nil, nil},
		"BadLines":  {"Bad lines are named.", "http://a.example/\nexample.org/x\n\nftp://a.example/\nhttp:///x\n", nil, []string{"list:2: ", "did you mean https://example.org/x?", "list:4: ", "only http and https", "list:5: ", "no host"}},
		"Passwords": {"An address with a password is refused without being repeated.", "http://me:secret@a.example/", nil, []string{"list:1: ", "does not log in"}},
		"Control":   {"Control characters are no part of an address.", "http://a.example/\x01", nil, []string{"list:1: ", "invalid control character"}},
		"LongLine":  {"A line without an end is not read into memory.", "http://a.example/\nhttp://" + strings.Repeat("a", 1<<17), nil, []string{"list:2: the line is longer than"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadPages(strings.NewReader(tc.in), "list")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			for _, want := range tc.errs {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v lacks %q", tc.reason, err, want)
				}
			}
			if err != nil && (tc.errs == nil || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%s: error %v", tc.reason, err)
			}
		})
	}
}

func TestReadPagesNamesTenBadLines(t *testing.T) {
	t.Parallel()
	_, err := ReadPages(strings.NewReader(strings.Repeat("nothing\n", 25)), "list")
	if err == nil || strings.Count(err.Error(), "\n") != 10 || !strings.Contains(err.Error(), "and 15 more bad lines") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadPages(f *testing.F) {
	f.Add("http://a.example/\n#x\n")
	f.Add("\ufeff\r\n\x00")
	f.Fuzz(func(t *testing.T, in string) {
		pages, err := ReadPages(strings.NewReader(in), "list")
		if err != nil {
			return
		}
		again, err := ReadPages(strings.NewReader(strings.Join(pages, "\n")), "list")
		if err != nil {
			t.Fatalf("what was read does not read again: %v", err)
		}
		if diff := cmp.Diff(pages, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Parallel()
	got, err := ParseResolve([]string{"Example.org=127.0.0.1:80", "a.example:443=[::1]:8443"})
	if diff := cmp.Diff(map[string]string{"example.org": "127.0.0.1:80", "a.example:443": "[::1]:8443"}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"", "a", "=1.2.3.4:5", "a=b:1", "a=1.2.3.4"} {
		if _, err := ParseResolve([]string{bad}); code(err) != ExitUsage {
			t.Errorf("ParseResolve(%q) = %v", bad, err)
		}
	}
	prefixes, err := ParsePrefixes([]string{"127.0.0.1/8", "::1"})
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if diff := cmp.Diff(want, prefixes, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := ParsePrefixes([]string{"localhost"}); code(err) != ExitUsage {
		t.Errorf("got %v", err)
	}
	if w, h, err := ParseSize("1280x800"); w != 1280 || h != 800 || err != nil {
		t.Errorf("got %d %d %v", w, h, err)
	}
	for _, bad := range []string{"", "1280", "1x1", "axb", "99999x99999"} {
		if _, _, err := ParseSize(bad); code(err) != ExitUsage {
			t.Errorf("ParseSize(%q) = %v", bad, err)
		}
	}
}

func code(err error) int { return Exit(new(bytes.Buffer), "x", err) }

func TestExit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		err    error
		code   int
		out    string
	}{
		"Fine":   {"No error, no word.", nil, 0, ""},
		"Failed": {"An error is one line.", errors.New("no disk"), 1, "prog: no disk\n"},
		"Usage":  {"A usage error says where help is.", Usage("no %s", "page"), 2, "prog: no page\nRun 'prog --help' for usage.\n"},
		"Input":  {"What is wrong with a file is not in the help.", Input("job.yaml: %s", "empty"), 2, "prog: job.yaml: empty\n"},
		"Silent": {"What has been said is not said again.", &Error{Code: 1}, 1, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if got := Exit(&b, "prog", tc.err); got != tc.code || b.String() != tc.out {
				t.Errorf("%s: %d, %q", tc.reason, got, b.String())
			}
		})
	}
}

// TestExitOfCommand: it is the help of the command that helps, and the program that speaks.
func TestExitOfCommand(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	Exit(&b, "prog keys create", Usage("no file"))
	if got, want := b.String(), "prog: no file\nRun 'prog keys create --help' for usage.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var b bytes.Buffer
	p := &Progress{W: &b, Total: 4, Now: func() time.Time { return now }}
	p.Start()
	now = now.Add(2 * time.Second)
	p.Add(true, 3<<20)
	p.Add(false, 0)
	if got, want := b.String(), "2 of 4 pages, 1 failed, 3.0 MiB, 1.0 pages/s, 2s left"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end with %q", got, want)
	}
	p.Stop()
	if !strings.HasSuffix(b.String(), "\r") {
		t.Errorf("the line was left: %q", b.String())
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
