package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const (
	// maxLimit is how many captures the portal gives at once, defaultLimit how many are asked for.
	maxLimit, defaultLimit = 1000, 50
	// defaultMax bounds --all.
	defaultMax = 10_000
)

// listFlags say what is looked for, and how it is shown.
type listFlags struct {
	from, until, job, run, host, url, status, language, kind, cursor string
	partial, oldest, all                                             bool
	limit, max                                                       int
	output                                                           output
}

func newSnapshotsList(p *portalFlags) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list [QUERY...]",
		Short: "Find captures by words, addresses, telephone numbers, times and more",
		Long: `List finds captures, the newest first. QUERY is what you would type into the portal's search box:
words, "a phrase", a URL, a host, a telephone number in any writing, an e-mail address or a handle.
Without a QUERY all captures are found that the flags leave.

A time is a date (2026-03-31, in UTC; the end of the day for --until), a time (RFC 3339:
2026-03-31T10:00:00+02:00), or how long ago: 90m, 24h, 7d, 4w.

On a terminal the columns are cut to its width, and those that have no room are left out; with
-o wide nothing is. What strangers wrote is shown without its control characters and marks that turn the
direction of writing; in json, jsonl and yaml they are escaped.

Exit codes: 0 also when nothing is found, which is told on standard error; 1 when it could not be
asked; 2 when the command line made no sense.`,
		Example: `  crawlctl snapshots list "room to let" --from 7d
  crawlctl snapshots list '"two rooms"' example.org --kind Web --language nl
  crawlctl snapshots list --job research/board --from 2026-03-01 --until 2026-03-31 --all -o jsonl > march.jsonl
  crawlctl snapshots list 020-1234567 -o name | xargs -n 1 crawlctl snapshots get
  crawlctl snapshots list --status 4xx --partial -o wide`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.listing(strings.Join(args, " "), time.Now())
			if err != nil {
				return err
			}
			if l.client, err = p.connect(); err != nil {
				return err
			}
			l.out, l.errs = newPrinter(f.output, cmd.OutOrStdout()), cmd.ErrOrStderr()
			l.again = again(cmd, args, l.query)
			return l.print(cmd.Context())
		},
	}
	f.add(cmd)
	return cmd
}

func (f *listFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "only what was captured at this `TIME` or later, such as 2026-03-31 or 7d")
	fl.StringVar(&f.until, "until", "", "only what was captured before this `TIME`, or on this day or before")
	fl.StringVar(&f.job, "job", "", "only captures of the CrawlJob `NAMESPACE/NAME`, or NAME")
	fl.StringVar(&f.run, "run", "", "only captures of the run with this `UID`")
	fl.StringVar(&f.host, "host", "", "only captures of this `HOST` and of all below it")
	fl.StringVar(&f.url, "url", "", "only captures of this `URL`, in any writing")
	fl.StringVar(&f.status, "status", "", "only captures with this HTTP `STATUS`, such as 404 or 4xx")
	fl.StringVar(&f.language, "language", "", "only captures in this `LANGUAGE`, such as nl")
	fl.StringVar(&f.kind, "kind", "", "only captures of this `KIND`: "+strings.Join(kinds(), ", "))
	fl.BoolVar(&f.partial, "partial", false, "also pages that failed when something of them was captured already")
	fl.BoolVar(&f.oldest, "oldest", false, "the oldest first")
	f.addPaging(cmd)
	f.output.add(cmd, "table", "wide", "json", "jsonl", "yaml", "name")
	fixed(cmd, "kind", kinds()...)
	fixed(cmd, "status", "2xx", "3xx", "4xx", "5xx")
}

// addPaging adds the flags that say how much of a list is shown.
func (f *listFlags) addPaging(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.limit, "limit", defaultLimit, "how many to show, 1 to 1000; with --all, how many to ask for at once")
	fl.BoolVar(&f.all, "all", false, "show all that there is, up to --max")
	fl.IntVar(&f.max, "max", defaultMax, "how many to show at most with --all")
	fl.StringVar(&f.cursor, "cursor", "", "go on where a list ended, with the `CURSOR` that it told")
	fl.BoolVar(&f.output.noHeaders, "no-headers", false, "write no line of headers")
}

func kinds() (names []string) {
	for _, k := range snapshot.Kinds() {
		names = append(names, string(k))
	}
	return names
}

var (
	statusForm   = regexp.MustCompile(`^[1-5]([0-9]{2}|xx)$`)
	languageForm = regexp.MustCompile(`^[a-z]{2,3}$`)
)

