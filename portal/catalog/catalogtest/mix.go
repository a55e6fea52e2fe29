package catalogtest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// Kinds are the sorts of queries that people ask, each made anew from random numbers.
func (a *Archive) Kinds() map[string]func(*rand.Rand) catalog.Query {
	word := func(r *rand.Rand, from, to int) string { return a.Word(r.IntN(5), from+r.IntN(to-from)) }
	pair := func(r *rand.Rand, from, to int) string {
		l := r.IntN(5)
		return a.Word(l, from+r.IntN(to-from)) + " " + a.Word(l, from+r.IntN(to-from))
	}
	text := func(f func(*rand.Rand, int, int) string, from, to int) func(*rand.Rand) catalog.Query {
		return func(r *rand.Rand) catalog.Query { return catalog.Query{Text: f(r, from, to)} }
	}
	at := func(r *rand.Rand) time.Time {
		return Begin.Add(time.Duration(r.IntN(700)) * 24 * time.Hour)
	}
	return map[string]func(*rand.Rand) catalog.Query{
		"RareWord":   text(word, 4000, 6000),
		"MiddleWord": text(word, 100, 1000),
		"CommonWord": text(word, 0, 20),
		"TwoCommon":  text(pair, 0, 50),
		"TwoMiddle":  text(pair, 100, 600),
		"TwoRare":    text(pair, 2000, 6000),
		"Phrase":     func(r *rand.Rand) catalog.Query { return catalog.Query{Text: `"` + pair(r, 0, 20) + `"`} },
		"PhraseFew":  func(r *rand.Rand) catalog.Query { return catalog.Query{Text: `"` + pair(r, 20, 300) + `"`} },
		"RarePrefix": func(r *rand.Rand) catalog.Query { return catalog.Query{Text: a.beginning(r, 3000, 4)} },
		"Prefix":     func(r *rand.Rand) catalog.Query { return catalog.Query{Text: a.beginning(r, 100, 4)} },
		"LongPrefix": func(r *rand.Rand) catalog.Query { return catalog.Query{Text: a.beginning(r, 100, 6)} },
		"Excluded": func(r *rand.Rand) catalog.Query {
			l := r.IntN(5)
			return catalog.Query{Text: a.Word(l, 30+r.IntN(100)) + " -" + a.Word(l, r.IntN(10))}
		},
		"WordFilters": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Text: word(r, 20, 600), Status: "404", Kind: snapshot.Web}
		},
		"WordJob": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Text: word(r, 20, 600), Job: fmt.Sprintf("job-%d", r.IntN(40)), Language: Languages[r.IntN(5)]}
		},
		"Filters": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Job: fmt.Sprintf("job-%d", r.IntN(40)), Status: "4xx", Kind: snapshot.Document}
		},
		"Everything": func(*rand.Rand) catalog.Query { return catalog.Query{} },
		"Host":       func(r *rand.Rand) catalog.Query { return catalog.Query{Text: Host(r.IntN(200))} },
		"HostWord": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Host: Host(r.IntN(200)), Text: word(r, 50, 1000)}
		},
		"URL": func(r *rand.Rand) catalog.Query {
			h := r.IntN(200)
			l := (h + h/7) % 5
			return catalog.Query{Text: fmt.Sprintf("https://%s/%s/%d?lang=%s", Host(h), a.Word(l, r.IntN(50)), r.IntN(40), Languages[l])}
		},
		"Phone": func(r *rand.Rand) catalog.Query { return catalog.Query{Text: Phone(r.IntN(2000))} },
		"PhoneWord": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Text: Phone(r.IntN(2000)) + " " + word(r, 0, 200)}
		},
		"TimeWord": func(r *rand.Rand) catalog.Query {
			from := at(r)
			return catalog.Query{Text: word(r, 10, 1000), From: from, To: from.Add(7 * 24 * time.Hour)}
		},
		"Oldest":  func(r *rand.Rand) catalog.Query { return catalog.Query{Text: word(r, 10, 1000), Oldest: true} },
		"Nothing": func(r *rand.Rand) catalog.Query { return catalog.Query{Text: fmt.Sprintf("zzz%d", r.IntN(1000))} },
		"NothingRare": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Text: a.Word(0, 300+r.IntN(900)) + " " + a.Word(1, 300+r.IntN(900))}
		},
		"NothingMixed": func(r *rand.Rand) catalog.Query {
			return catalog.Query{Text: a.Word(0, 5+r.IntN(50)) + " " + a.Word(1, 5+r.IntN(50))}
		},
	}
}

// beginning is the beginning of a word that is not among the first ones, with a star.
func (a *Archive) beginning(r *rand.Rand, from, letters int) string {
	for {
		if w := []rune(a.Word(r.IntN(5), from+r.IntN(words-from))); len(w) >= letters {
			return string(w[:letters]) + "*"
		}
	}
}
