package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/wacz"
)

func newWACZ() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wacz",
		Short: "Look into WACZ files",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newInspect())
	return cmd
}

func newInspect() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "List the pages of a file and count its captures",
		Example: `  crawlctl wacz inspect capture.wacz
  crawlctl wacz inspect --json capture.wacz | jq -r .pages[].url`,
		Args: oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := inspect(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), c)
			}
			return c.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// contents is what inspect tells of a file.
type contents struct {
	File     string         `json:"file"`
	Size     int64          `json:"size"`
	Pages    []pageLine     `json:"pages"`
	Captures int            `json:"captures"`
	Statuses map[string]int `json:"statuses"`
	// Compared counts pages by how they are beside an earlier crawl.
	Compared map[string]int `json:"compared,omitempty"`
}

type pageLine struct {
	Time  time.Time `json:"time"`
	URL   string    `json:"url"`
	Title string    `json:"title,omitempty"`
	// Compared is how the page is beside an earlier crawl, where that was asked.
	Compared string `json:"compared,omitempty"`
}

func inspect(path string) (*contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := wacz.Open(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &contents{File: path, Size: info.Size(), Pages: []pageLine{}, Statuses: make(map[string]int), Compared: make(map[string]int)}
	for p, err := range r.Pages() {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		compared, _ := p.Extra["compared"].(string) // most files have none
		c.Pages = append(c.Pages, pageLine{Time: p.Time, URL: p.URL, Title: p.Title, Compared: compared})
		if compared != "" {
			c.Compared[compared]++
		}
	}
	for e, err := range r.Index() {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if e.Status == 0 { // not of a server, such as a screenshot
			continue
		}
		c.Captures++
		c.Statuses[fmt.Sprint(e.Status)]++
	}
	return c, nil
}

func (c *contents) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.Pages {
		if len(c.Compared) > 0 {
			fmt.Fprintf(t, "%s\t", cli.OneLine(p.Compared))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", p.Time.UTC().Format(time.RFC3339), cli.OneLine(p.URL), cli.OneLine(p.Title))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d pages, %d captures", len(c.Pages), c.Captures)
	for _, s := range slices.Sorted(maps.Keys(c.Statuses)) {
		fmt.Fprintf(w, ", %d of status %s", c.Statuses[s], s)
	}
	fmt.Fprintf(w, ", %s\n", cli.Bytes(c.Size))
	for i, v := range slices.Sorted(maps.Keys(c.Compared)) {
		lead := ", "
		if i == 0 {
			lead = "beside an earlier crawl: "
		}
		fmt.Fprintf(w, "%s%d %s", lead, c.Compared[v], cli.OneLine(v))
	}
	if len(c.Compared) > 0 {
		fmt.Fprintln(w)
	}
	return err
}

func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usage("want %s, got %d arguments", what, len(args))
		}
		return nil
	}
}

func minArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return cli.Usage("want %s", what)
		}
		return nil
	}
}
