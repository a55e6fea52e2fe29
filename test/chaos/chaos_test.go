package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	long  = flag.Bool("long", false, "have each fault strike at every moment")
	only  = flag.String("only", "", "the faults to take, as a regular expression on kind/moment")
	seed  = flag.Int64("seed", 0, "chooses the moments; 0 takes the number of the day")
	lanes = flag.Int("lanes", 3, "fleets side by side")
)

// maxAfter is how long after its moment a fault strikes at the latest.
const maxAfter = 400 * time.Millisecond

// A strike is a fault at a moment.
type strike struct {
	fault
	at moment
	// after is how long after the moment it comes.
	after time.Duration
}

func (s strike) name() string { return s.kind + "/" + string(s.at) }

// steady are the kinds that every pass has; of the others a short one has so many.
var (
	steady   = []string{"WorkerKilled", "OperatorKilled", "StackKilled"}
	rotating = 9
)

var everything = regexp.MustCompile("")

// choose makes the list of what is done, the longest first: every kind at every moment, or
// some, each at one, as the seed says.
func choose(seed int64, long bool, match *regexp.Regexp) []strike {
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	short := !long && match == everything
	left := rotating
	var list []strike
	for _, i := range random.Perm(len(table)) {
		f := table[i]
		moments := f.moments
		if !long {
			moments = []moment{f.moments[random.IntN(len(f.moments))]}
		}
		if short && !slices.Contains(steady, f.kind) {
			if left--; left < 0 {
				continue
			}
		}
		for _, m := range moments {
			s := strike{fault: f, at: m, after: time.Duration(random.Int64N(int64(maxAfter)))}
			if match.MatchString(s.name()) {
				list = append(list, s)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b strike) int { return int(b.lasts - a.lasts) })
	return list
}

// TestChaos has every kind of fault strike crawls. Several fleets are at work side by side, and
// each takes the next fault when it is done with one.
func TestChaos(t *testing.T) {
	match := everything
	if *only != "" {
		var err error
		if match, err = regexp.Compile(*only); err != nil {
			t.Fatalf("-only: %v", err)
		}
	}
	chosen := *seed
	if chosen == 0 {
		chosen = time.Now().Unix() / int64((24 * time.Hour).Seconds())
	}
	list := choose(chosen, *long, match)
	if len(list) == 0 {
		t.Fatalf("-only %q: no fault matches", *only)
	}
	t.Logf("%d faults; -seed %d chose the moments", len(list), chosen)
	queue := make(chan strike, len(list))
	for _, s := range list {
		queue <- s
	}
	close(queue)
	var wg sync.WaitGroup
	for i := range min(*lanes, len(list)) {
		wg.Go(func() {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				l := openLane(t, i)
				for s := range queue {
					t.Run(s.name(), func(t *testing.T) { l.disturb(t, s) })
				}
			})
		})
	}
	wg.Wait()
}
