package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// diffFlags say which captures of a URL are compared, and how it is shown.
type diffFlags struct {
	output output
	at     []string
	color  string
}

func newSnapshotsDiff(p *portalFlags) *cobra.Command {
	f := diffFlags{}
	cmd := &cobra.Command{
		Use:   "diff A B | diff URL",
		Short: "Compare two captures: text, links, facts, picture",
		Long: `Diff shows how the later one of two captures differs from the earlier one, whichever is named first:
the facts about them, the lines of text, and the links that came and went. Of the pictures it says how much of them is different; the portal shows where.

Of a URL its last two captures are compared. --at TIME picks the last capture
until then, which is compared with the newest; given twice, both are picked. A time is written as for
crawlctl snapshots list.

On a terminal lines are coloured, and in lines that changed the words that did; $NO_COLOR and
--color say otherwise. A comparison has bounds; what they left out is said.

Exit codes, as of diff(1):
  0  facts, text and links are the same (pictures do not count: they hardly ever are)
  1  something is different
  2  it could not be told`,
		Example: `  crawlctl snapshots diff 0f1e2d3c4b5a69788796a5b4c3d2e1f0 1f1e2d3c4b5a69788796a5b4c3d2e1f0
  crawlctl snapshots diff https://example.org/ads/1
  crawlctl snapshots diff https://example.org/ads/1 --at 2026-03-01 --at 2026-03-31
  crawlctl snapshots diff https://example.org/ads/1 -o json | jq .links.leads.added`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return cli.Usage("want the IDs of two captures, or one URL")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return trouble(f.run(cmd, p, args))
		},
	}
	f.output.add(cmd, "text", "json", "yaml")
	cmd.Flags().StringArrayVar(&f.at, "at", nil, "of a URL, the last capture until this `TIME`; may be given twice")
	cmd.Flags().StringVar(&f.color, "color", "auto", "`WHEN` to colour: auto, always or never")
	fixed(cmd, "color", "auto", "always", "never")
	return cmd
}

// errDifferent is the end when something is different.
var errDifferent = &cli.Error{Code: cli.ExitFailed}

// trouble makes exit code 2 of every error: 1 is that something is different.
func trouble(err error) error {
	var coded *cli.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return cli.Input("%w", err)
}

func (f *diffFlags) run(cmd *cobra.Command, p *portalFlags, args []string) error {
	if err := f.output.check(); err != nil {
		return err
	}
	paint, err := newPaint(f.color, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	choose, err := f.chooser(args, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	client, err := p.connect()
	if err != nil {
		return err
	}
	a, b, err := choose(cmd.Context(), client)
	if err != nil {
		return err
	}
	raw, err := client.read(cmd.Context(), "/api/v1/compare", url.Values{"a": {a}, "b": {b}}, "application/json")
	if err != nil {
		return err
	}
	var c comparison
	if err := json.Unmarshal(raw, &c); err != nil {
		return noPortal(err)
	}
	if [2]string{c.A.ID, c.B.ID} != [2]string{a, b} && [2]string{c.A.ID, c.B.ID} != [2]string{b, a} {
		return noPortal(errors.New("a comparison of other captures"))
	}
	if f.output.format == "text" {
		err = c.print(cmd.OutOrStdout(), paint)
	} else {
		err = writeAs(cmd.OutOrStdout(), f.output.format, json.RawMessage(raw))
	}
	if err != nil {
		return err
	}
	return c.verdict()
}

// chooser settles which two captures are meant, as far as that can be said without the portal.
func (f *diffFlags) chooser(args []string, errs io.Writer) (func(context.Context, *portalClient) (a, b string, err error), error) {
	if len(args) == 2 {
		if len(f.at) > 0 {
			return nil, cli.Usage("--at is for a URL: two IDs say already what is compared")
		}
		ids, err := parseIDs(args)
		if err != nil {
			return nil, err
		}
		if ids[0] == ids[1] {
			return nil, cli.Usage("both are the capture %s", ids[0])
		}
		return func(context.Context, *portalClient) (string, string, error) { return ids[0], ids[1], nil }, nil
	}
	address := args[0]
	if _, err := parseID(address); err == nil {
		return nil, cli.Usage("%s is compared with what? Give the ID of another capture", address)
	}
	if len(f.at) > 2 {
		return nil, cli.Usage("--at: want two times at most")
	}
	var until []time.Time
	for _, s := range f.at {
		t, err := moment("--at", s, time.Now(), true)
		if err != nil {
			return nil, err
		}
		if strings.Contains(s, "T") {
			t = t.Add(time.Second) // what was captured in that second is meant, too
		}
		until = append(until, t)
	}
	return func(ctx context.Context, c *portalClient) (string, string, error) {
		return pick(ctx, c, errs, address, until)
	}, nil
}

// pick finds the two captures of an address: the last two, or the last ones until some times.
func pick(ctx context.Context, c *portalClient, errs io.Writer, address string, until []time.Time) (a, b string, err error) {
	if len(until) == 0 {
		last, err := lastOf(ctx, c, errs, address, time.Time{}, 2)
		if err == nil && len(last) < 2 {
			err = fmt.Errorf("%s was captured once, so there is nothing to compare: crawlctl snapshots get %s", address, last[0].ID)
		}
		if err != nil {
			return "", "", err
		}
		return last[1].ID, last[0].ID, nil
	}
	if len(until) == 1 {
		until = append(until, time.Time{})
	}
	ids := make([]string, 2)
	for i, t := range until {
		last, err := lastOf(ctx, c, errs, address, t, 1)
		if err != nil {
			return "", "", err
		}
		ids[i] = last[0].ID
	}
	if ids[0] == ids[1] {
		return "", "", fmt.Errorf("both are the capture %s: crawlctl snapshots timeline %s lists all", ids[0], shellWord(address))
	}
	return ids[0], ids[1], nil
}

// lastOf are the last captures of an address before a time, the newest first.
func lastOf(ctx context.Context, c *portalClient, errs io.Writer, address string, until time.Time, most int) ([]capture, error) {
	l := listing{client: c, query: url.Values{"url": {address}}, limit: most}
	if !until.IsZero() {
		l.query.Set("until", written(until))
	}
	page, err := l.ask(ctx, most)
	if err != nil {
		return nil, err
	}
	page.Catalog.warn(errs)
	all, err := page.captures()
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("nothing was captured of %s", address)
		if !until.IsZero() {
			err = fmt.Errorf("%w before %s", err, written(until))
		}
	}
	return all, err
}
