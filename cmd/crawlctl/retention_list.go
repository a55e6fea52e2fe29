package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

func newRetentionList(f *storeFlags) *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "list RUN...",
		Short: "Say what is kept of a crawl, until when, and who decided that",
		Example: `  crawlctl retention list research/board/UID
  crawlctl retention list -o json research/board/UID | jq -r '.chunks[] | select(.state == "Held") | .name'`,
		Args: minArgs(1, "at least one RUN: status.archive.prefix of a CrawlJob"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return cli.Usage("--output %q: want text or json", output)
			}
			bucket, err := f.open()
			if err != nil {
				return err
			}
			for _, run := range args {
				prefix, err := prefixOf(run)
				if err == nil {
					err = list(cmd, bucket, prefix, output == "json")
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text, or json (one line a run)")
	return cmd
}

// held is what lies in the archive of a run.
type held struct {
	statement *retention.Statement // nil when it is not sealed
	chunks    map[string]chunkFact // by name
	log       *retention.Log
	proven    map[int64]bool
	early     []int64 // erasures that nobody carries out
}

type chunkFact struct {
	size  int64
	pages int
	there bool
}

func lookAt(ctx context.Context, bucket *blob.Bucket, prefix string) (*held, error) {
	h := &held{chunks: map[string]chunkFact{}, proven: map[int64]bool{}}
	found := 0
	err := bucket.List(ctx, prefix, func(o blob.Info) bool {
		found++
		name := strings.TrimPrefix(string(o.Key), prefix)
		if seq, ok := retention.Proven(name); ok {
			h.proven[seq] = true
		}
		if retention.UnitOf(name) == name {
			h.chunks[name] = chunkFact{size: o.Size, there: true}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if found == 0 {
		return nil, fmt.Errorf("nothing lies there in bucket %s: look at status.archive of the CrawlJob", bucket.Name())
	}
	st, err := retention.ReadStatement(ctx, bucket, prefix)
	switch {
	case errors.Is(err, blob.ErrNotFound): // it runs, or was ended from outside
	case err != nil:
		return nil, err
	default:
		h.statement = &st
		for _, o := range st.Objects {
			if retention.UnitOf(o.Name) == o.Name {
				h.chunks[o.Name] = chunkFact{size: o.Size, pages: o.Pages, there: h.chunks[o.Name].there}
			}
		}
	}
	if h.log, err = retention.Read(ctx, bucket, prefix); err != nil {
		return nil, err
	}
	h.early, err = h.log.Early(ctx, bucket, prefix)
	return h, err
}

// knows refuses names that the run does not have.
func (h *held) knows(names []string) error {
	for _, name := range names {
		if _, ok := h.chunks[name]; !ok {
			return fmt.Errorf("it has no chunk %s: crawlctl retention list names those that it has", name)
		}
	}
	return nil
}

// erasing are the chunks that an erasure names.
func (h *held) erasing(l *retention.Log) (names []string) {
	for name, f := range h.fates(l) {
		if f.Erasing > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *held) fates(l *retention.Log) map[string]retention.Fate {
	var p retention.Period
	if h.statement != nil {
		p = h.statement.Period
	}
	return retention.Judge(p, l.AsVoid(h.early), slices.Collect(maps.Keys(h.chunks)))
}

// kept is a line of -o json.
type kept struct {
	Run    string `json:"run"`
	Bucket string `json:"bucket"`
	// Sealed is set once the run has its closing statement: the period begins then.
	Sealed        bool                 `json:"sealed"`
	ScreeningEnds time.Time            `json:"screeningEnds,omitzero"`
	Chunks        []keptChunk          `json:"chunks"`
	Decisions     []retention.Decision `json:"decisions"`
}

type keptChunk struct {
	Name  string `json:"name"`
	Size  int64  `json:"size"`
	Pages int    `json:"pages,omitempty"`
	// State is Screening, Kept, Held, Due, Erasing, Erased or Missing.
	State string    `json:"state"`
	Until time.Time `json:"until,omitzero"`
	Cases []string  `json:"heldFor,omitempty"`
}

func list(cmd *cobra.Command, bucket *blob.Bucket, prefix string, asJSON bool) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), retentionTime)
	defer cancel()
	h, err := lookAt(ctx, bucket, prefix)
	if err != nil {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	k := kept{Run: prefix, Bucket: bucket.Name(), Sealed: h.statement != nil, Chunks: []keptChunk{}, Decisions: []retention.Decision{}}
	if h.statement != nil && h.statement.Period.Length > 0 {
		k.ScreeningEnds = h.statement.Period.Ends()
	}
	k.Decisions = append(k.Decisions, h.log.Decisions...)
	fates := h.fates(h.log)
	for _, name := range slices.Sorted(maps.Keys(h.chunks)) {
		c, f := h.chunks[name], fates[name]
		k.Chunks = append(k.Chunks, keptChunk{
			Name: name, Size: c.size, Pages: c.pages, State: h.state(f, c, k.ScreeningEnds, time.Now()), Until: f.Due, Cases: f.HeldBy,
		})
	}
	if asJSON {
		return cli.WriteJSON(cmd.OutOrStdout(), k)
	}
	return k.print(cmd.OutOrStdout())
}

func (h *held) state(f retention.Fate, c chunkFact, ends, now time.Time) string {
	switch {
	case f.Erasing > 0 && h.proven[f.Erasing] && !c.there:
		return "Erased"
	case f.Erasing > 0 && !h.proven[f.Erasing]:
		return "Erasing"
	case !c.there:
		return "Missing"
	case f.Held():
		return "Held"
	case ends.IsZero() && f.KeptUntil.IsZero():
		return "Screening" // which has not begun, or of an order that knows no period
	case f.IsDue(now):
		return "Due"
	case f.For == retention.KeepEnded:
		return "Kept"
	}
	return "Screening"
}

func (k kept) print(w io.Writer) error {
	switch {
	case !k.Sealed:
		fmt.Fprintf(w, "%s: not sealed\n", k.Run)
	case k.ScreeningEnds.IsZero():
		fmt.Fprintf(w, "%s: its order knows no screening period, so nothing is erased by itself\n", k.Run)
	default:
		fmt.Fprintf(w, "%s: screening until %s\n", k.Run, k.ScreeningEnds.Format(time.RFC3339))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range k.Chunks {
		until := "-"
		if !c.Until.IsZero() && c.State != "Erased" && c.State != "Held" && k.Sealed {
			until = c.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "  %s\t%s\t%d pages\t%s\t%s\t%s\n", c.Name, cli.Bytes(c.Size), c.Pages, c.State, until, cli.OneLine(strings.Join(c.Cases, ", ")))
	}
	for _, d := range k.Decisions {
		what := fmt.Sprintf("%d objects", max(len(d.Objects), len(d.Erasing)))
		switch {
		case d.Action == retention.Void:
			what = fmt.Sprintf("decision %d", d.Voids)
		case len(d.Objects)+len(d.Erasing) == 0:
			what = "all"
		}
		fmt.Fprintf(t, "  decision %d\t%s\t%s\t%s\tby %s\t%s\n", d.Seq, d.Action, what, d.At.Format(time.RFC3339), cli.OneLine(d.By), cli.OneLine(strings.TrimSpace(d.Case+" "+d.Why)))
	}
	return t.Flush()
}
