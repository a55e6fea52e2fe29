package portal

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal/history"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

// functions are what the pages' templates use.
var functions = template.FuncMap{
	"stateclass": stateClass, "int": func(n int64) int { return int(n) }, "done": func(c live.Counters) int64 { return c.Archived + c.Failed + c.Skipped },
	"rate": func(r *float64) string { return fmt.Sprintf("%.1f", *r) }, "left": left,
	"bytes": bytesText, "when": when, "iso": iso, "base": path.Base, "changeclass": changeClass, "noticeclass": noticeClass,
	"query": func(name, value string) template.URL { return template.URL(url.Values{name: {value}}.Encode()) },
	"lines": lines, "contact": contactText, "lead": leadText, "clock": func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"verdictclass": func(v verify.Verdict) string {
		return map[verify.Verdict]string{verify.Holds: "good", verify.Fails: "bad"}[v]
	}, "visible": visible, "short": shortURL,
	"sentence": sentence,
}

// changeClass is how a change looks. That only the document changed is what most pages do at each visit.
func changeClass(s history.Step) string {
	if s.Change == history.Changed && !slices.Contains(s.Parts, history.Text) {
		return "quiet"
	}
	return map[history.Change]string{history.Changed: "busy", history.Gone: "bad", history.Back: "good"}[s.Change]
}

// noticeClass is how a notice looks, as a change does.
func noticeClass(n watches.Notice) string {
	return cmp.Or(changeClass(history.Step{Change: history.Change(n.Kind), Parts: n.Parts}), "quiet")
}

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

// lines is visible for text of several lines.
func lines(s string) string {
	all := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range all {
		all[i] = visible(l)
	}
	return strings.Join(all, "\n")
}

// leadText is what a link such as tel:+12025550143?x=y leads to.
func leadText(address string) string {
	_, to, _ := strings.Cut(address, ":")
	to, _, _ = strings.Cut(to, "?")
	if plain, err := url.PathUnescape(to); err == nil {
		return plain
	}
	return to
}

// contactText is what a link that is a lead leads to: all of the address where that is a page, such as
// somebody's page at a messenger.
func contactText(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return leadText(address)
}

// digestField is a SHA-256 in hex as a header field writes it (RFC 9530 section 2).
func digestField(sum string) string {
	b, err := hex.DecodeString(sum)
	if err != nil {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(b) + ":"
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

// left is a number of seconds as people say it.
func left(seconds *int64) string {
	d := time.Duration(*seconds) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", *seconds)
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
