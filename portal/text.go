package portal

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// functions are what the pages' templates use.
var functions = template.FuncMap{
	"bytes": bytesText, "count": count, "when": when, "iso": iso, "visible": visible, "short": shortURL,
	"sentence": sentence, "view": viewLink, "row": func(r *Run, p Page) map[string]any { return map[string]any{"Run": r, "Page": p} },
}

// replayTime is how ReplayWeb.page and CDXJ write a time.
const replayTime = "20060102150405"

// visible makes text that strangers wrote safe to look at: controls, and marks that turn
// the direction of the text around them so that an address reads as another one (Unicode
// Technical Report 36, section 2.5), become a visible replacement.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == 0xfeff, r == 0x2028, r == 0x2029:
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// viewLink is the address under which a page of a run is shown.
func viewLink(r *Run, p Page) string {
	return runLink(r) + "/view?" + url.Values{"url": {p.URL}, "ts": {p.Time.UTC().Format(replayTime)}}.Encode()
}

func runLink(r *Run) string {
	return "/runs/" + url.PathEscape(r.Namespace) + "/" + url.PathEscape(r.Name) + "/" + url.PathEscape(r.UID)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// shortURL leaves out of an address what all have, and its middle when it is long: site and end
// tell most.
func shortURL(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(visible(s), "https://"), "http://")
	if r := []rune(s); len(r) > 120 {
		return string(r[:80]) + "…" + string(r[len(r)-39:])
	}
	return s
}

// sentence reads a reason, such as RobotsDisallowed, as words.
func sentence(reason string) string {
	var b strings.Builder
	for i, r := range reason {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return visible(b.String())
}

// count writes a number with its word, as in "1 page" and "1,200 pages", or without one.
func count(n int, word string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	switch {
	case word == "":
		return digits
	case n != 1:
		word += "s"
	}
	return digits + " " + word
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
