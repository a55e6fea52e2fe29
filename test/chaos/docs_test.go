package chaos

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table into docs/chaos.md")

// The table stands between these lines.
const (
	document   = "../../docs/chaos.md"
	tableBegin = "<!-- the table of test/chaos: go test ./chaos -run Documented -update writes it -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// render writes the table for people.
func render() string {
	var b strings.Builder
	b.WriteString("| fault | what happens | when | expected beside what holds for all |\n| --- | --- | --- | --- |\n")
	for _, f := range table {
		var when []string
		for _, m := range f.moments {
			when = append(when, string(m))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.kind, f.what, strings.Join(when, ", "), f.expect)
	}
	return b.String()
}

// docs/chaos.md shows the table as it is.
func TestTableIsDocumented(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(raw), tableBegin)
	shown, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", document)
	}
	if shown == render() {
		return
	}
	if !*update {
		t.Fatalf("%s shows another table: run go test ./chaos -run Documented -update", document)
	}
	if err := os.WriteFile(document, []byte(before+tableBegin+render()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A short pass has what is always done, and over the days every kind at every moment.
func TestEveryFaultHasItsDay(t *testing.T) {
	seen := map[string]bool{}
	for day := range int64(400) {
		list := choose(day, false, everything)
		if len(list) != len(steady)+rotating {
			t.Fatalf("day %d has %d faults", day, len(list))
		}
		for _, s := range list {
			seen[s.name()] = true
		}
		for _, kind := range steady {
			if !slices.ContainsFunc(list, func(s strike) bool { return s.kind == kind }) {
				t.Errorf("day %d lacks %s", day, kind)
			}
		}
	}
	for _, s := range choose(0, true, everything) {
		if !seen[s.name()] {
			t.Errorf("%s never has its day", s.name())
		}
	}
}
