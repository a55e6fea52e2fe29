package frontier

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of seeding.
const (
	maxSeedCount = 1_000_000
	maxSeedList  = 64 << 20 // unpacked bytes
)

// Preflight asks whether both buckets are there, may be written to, and refuse to
// overwrite.
func (p *Planner) Preflight(ctx context.Context, in workflows.PreflightInput) (workflows.PreflightOutput, error) {
	out := workflows.PreflightOutput{Archive: archiveOf(in.Job, p.ArchiveBucket)}
	for _, name := range []string{out.Archive.Bucket, p.FrontierBucket} {
		abilities, err := p.Store.Bucket(name).Probe(ctx)
		if err != nil {
			return out, storeError(err)
		}
		if !abilities.Checksums {
			p.Logger.Warn("the store keeps no SHA-256 of its own; the one that is sent along is believed", "bucket", name)
		}
	}
	return out, nil
}

// Seed collects the seeds and writes the first manifest, once.
func (p *Planner) Seed(ctx context.Context, in workflows.SeedInput) (workflows.SeedOutput, error) {
	out, err := p.seed(ctx, in)
	return out, storeError(err)
}

func (p *Planner) seed(ctx context.Context, in workflows.SeedInput) (workflows.SeedOutput, error) {
	store := p.Store.Bucket(p.FrontierBucket)
	first, _, err := readManifest(ctx, store, in.Job, 0, 0)
	if err == nil { // an attempt before this one was there
		return workflows.SeedOutput{Counts: countsOf(first.Counts)}, nil
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return workflows.SeedOutput{}, err
	}
	if err := storeScripts(ctx, store, in); err != nil {
		return workflows.SeedOutput{}, err
	}
	seeds, err := p.collect(ctx, in)
	if err != nil {
		return workflows.SeedOutput{}, err
	}
	err = putPacked(ctx, store, seedsKey(in.Job), seedsObject{Version: 1, Seeds: seeds})
	if err != nil && !errors.Is(err, blob.ErrExists) {
		return workflows.SeedOutput{}, err
	}
	// What is stored counts: another attempt may have read another sitemap.
	var o seedsObject
	if err := getPacked(ctx, store, seedsKey(in.Job), maxSeeds, &o); err != nil {
		return workflows.SeedOutput{}, err
	}
	rules, err := frontier.NewRules(specOf(in.Job, o.Seeds))
	if err != nil {
		return workflows.SeedOutput{}, invalidSeeds(err)
	}
	state := frontier.New(rules)
	if err := state.Add(o.Seeds); err != nil {
		return workflows.SeedOutput{}, invalidSeeds(err)
	}
	counts := countsOf(state.Counts())
	if _, err := p.commit(ctx, store, in.Job, 0, &stored{state: state, rules: rules}, nil); err != nil {
		return workflows.SeedOutput{}, err
	}
	return workflows.SeedOutput{Counts: counts}, nil
}

// invalidSeeds ends the run: trying again would not help.
func invalidSeeds(err error) error {
	message := err.Error() + ". An order cannot be changed: correct it in a new CrawlJob"
	return temporal.NewNonRetryableApplicationError(message, string(workflows.ReasonInvalidSeeds), err)
}

// collector gathers canonical seeds, each once.
type collector struct {
	seeds []string
	seen  map[string]bool
}

func (c *collector) add(raw string) error {
	canonical, err := urls.Canonicalize(raw)
	if err != nil {
		return err
	}
	if c.seen[canonical] {
		return nil
	}
	if len(c.seeds) == maxSeedCount {
		return fmt.Errorf("there are more than %d seeds", maxSeedCount)
	}
	c.seen[canonical] = true
	c.seeds = append(c.seeds, canonical)
	return nil
}

// collect gathers the seeds of the order, of the packed list and of the sitemaps.
func (p *Planner) collect(ctx context.Context, in workflows.SeedInput) ([]string, error) {
	c := collector{seen: map[string]bool{}}
	for i, u := range in.Seeds.URLs {
		if err := c.add(u); err != nil {
			return nil, invalidSeeds(fmt.Errorf("seed %d: %s", i+1, whyInvalid(err)))
		}
	}
	if err := c.list(in.SeedList); err != nil {
		return nil, invalidSeeds(err)
	}
	s := siteMaps{Planner: p, in: in, to: &c, seen: map[string]bool{}}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	if len(c.seeds) == 0 {
		return nil, invalidSeeds(noSeed(in.Seeds.Sitemaps))
	}
	return c.seeds, nil
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
		if u, err := url.Parse(s); err == nil && !slices.Contains(hosts, u.Host) {
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
func (c *collector) list(packed []byte) error {
	if len(packed) == 0 {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("unpack the list of seeds: %w", err)
	}
	lines := bufio.NewScanner(io.LimitReader(z, maxSeedList))
	lines.Buffer(make([]byte, 4<<10), 64<<10)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := c.add(line); err != nil {
			return fmt.Errorf("line %d of the list of seeds: %s", n, whyInvalid(err))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the list of seeds: %w", err)
	}
	return nil
}
