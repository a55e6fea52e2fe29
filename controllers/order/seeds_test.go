package order

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReadSeeds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		want       []string
		err        string
	}{
		"Plain":    {reason: "comments, empty lines, white space", in: "# seeds\n\n https://a.test/1 \nhttps://a.test/2", want: []string{"https://a.test/1", "https://a.test/2"}},
		"Windows":  {reason: "a byte order mark and CRLF", in: "\ufeffhttps://a.test/1\r\n\r\nhttps://a.test/2\r\n", want: []string{"https://a.test/1", "https://a.test/2"}},
		"Wrong":    {reason: "the line is named, not repeated", in: "https://a.test/\n\nsecret", want: []string{"https://a.test/"}, err: "line 3 is not a whole web address such as https://www.example.org/path"},
		"Many":     {reason: "the first few are named", in: "a\nb\nc\nd\ne", err: "line 3 is not a whole web address such as https://www.example.org/path; and 2 more lines"},
		"Long":     {reason: "an address has a bound", in: "https://a.test/" + strings.Repeat("a", MaxSeedURL), err: "line 1 is longer than 2048 bytes"},
		"LongLine": {reason: "and so has a line", in: "https://a.test/\n#" + strings.Repeat("a", maxLine), want: []string{"https://a.test/"}, err: "line 2 is longer than 65536 bytes"},
		"Account":  {reason: "no log-in", in: "https://user:pw@a.test/", err: "carries a user name or password"},
		"Port":     {reason: "no crawl could visit it", in: "https://a.test:99999/", err: "line 1 has a port that is not a number from 0 to 65535"},
		"Address":  {reason: "nor this", in: "http://999.1.2.3/", err: "line 1 has a host that is neither a name nor an IP address"},
		"Percent":  {reason: "a bare percent sign is what a browser takes", in: "https://a.test/100%-cotton?off=5%", want: []string{"https://a.test/100%-cotton?off=5%"}},
		"Route":    {reason: "no server sees it", in: "https://a.test/5%#/ads", err: "points at a route behind #"},
		"Escape":   {reason: "a host has no escapes that mean nothing", in: "https://a%zz.test/", err: "is not a whole web address"},
		"Nothing":  {reason: "no seed is not this function's to judge", in: "\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := ReadSeeds(strings.NewReader(tc.in), func(u string) { got = append(got, u) })
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: error %v, want %q", tc.reason, err, tc.err)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// million is a list of a million lines that is never in memory as a whole.
type million struct {
	line int
	rest string
}

func (m *million) Read(p []byte) (int, error) {
	if m.rest == "" {
		if m.line == 1_000_000 {
			return 0, io.EOF
		}
		m.line++
		m.rest = fmt.Sprintf("https://a.test/%d\r\n", m.line)
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// TestReadSeedsStreams: a list is not held, however long it is.
func TestReadSeedsStreams(t *testing.T) {
	t.Parallel()
	list, last, taken, ahead := &million{}, "", 0, 0
	err := ReadSeeds(list, func(u string) {
		taken++
		last, ahead = u, max(ahead, list.line-taken)
	})
	if err != nil || taken != 1_000_000 || last != "https://a.test/1000000" {
		t.Errorf("%d addresses, the last is %q, %v", taken, last, err)
	}
	if ahead*len(last) > 2*maxLine {
		t.Errorf("%d lines are read before they are taken", ahead)
	}
}

func FuzzReadSeeds(f *testing.F) {
	f.Add("\ufeffhttps://a.test/\r\n# x\nb")
	f.Fuzz(func(t *testing.T, text string) {
		_ = ReadSeeds(strings.NewReader(text), func(u string) { // whatever is wrong with other lines
			if err := CheckSeed(u); err != nil || strings.ContainsAny(u, "\r\n") {
				t.Errorf("it takes %q: %v", u, err)
			}
		})
	})
}
