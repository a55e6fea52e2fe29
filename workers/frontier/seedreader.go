package frontier

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of seeding.
const (
	maxSeedCount = 1_000_000
	maxSeedList  = 256 << 20 // unpacked bytes
)

// SeedReader gathers the seeds of an order: canonical, each once, in the order in which they
// are named. It knows nothing of Temporal.
type SeedReader struct {
	// Robots decides which sitemaps may be loaded, and lends the client for it.
	Robots *RobotsCache
	// Delay is the pause between two sitemaps at least.
	Delay time.Duration
	// Tick is called again and again while sitemaps are read, Warn is told what is passed
	// over. Either may be nil.
	Tick func()
	Warn func(message string, err error)
	// MaxSitemaps bounds how many are read, those that an index names among them; 0 is 1000.
	MaxSitemaps int

	seeds []string
	seen  map[string]bool
	bytes int // of the seeds, about
	siteMaps
	// run and patience are of a reader that may go on in another attempt.
	run      string
	patience *patience
}

// SeedError says why seeds cannot be had. It repeats no address: those may hold what logs
// and histories must not.
type SeedError struct {
	// Reason is InvalidSeeds, which another try does not mend, SeedUnreachable, or EgressUnreachable.
	Reason  workflows.Reason
	Message string
	Err     error

	what       string        // befell the sitemap
	status     int           // of the answer, 0 for none
	damaged    bool          // whole, and no sitemap
	retryAfter time.Duration // that the host asks for
	until      time.Time     // when it is asked again
}

func (e *SeedError) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *SeedError) Unwrap() error { return e.Err }

// busy tells whether the host asks to be left alone for a while (RFC 9110, 15.6.4; RFC 6585, 4).
func (e *SeedError) busy() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable
}

// hopeless says why there is no such sitemap, when it was asked for often enough; else
// nothing.
func (e *SeedError) hopeless(tries int) string {
	switch {
	case e.status == http.StatusGone, e.status == http.StatusNotFound && tries >= hopelessTries:
		return "is not there: it "
	case e.damaged && tries >= hopelessTries:
		return "is no sitemap, feed or list: it "
	}
	return ""
}

func badSeeds(err error) *SeedError {
	return &SeedError{Reason: workflows.ReasonInvalidSeeds, Message: err.Error(), Err: err}
}

// Seeds are what was gathered.
func (r *SeedReader) Seeds() []string { return r.seeds }

// Order reads all that an order names: its addresses, a packed list (one address a line), its
// sitemaps, and those in robots.txt if it wants them. spec says what is in scope. Its error is a *SeedError, also when there is no seed, or that of ctx.
func (r *SeedReader) Order(ctx context.Context, spec workflows.Spec, seeds workflows.Seeds, list []byte) error {
	if err := r.Lists(seeds, list); err != nil {
		return err
	}
	if err := r.Sitemaps(ctx, seeds.Sitemaps...); err != nil {
		return err
	}
	if seeds.RobotsSitemaps {
		if err := r.FromRobots(ctx, spec); err != nil {
			return err
		}
	}
	if len(r.seeds) == 0 {
		return badSeeds(noSeed(seeds.Sitemaps))
	}
	return nil
}

// Lists reads what can be read without asking anybody.
func (r *SeedReader) Lists(seeds workflows.Seeds, list []byte) error {
	for i, u := range seeds.URLs {
		if err := r.Add(u); err != nil {
			return badSeeds(fmt.Errorf("seed %d: %s", i+1, whyInvalid(err)))
		}
	}
	if err := r.list(list); err != nil {
		return badSeeds(err)
	}
	return nil
}

// maxNamed is how many seeds that are none are named.
const maxNamed = 3

// valid takes the addresses of a list that can be visited, and says which cannot: "seed 2 has
// the port …; seed 5 …; and 4 more".
func (r *SeedReader) valid(list []string) (invalid string, err error) {
	var slips []string
	wrong := 0
	for i, u := range list {
		err := r.Add(u)
		var slip *urls.Error
		switch {
		case err == nil:
			continue
		case !errors.As(err, &slip):
			return "", badSeeds(err)
		}
		if wrong++; wrong <= maxNamed {
			slips = append(slips, fmt.Sprintf("seed %d %s", i+1, slip.Detail))
		}
	}
	if wrong > maxNamed {
		slips = append(slips, fmt.Sprintf("and %d more", wrong-maxNamed))
	}
	return strings.Join(slips, "; "), nil
}

// Add takes one address.
func (r *SeedReader) Add(raw string) error {
	canonical, err := urls.Canonicalize(raw)
	if err != nil {
		return err
	}
	if r.seen[canonical] {
		return nil
	}
	if len(r.seeds) == maxSeedCount {
		return fmt.Errorf("there are more than %d seeds", maxSeedCount)
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[canonical] = true
	r.seeds = append(r.seeds, canonical)
	r.bytes += len(canonical) + seedMemory
	return nil
}

// whyInvalid says what is wrong with an address without repeating it: it may hold what
// logs and histories must not.
func whyInvalid(err error) string {
	var invalid *urls.Error
	if errors.As(err, &invalid) {
		return invalid.Detail
	}
	return err.Error()
}

// noSeed says that an order names no page, and the hosts of its sitemaps.
func noSeed(sitemaps []string) error {
	var hosts []string
	for _, s := range sitemaps {
		if u, err := urls.Split(s); err == nil && !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	if len(hosts) == 0 {
		return errors.New("there is no seed: the lists of the order name no page")
	}
	return fmt.Errorf("there is no seed: the sitemaps on %s name no page; each must be a sitemap or sitemap index in XML, or a text of one address a line",
		strings.Join(hosts[:min(len(hosts), 3)], ", "))
}

// list reads a packed list, one address a line.
func (r *SeedReader) list(packed []byte) error {
	if len(packed) == 0 {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("unpack the list of seeds: %w", err)
	}
	defer z.Close()
	unpacked := &io.LimitedReader{R: z, N: maxSeedList}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(make([]byte, 4<<10), 64<<10)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := r.Add(line); err != nil {
			return fmt.Errorf("line %d of the list of seeds: %s", n, whyInvalid(err))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the list of seeds: %w", err)
	}
	if unpacked.N <= 0 {
		return fmt.Errorf("the list of seeds is larger than %d bytes", maxSeedList)
	}
	return nil
}
