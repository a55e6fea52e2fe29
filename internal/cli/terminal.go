package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// OneLine replaces what is not printable, so that text which strangers wrote
// neither forges lines nor moves the cursor.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// lines is OneLine for messages that may have several.
func lines(s string) string {
	all := strings.Split(s, "\n")
	for i, l := range all {
		all[i] = OneLine(l)
	}
	return strings.Join(all, "\n")
}

// WriteJSON writes a value as one line of JSON, in which everything that is not
// printable is escaped (RFC 8259 section 7). JSON itself asks that of the
// characters below U+0020 alone, and U+009B begins orders to a terminal just as
// ESC does.
func WriteJSON(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(raw) {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, b.String())
	return err
}