// listing checks the flags and makes the question of them.
func (f *listFlags) listing(text string, now time.Time) (*listing, error) {
	if err := f.output.check(); err != nil {
		return nil, err
	}
	from, until, err := period(f.from, f.until, now)
	if err != nil {
		return nil, err
	}
	kind := slices.IndexFunc(kinds(), func(k string) bool { return strings.EqualFold(k, f.kind) })
	language, status := strings.ToLower(f.language), strings.ToLower(f.status)
	switch {
	case f.limit < 1 || f.limit > maxLimit:
		return nil, cli.Usage("--limit %d: want 1 to %d; --all shows more", f.limit, maxLimit)
	case f.max < 1:
		return nil, cli.Usage("--max %d: want 1 or more", f.max)
	case f.kind != "" && kind < 0:
		return nil, cli.Usage("--kind %q: want one of %s", f.kind, strings.Join(kinds(), ", "))
	case status != "" && !statusForm.MatchString(status):
		return nil, cli.Usage("--status %q: want a code such as 404, or a class such as 4xx", f.status)
	case language != "" && !languageForm.MatchString(language):
		return nil, cli.Usage("--language %q: want two or three letters, such as nl", f.language)
	}
	query := url.Values{}
	for name, value := range map[string]string{
		"q": text, "from": from, "until": until, "job": f.job, "run": f.run, "host": f.host, "url": f.url,
		"status": status, "language": language,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.kind != "" {
		query.Set("kind", kinds()[kind])
	}
	if f.partial {
		query.Set("partial", "1")
	}
	if f.oldest {
		query.Set("order", "oldest")
	}
	return &listing{query: query, cursor: f.cursor, most: f.most(), limit: f.limit}, nil
}

// most is how many captures are shown at most.
func (f *listFlags) most() int {
	if f.all {
		return f.max
	}
	return f.limit
}

// period reads the times between which is looked.
func period(from, until string, now time.Time) (first, end string, err error) {
	a, err := moment("--from", from, now, false)
	if err != nil {
		return "", "", err
	}
	b, err := moment("--until", until, now, true)
	if err != nil {
		return "", "", err
	}
	if !a.IsZero() && !b.IsZero() && !a.Before(b) {
		return "", "", cli.Usage("--from %s is not before --until %s", from, until)
	}
	return written(a), written(b), nil
}

func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

var agoForm = regexp.MustCompile(`^([0-9]{1,6})([mhdw])$`)

// moment reads a time. Of a date it is the beginning, or the end.
func moment(flag, s string, now time.Time, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if m := agoForm.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return time.Time{}, cli.Usage("%s %q: %w", flag, s, err)
		}
		unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
		if n > int(maxAgo/unit) {
			return time.Time{}, cli.Usage("%s %q: that is longer ago than the Web is old", flag, s)
		}
		return now.Add(-time.Duration(n) * unit).Truncate(time.Second), nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, cli.Usage("%s %q: want a date such as 2026-03-31, a time such as 2026-03-31T10:00:00Z, or how long ago, such as 24h or 7d", flag, s)
	}
	return t, nil
}

// maxAgo is a hundred years.
const maxAgo = 100 * 365 * 24 * time.Hour

// again is the command line that goes on where this one ends: the times in it are fixed.
func again(cmd *cobra.Command, args []string, query url.Values) func(cursor string) string {
	words := strings.Fields(cmd.CommandPath())
	var asked []string
	for _, arg := range args {
		asked = append(asked, shellWord(arg))
	}
	if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") }) { // a word that is left out is no flag
		asked = append([]string{"--"}, asked...)
	} else {
		words, asked = append(words, asked...), nil
	}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		value := flag.Value.String()
		switch flag.Name {
		case "cursor":
			return
		case "from", "until":
			value = query.Get(flag.Name)
		}
		words = append(words, "--"+flag.Name+"="+shellWord(value))
	})
	return func(cursor string) string {
		return strings.Join(slices.Concat(words, []string{"--cursor=" + shellWord(cursor)}, asked), " ")
	}
}

// plainWord is what no shell changes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellWord quotes a word for a POSIX shell (2.2.2 Single-Quotes).
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// errEndless is for a portal whose cursors lead nowhere.
var errEndless = errors.New("the portal's list does not go on: it gives the same cursor twice")

// ask gets the next captures, at most so many.
func (l *listing) ask(ctx context.Context, most int) (*found, error) {
	query := url.Values{}
	for name, values := range l.query {
		query[name] = values
	}
	query.Set("limit", strconv.Itoa(min(l.limit, most)))
	if l.cursor != "" {
		query.Set("cursor", l.cursor)
	}
	var page found
	if err := l.client.json(ctx, l.path(), query, &page); err != nil {
		return nil, err
	}
	if len(page.Items) > most {
		return nil, noPortal(fmt.Errorf("%d captures where %d were asked for", len(page.Items), most))
	}
	if page.Next != "" && (page.Next == l.cursor || len(page.Items) == 0) {
		return nil, errEndless
	}
	return &page, nil
}
