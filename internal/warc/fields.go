package warc

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ErrField says that a field's name or value cannot be written. Values come from
// the web; one with a line break would make a field of its own.
var ErrField = errors.New("invalid WARC field")

// NewID returns a fresh record id, "urn:uuid:…" of a random UUID (RFC 9562).
func NewID() string { return uuid.New().URN() }

// FormatDate writes a date as WARC-Date has it: UTC, with microseconds
// (W3CDTF profile of ISO 28500 section 5.4).
func FormatDate(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// ParseDate reads a date as WARC-Date has it, at any of the precisions that
// WARC/1.1 allows.
func ParseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2006-01-02T15:04:05.000Z", s)
}

// FormatFields writes a block of type application/warc-fields, as warcinfo and
// metadata records have it. It refuses what [EscapeValue] would change.
func FormatFields(fields []Field) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range fields {
		if err := f.check(); err != nil {
			return nil, err
		}
		f.writeTo(&b)
	}
	return b.Bytes(), nil
}

// EscapeValue makes any text fit to be a field's value: control characters are
// percent-encoded, spaces at the ends removed.
func EscapeValue(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			fmt.Fprintf(&b, "%%%02X", r)
		} else {
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

func (f Field) writeTo(b *bytes.Buffer) {
	b.WriteString(f.Name)
	b.WriteString(": ")
	b.WriteString(f.Value)
	b.WriteString("\r\n")
}

func (f Field) check() error {
	if !isToken(f.Name) {
		return fmt.Errorf("%w: name %q", ErrField, f.Name)
	}
	if strings.IndexFunc(f.Value, isControl) >= 0 {
		return fmt.Errorf("%w: %s has a control character in %q", ErrField, f.Name, f.Value)
	}
	if strings.TrimSpace(f.Value) != f.Value {
		return fmt.Errorf("%w: %s starts or ends with a space in %q", ErrField, f.Name, f.Value)
	}
	return nil
}

// isControl reports control characters. A tab is one: in a value it is noise.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// isToken reports whether s can be a field's name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	}) < 0
}

func trimBrackets(s string) string {
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		return s[1 : len(s)-1]
	}
	return s
}

// own are the fields that Record has members for, in lower case.
func isOwn(name string) bool {
	switch strings.ToLower(name) {
	case "warc-type", "warc-record-id", "warc-date", "warc-target-uri", "content-type",
		"content-length", "warc-block-digest", "warc-payload-digest":
		return true
	}
	return false
}

// mayRepeat reports whether a field may occur more than once in a header.
func mayRepeat(name string) bool {
	return strings.EqualFold(name, FieldConcurrentTo) || strings.EqualFold(name, FieldProtocol)
}
