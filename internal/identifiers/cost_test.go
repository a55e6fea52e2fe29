package identifiers

import (
	"fmt"
	"strings"
	"testing"
)

func TestFindLimit(t *testing.T) {
	got := Find(strings.Repeat("name@example.org +442079460123\n", Limit), Options{})
	if len(got) != Limit {
		t.Errorf("%d found, want %d", len(got), Limit)
	}
	if got[1].Kind != Phone {
		t.Errorf("the second is %v, want those that come first", got[1])
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range strings.Split(negatives, "\n") {
		f.Add(seed)
	}
	f.Add("Tel (0)20 79\u00ad46 O123 ★ name [at] example (punt) org, insta: @example wa.me/442079460123")
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, found := range Find(text, europe) {
			if found.Start < last || found.Start >= found.End || found.End > len(text) {
				t.Fatalf("%v is out of place in %q", found, text)
			}
			last = found.Start
			if found.Kind == Phone && (len(found.Value) < 8 || len(found.Value) > 18 || strings.Trim(found.Value[1:], "0123456789") != "") {
				t.Fatalf("%v is no E.164", found)
			}
			if strings.ContainsAny(found.Value, " \n") {
				t.Fatalf("%v has white space", found)
			}
		}
		for _, q := range Query(text, europe) {
			if q.Value == "" {
				t.Fatalf("Query(%q) = %v", text, q)
			}
		}
	})
}

func FuzzFromLink(f *testing.F) {
	for _, seed := range []string{"tel:+44-20-7946-0123;ext=1", "mailto:a@example.org,tel:1?to=b@example.org", "https://t.me/+44?phone=1", "whatsapp://send?phone=%2B44"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, href string) {
		for _, found := range FromLink(href, europe) {
			if found.Value == "" || found.Start != 0 || found.End != len(href) {
				t.Fatalf("FromLink(%q) = %v", href, found)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	prose := "Lekker weertje vandaag, we zijn open van 10.00 tot 22.00 uur en het kost € 150 per uur. " +
		"Bel of app 020 7946 0123 of mail name@example.org, en kijk op https://example.org/a/b?c=12345 voor meer. "
	for name, text := range map[string]string{
		"text":          prose,
		"numbers":       "020 7946 0123\n",
		"digits":        "0123456789",
		"single digits": "0 2 0 7 9 4 6 0 1 8 ",
		"pairs":         "03 17 06 91 00 44 08 52 60 01 ",
		"zeros":         "0 ",
		"at":            "a@",
		"at words":      "a at b ",
		"brackets":      "(at)[",
		"emoji":         "0💋",
		"letters":       "een",
		"spelled":       "een nul ",
		"marks":         "0\u200b",
		"platforms":     "insta: ",
		"pluses":        "+1",
	} {
		text = strings.Repeat(text, 1<<20/len(text)+1)
		if name == "text" {
			text = distinct(text)
		}
		if name == "pairs" || name == "single digits" { // that do not repeat
			text = scatter(text)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Find(text, europe)
			}
		})
	}
}

// distinct makes every number of a text another one of those reserved.
func distinct(text string) string {
	out, n := strings.Split(text, "7946 0123"), 0
	var b strings.Builder
	for _, part := range out {
		b.WriteString(part)
		fmt.Fprintf(&b, "7946 0%03d", n%1000)
		n++
	}
	return b.String()
}

// scatter changes the digits of a text but zero so that nothing repeats.
func scatter(text string) string {
	out, state := []byte(text), uint32(1)
	for i, c := range out {
		if state = state*1664525 + 1013904223; c > '0' && c <= '9' {
			out[i] = '1' + byte(state>>16%9)
		}
	}
	return string(out)
}

// What is decided without the library is what it decides.
func TestLengths(t *testing.T) {
	p := newPlan(Options{Regions: []string{"NL", "BE", "DE", "FR", "GB", "IE", "AT"}})
	for _, digits := range []string{"02079460123", "0770090012", "077009001234", "0199001234", "019900123", "03023125123", "0171392001", "0209101234", "02091012", "012345678901234"} {
		for _, r := range p.regions {
			direct := parse(digits, r.code)
			if got := p.national(digits, r); got.valid != direct.valid || p.plausible(got) != p.plausible(direct) {
				t.Errorf("%s in %s is valid %t, plausible %t, of the library %t, %t", digits, r.code, got.valid, p.plausible(got), direct.valid, p.plausible(direct))
			}
		}
	}
}
