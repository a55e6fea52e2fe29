// Package words says what the portal says in the languages of its people.
//
// A text is named by its English wording, as with gettext, so that code and pages read as what
// they show; the other languages are tables from that wording. What has no translation is shown in
// English, and a test finds it.
package words

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"golang.org/x/text/language"
)

// Lang is a language of the portal, as a BCP 47 tag.
type Lang string

// The languages, English first: it is what others fall back to.
const (
	English Lang = "en"
	Dutch   Lang = "nl"
)

// Langs are all languages with their own names.
func Langs() []struct{ Tag, Name string } {
	return []struct{ Tag, Name string }{{string(English), "English"}, {string(Dutch), "Nederlands"}}
}

// matcher chooses between the languages, in the order of Langs.
var matcher = language.NewMatcher([]language.Tag{language.English, language.Dutch})

// Match is the language for a request: what its cookie "lang" says, else what its browser prefers
// (RFC 9110 section 12.5.4).
func Match(r *http.Request) Lang {
	if c, err := r.Cookie("lang"); err == nil && Known(Lang(c.Value)) {
		return Lang(c.Value)
	}
	_, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	return []Lang{English, Dutch}[i]
}

// Known reports whether a language is one of the portal's.
func Known(l Lang) bool { return l == English || l == Dutch }

// Said is a text with its arguments, of which it is not known yet in which language it is read.
type Said struct {
	// Text is the English wording, as of [Lang.Text].
	Text string
	Args []any
}

// Say is a text with its arguments, to be said later.
func Say(english string, args ...any) Said { return Said{english, args} }

// String is what is said, in English.
func (s Said) String() string { return English.Say(s) }

// Say says a text in the language.
func (l Lang) Say(s Said) string { return l.Text(s.Text, s.Args...) }

// Text is a text, with arguments as fmt.Sprintf takes them. Those that are texts themselves, [Said], are
// said in the same language.
func (l Lang) Text(english string, args ...any) string {
	s := english
	if l == Dutch {
		if known, ok := dutch[english]; ok {
			s = known
		}
	}
	if len(args) == 0 {
		return s
	}
	all := slices.Clone(args)
	for i, arg := range all {
		if said, ok := arg.(Said); ok {
			all[i] = l.Say(said)
		}
	}
	return fmt.Sprintf(s, all...)
}

// Count is a number with its noun, such as "1 page" and "1,200 pages".
func (l Lang) Count(n int, noun string) string { return l.Number(n) + " " + l.Noun(n, noun) }

// Noun is what a number is of, without the number, such as "page" and "pages".
func (l Lang) Noun(n int, noun string) string {
	forms, ok := nouns[noun]
	if !ok {
		forms = [2][2]string{{noun, noun + "s"}, {noun, noun}}
	}
	form := forms[0]
	if l == Dutch {
		form = forms[1]
	}
	if n == 1 {
		return form[0]
	}
	return form[1]
}

// Number writes a number with its thousands apart.
func (l Lang) Number(n int) string {
	digits := strconv.Itoa(n)
	mark := ","
	if l == Dutch {
		mark = "."
	}
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + mark + digits[i:]
	}
	return digits
}

// All are the texts that are translated, sorted.
func All() []string { return slices.Sorted(maps.Keys(dutch)) }

// merge puts the tables of the views together.
func merge(tables ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// dutch has the Dutch wording of every text.
var dutch = merge(dutchAccess, dutchAdvice, dutchCases, dutchCompare, dutchCrawls, dutchFind, dutchFrame, dutchInput, dutchLive, dutchProblems, dutchSnapshot, dutchTimeline, dutchVerify, dutchWatches)

// nouns are what is counted: one and many, in English and in Dutch.
var nouns = map[string][2][2]string{
	"host":       {{"host", "hosts"}, {"host", "hosts"}},
	"case":       {{"case", "cases"}, {"zaak", "zaken"}},
	"event":      {{"event", "events"}, {"gebeurtenis", "gebeurtenissen"}},
	"capture":    {{"capture", "captures"}, {"vastlegging", "vastleggingen"}},
	"page":       {{"page", "pages"}, {"pagina", "pagina’s"}},
	"other page": {{"other page", "other pages"}, {"andere pagina", "andere pagina’s"}},
	"crawl":      {{"crawl", "crawls"}, {"crawl", "crawls"}},
	"snapshot":   {{"snapshot", "snapshots"}, {"momentopname", "momentopnamen"}},
	"problem":    {{"problem", "problems"}, {"probleem", "problemen"}},
	"file":       {{"file", "files"}, {"bestand", "bestanden"}},
	"request":    {{"request", "requests"}, {"verzoek", "verzoeken"}},
	"link":       {{"link", "links"}, {"link", "links"}},
	"WACZ file":  {{"WACZ file", "WACZ files"}, {"WACZ-bestand", "WACZ-bestanden"}},
	"check":      {{"check", "checks"}, {"controle", "controles"}},
	"fact":       {{"fact", "facts"}, {"feit", "feiten"}},
	"notice":     {{"notice", "notices"}, {"melding", "meldingen"}},
	"place":      {{"place", "places"}, {"plaats", "plaatsen"}},
	"word":       {{"word", "words"}, {"woord", "woorden"}},
}
