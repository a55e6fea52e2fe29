package cdxj

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// MaxLine is the size in bytes that a line may have.
const MaxLine = 1 << 20

// timestamp has milliseconds: two captures of a URL in one second are two.
const timestamp = "20060102150405.000"

// FormatTime writes a line's timestamp: YYYYMMDDhhmmss and three digits of
// milliseconds, in UTC.
func FormatTime(t time.Time) string {
	return strings.Replace(t.UTC().Format(timestamp), ".", "", 1)
}

// ParseTime reads a line's timestamp, with or without milliseconds.
func ParseTime(s string) (time.Time, error) {
	if len(s) == 14 {
		s += "000"
	}
	if len(s) != 17 || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("timestamp %q has not 14 or 17 digits", s)
	}
	return time.Parse(timestamp, s[:14]+"."+s[14:])
}

// object is the JSON of a line. The first seven members are mandatory.
type object struct {
	URL          string      `json:"url"`
	Mime         string      `json:"mime"`
	Status       number      `json:"status"`
	Digest       warc.Digest `json:"digest"`
	Length       number      `json:"length"`
	Offset       number      `json:"offset"`
	Filename     string      `json:"filename"`
	RecordDigest warc.Digest `json:"recordDigest,omitempty"`
	Method       string      `json:"method,omitempty"`
	RequestBody  string      `json:"requestBody,omitempty"`
}

// number is read from a JSON number or, as Python's tools write it, a string.
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "-" || s == "null" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a number", s)
	}
	*n = number(v)
	return nil
}

// AppendLine appends the entry's line with its line break to b.
func (e Entry) AppendLine(b []byte) ([]byte, error) {
	if e.Key == "" || strings.ContainsFunc(string(e.Key), isSpace) {
		return nil, fmt.Errorf("entry of %q: the key %q cannot be in an index", e.URL, e.Key)
	}
	if e.Time.IsZero() || e.Time.Year() > 9999 || e.Time.Year() < 0 {
		return nil, fmt.Errorf("entry of %q: the time %v cannot be in an index", e.URL, e.Time)
	}
	var js bytes.Buffer
	enc := json.NewEncoder(&js)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object{
		URL: e.URL, Mime: e.Mime, Status: number(e.Status), Digest: e.Digest,
		Length: number(e.Length), Offset: number(e.Offset), Filename: e.Filename,
		RecordDigest: e.RecordDigest, Method: e.Method, RequestBody: e.RequestBody,
	}); err != nil {
		return nil, fmt.Errorf("entry of %q: %w", e.URL, err)
	}
	b = append(b, e.Key...)
	b = append(b, ' ')
	b = append(b, FormatTime(e.Time)...)
	b = append(b, ' ')
	return append(b, js.Bytes()...), nil
}

func isSpace(r rune) bool { return r <= ' ' || r == 0x7f }

// Parse reads a line, with or without its line break.
func Parse(line []byte) (Entry, error) {
	line = bytes.TrimRight(line, "\r\n")
	key, rest, ok := strings.Cut(string(line), " ")
	ts, js, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || key == "" {
		return Entry{}, errors.New("a line has a key, a timestamp and a JSON object, with spaces between")
	}
	t, err := ParseTime(ts)
	if err != nil {
		return Entry{}, err
	}
	var o object
	if err := json.Unmarshal([]byte(js), &o); err != nil {
		return Entry{}, fmt.Errorf("JSON of key %q: %w", key, err)
	}
	return Entry{
		Key: urls.SURT(key), Time: t, URL: o.URL, Mime: o.Mime, Status: int(o.Status),
		Digest: o.Digest, RecordDigest: o.RecordDigest, Filename: o.Filename,
		Offset: int64(o.Offset), Length: int64(o.Length), Method: o.Method, RequestBody: o.RequestBody,
	}, nil
}

// Sort sorts entries as their lines are. Spaces sort before all that a key can
// have, so that keys and times can be compared one after the other.
func Sort(entries []Entry) {
	slices.SortStableFunc(entries, compare)
}

func compare(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(a.Key, b.Key),
		a.Time.Truncate(time.Millisecond).Compare(b.Time.Truncate(time.Millisecond)),
		cmp.Compare(a.URL, b.URL),
		cmp.Compare(a.Filename, b.Filename),
		cmp.Compare(a.Offset, b.Offset),
	)
}

// Write writes the entries, sorted by the bytes of their lines. It does not change
// the slice.
func Write(w io.Writer, entries []Entry) error {
	lines, err := sortedLines(entries)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, line := range lines {
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func sortedLines(entries []Entry) ([][]byte, error) {
	lines := make([][]byte, len(entries))
	for i, e := range entries {
		line, err := e.AppendLine(nil)
		if err != nil {
			return nil, err
		}
		lines[i] = line
	}
	slices.SortFunc(lines, bytes.Compare)
	return lines, nil
}

// Read reads the lines of an index one after another and ends with the first
// error. Lines that start with "!" are about the index and are left out.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
		n := 0
		for lines.Scan() {
			n++
			line := lines.Bytes()
			if len(line) == 0 || line[0] == '!' {
				continue
			}
			e, err := Parse(line)
			if err != nil {
				yield(Entry{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Entry{}, fmt.Errorf("line %d: %w", n+1, err))
		}
	}
}
