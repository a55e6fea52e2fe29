package frontier

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

func TestShapes(t *testing.T) {
	t.Parallel()
	for u, want := range map[string]shape{
		"https://a.example/":                                  {path: "a.example/"},
		"https://a.example/ad/123":                            {path: "a.example/ad/0"},
		"https://a.example/ad/201234":                         {path: "a.example/ad/0"},
		"https://a.example/ad/0123456789abcdef0":              {path: "a.example/ad/#"},
		"https://a.example/cal/2024/05":                       {path: "a.example/cal/0/0", dated: "a.example/cal/Y/M?"},
		"https://a.example/cal/2024-05-17":                    {path: "a.example/cal/0-0-0", dated: "a.example/cal/D?"},
		"https://a.example/2024/05/17/1234567.html":           {path: "a.example/0/0/0/0.html", dated: "a.example/Y/M/D/1234567.html?"},
		"https://a.example/room/2024":                         {path: "a.example/room/0"},
		"https://a.example/c?day=2024-05-17":                  {path: "a.example/c", keys: "day", names: 1, dated: "a.example/c?day=D"},
		"https://a.example/c?month=5&year=2024":               {path: "a.example/c", keys: "month&year", names: 2, dated: "a.example/c?month=M&year=Y"},
		"https://a.example/c?id=201205":                       {path: "a.example/c", keys: "id", names: 1},
		"https://a.example/c?b=1&a=2":                         {path: "a.example/c", keys: "a&b", names: 2},
		"https://a.example/c?sid=0123456789abcdef":            {path: "a.example/c", keys: "sid", names: 1},
		"https://a.example/c?PHPSESSID=0123456789abcdef":      {path: "a.example/c", session: "a.example/c?"},
		"https://b.a.example/?x=1&PHPSESSID=0123456789abcdef": {path: "b.a.example/", keys: "x", names: 1, session: "b.a.example/?x=1"},
		"https://a.example/c;jsessionid=0123456789ABCDEF?x=":  {path: "a.example/c", keys: "x", names: 1, session: "a.example/c?x="},
	} {
		if got := shapeOf(u); got != want {
			t.Errorf("%s is %+v, want %+v", u, got, want)
		}
	}
}

func FuzzShape(f *testing.F) {
	f.Add("https://a.example/c;jsessionid=0123456789ABCDEF/2024/05?year=2024&m=%zz&sid=0123456789abcdef")
	f.Fuzz(func(t *testing.T, u string) {
		if s := shapeOf(u); s != shapeOf(u) || s.names > len(u) {
			t.Errorf("%q: %+v", u, s)
		}
	})
}

// linked is the state of a crawl in which one page has links to all of some addresses.
func linked(t *testing.T, spec Spec, links ...string) *State {
	t.Helper()
	spec.Scope, spec.Seeds = "Host", []string{"https://a.example/"}
	rules, err := NewRules(spec)
	if err != nil {
		t.Fatal(err)
	}
	s := New(rules)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s.At(now)
	if err := s.Add(spec.Seeds); err != nil {
		t.Fatal(err)
	}
	b := s.Choose(now, 1, "b")[0]
	result := Result{Bundle: b.ID, Outcomes: []Outcome{{FP: b.Hosts[0].Pages[0].FP, Status: Archived, Ended: now, Links: links}}}
	if err := s.Apply(b.ID, []Result{result}, now); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEndlessSpaces: of pages that differ in little as many are visited as a budget allows, and
// of pages that do not, all.
func TestEndlessSpaces(t *testing.T) {
	t.Parallel()
	list := func(n int, address func(i int) string) (links []string) {
		for i := range n {
			links = append(links, "https://a.example/"+address(i))
		}
		return links
	}
	day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		reason  string
		spec    Spec
		links   []string
		queued  int64
		skipped map[string]int64
	}{
		"Calendar": {
			reason: "A calendar goes on for ever.",
			links:  list(1500, func(i int) string { return day.AddDate(0, 0, i).Format("cal/2006/01/02") }),
			queued: maxCalendar, skipped: map[string]int64{reasonTrapCalendar: 500},
		},
		"News": {
			reason: "Articles have a date and a name of their own.",
			links: list(1500, func(i int) string {
				return day.AddDate(0, 0, i).Format("2006/01/02/") + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
			}),
			queued: 1500,
		},
		"Numbers": {
			reason: "Advertisements have numbers that look like dates, and articles of a day too.",
			links: append(list(2000, func(i int) string { return fmt.Sprint("ad/", 201200+i) }),
				list(1500, func(i int) string { return fmt.Sprintf("2024/05/17/%d.html", 1000000+i) })...),
			queued: 3500,
		},
		"Advertisements": {
			reason: "A board may have any number of pages of one kind.",
			links:  list(5000, func(i int) string { return fmt.Sprintf("ad.php?city=%d&id=%d", i%7, i) }),
			queued: 5000,
		},
		"Facets": {
			reason: "Each filter doubles the pages of a catalogue.",
			links: list(1024, func(i int) string {
				u := "shop?page=1"
				for bit := range 10 {
					if i>>bit&1 == 1 {
						u += fmt.Sprintf("&f%d=1", bit)
					}
				}
				return u
			}),
			queued: maxFacets + 1, skipped: map[string]int64{reasonTrapFacets: 1024 - maxFacets - 1},
		},
		"Sessions": {
			reason: "The same page under ever new session ids.",
			links:  list(50, func(i int) string { return fmt.Sprintf("page/%d?PHPSESSID=%032x", i%5, i) }),
			queued: 5 * maxSessions, skipped: map[string]int64{reasonTrapSession: 50 - 5*maxSessions},
		},
		"Limit": {
			reason: "An order may want a sample of each kind.", spec: Spec{PagesPerPattern: 3},
			links:  append(list(10, func(i int) string { return fmt.Sprint("ad/", i) }), list(10, func(i int) string { return fmt.Sprint("user?id=", i) })...),
			queued: 6, skipped: map[string]int64{reasonPatternLimit: 14},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := linked(t, tc.spec, tc.links...)
			c := s.Counts()
			if c.Queued != tc.queued || !maps.Equal(c.Skipped, orEmpty(tc.skipped)) {
				t.Errorf("%s queued %d, skipped %v; want %d, %v", tc.reason, c.Queued, c.Skipped, tc.queued, tc.skipped)
			}
			for _, h := range s.hosts { // what a worker reads that has never seen the host
				read, err := readHostRow(hostRow(h))
				if err != nil || !maps.Equal(read.patterns, h.patterns) || read.wait != h.wait {
					t.Errorf("read back: %v, error %v", read, err)
				}
			}
		})
	}
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}
