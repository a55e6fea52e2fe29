package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// entryFilter says which entries are listed.
type entryFilter struct {
	object, caseName, event string
	from                    int64
}

func newAuditList() *cobra.Command {
	var f auditFlags
	var filter entryFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the entries of a log",
		Long: `List writes the entries of the log in their order, each batch checked against the one
before. With -o json it writes a line of JSON an entry, as it is in the log, with its index.

Exit codes: 0 also when no entry matches, which is told on standard error; 1 when the log
is empty or could not be read; 2 when the command line made no sense.`,
		Example: `  crawlctl audit list --dir copy --key custody.pub --object archive/cases/fleet/0001/chunks/b1-a1.wacz
  crawlctl audit list --dir copy --key custody.pub --case 17/2030 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := filter.check(); err != nil {
				return err
			}
			log, err := f.open()
			if err != nil {
				return err
			}
			return f.list(cmd.Context(), log, &filter, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&filter.object, "object", "", "only entries of the object with this `KEY`")
	cmd.Flags().StringVar(&filter.caseName, "case", "", "only entries that name this `CASE`")
	cmd.Flags().StringVar(&filter.event, "event", "", "only entries of this `EVENT`, such as Exported")
	cmd.Flags().Int64Var(&filter.from, "from", 0, "begin at an index")
	return cmd
}

func (f *entryFilter) check() error {
	if f.from < 0 {
		return cli.Usage("--from %d: must be 0 or more", f.from)
	}
	if events := custody.Events(); f.event != "" && !slices.Contains(events, custody.Event(f.event)) {
		return cli.Usage("--event %q: want one of %s", f.event, joinEvents(events))
	}
	return nil
}

func joinEvents(events []custody.Event) string {
	var names []string
	for _, e := range events {
		names = append(names, string(e))
	}
	return strings.Join(names, ", ")
}

func (f *entryFilter) matches(e *custody.Entry) bool {
	return (f.object == "" || string(e.Object) == f.object) && (f.caseName == "" || e.Case == f.caseName) && (f.event == "" || string(e.Event) == f.event)
}

// list writes the entries that match. That none does is told: silence is also what a wrong prefix
// or a misspelt name would give.
func (f *auditFlags) list(ctx context.Context, log *custody.Log, filter *entryFilter, stdout, stderr io.Writer) error {
	size, err := log.Size(ctx)
	if err != nil {
		return err
	}
	if size == 0 {
		return errors.New("the log is empty")
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	var writeErr error
	found := false
	err = log.Entries(ctx, filter.from, func(index int64, e custody.Entry) bool {
		if !filter.matches(&e) {
			return true
		}
		found = true
		writeErr = f.printEntry(stdout, t, index, &e)
		return writeErr == nil
	})
	if err := errors.Join(err, writeErr, t.Flush()); err != nil {
		return err
	}
	if !found {
		fmt.Fprintf(stderr, "0 of %d entries match\n", size)
	}
	return nil
}

// listedEntry is an entry in JSON.
type listedEntry struct {
	Index int64 `json:"index"`
	custody.Entry
}

func (f *auditFlags) printEntry(w io.Writer, table *tabwriter.Writer, index int64, e *custody.Entry) error {
	if f.output == "json" {
		return cli.WriteJSON(w, listedEntry{index, *e})
	}
	more := ""
	for _, detail := range []struct{ name, value string }{
		{"case", e.Case}, {"copy", string(e.Copy)}, {"run", e.Run}, {"to", e.To}, {"until", e.Until}, {"why", strconv.Quote(e.Why)},
	} {
		if detail.value != "" && detail.value != `""` {
			more += " " + detail.name + "=" + detail.value
		}
	}
	_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", index, e.When.Format("2006-01-02T15:04:05.000Z"), e.Event, e.Object, e.Who, more)
	return err
}
