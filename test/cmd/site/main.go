// Command site serves one of the test sites on a loopback port, for the demo, for measuring, and for tests that need
// the site in a process of its own.
//
//	go run ./cmd/site board
//	go run ./cmd/site docs --root /usr/share/doc/python3/html --log requests.jsonl
//	go run ./cmd/site trouble --tls
//	go run ./cmd/site dynamic --latency 20ms
//
// Its first line on standard output is JSON and says where the site is:
//
//	{"site":"board","url":"http://127.0.0.1:40123","logURL":"http://127.0.0.1:40124/_log","pid":4711}
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
	"crawlfleet.dev/crawlfleet/test/sites/docs"
	"crawlfleet.dev/crawlfleet/test/sites/dynamic"
	"crawlfleet.dev/crawlfleet/test/sites/trouble"
)

const usage = `site serves a test site on a loopback port until it is interrupted.

Usage:

  site board   [flags]   the demo: classified ads, rendered by JavaScript from a JSON API
  site docs    [flags]   a folder of real HTML; by default Python's documentation from Debian's python3-doc
  site trouble [flags]   pages that never end, hang, break off, or are hard to record
  site dynamic [flags]   pages /page/1, /page/2 … of 25 resources each, to measure with

The first line of its output is JSON: "url" is the site, "logURL" the log of every request, which is served
on a port of its own so that reading it is not logged:

  curl "$logURL"                      all requests, as JSON lines
  curl "$logURL?path=/ad/&navigate=1" page loads below /ad/; also: exact, host, method, status, type, since, open
  curl "$logURL/summary"              counts, the most requests at once per host, how often each page was loaded
  curl -X POST "$logURL/reset"        forget what is over

Examples:

  site board --ads 2000 --latency 20ms --sub-resources 25 --log requests.jsonl
  site docs --root /usr/share/doc/python3/html
  site trouble --tls --name trouble.test

Flags of every site:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "site: %v\n", err)
		os.Exit(1)
	}
}

// running is the first line that the command prints.
type running struct {
	Site    string `json:"site"`
	URL     string `json:"url"`
	LogURL  string `json:"logURL"`
	PID     int    `json:"pid"`
	LogFile string `json:"logFile,omitempty"`
	// Authority is the PEM certificate that signed the site's, with --tls.
	Authority string `json:"authority,omitempty"`
}

// run serves the site that args name until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	var o sites.Options
	flags, handler := newFlags(name, &o)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w; see site --help", err)
	}
	if handler == nil {
		if name == "" {
			flags.Usage()
			return errors.New("name a site: board, docs, trouble or dynamic")
		}
		return fmt.Errorf("there is no site %q: name board, docs, trouble or dynamic", name)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	}
	var err error
	if o.Handler, err = handler(); err != nil {
		return err
	}
	srv, err := sites.Start(o)
	if err != nil {
		return err
	}
	err = json.NewEncoder(stdout).Encode(running{
		Site: name, URL: srv.URL, LogURL: srv.LogURL, PID: os.Getpid(), LogFile: o.LogFile, Authority: string(srv.CertificatePEM),
	})
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, srv.Close())
}

// newFlags returns the flags of a site, and how to make it once they are parsed; nil for a site that is not known.
func newFlags(name string, o *sites.Options) (*flag.FlagSet, func() (http.Handler, error)) {
	flags := flag.NewFlagSet("site", flag.ContinueOnError)
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "loopback `address` and port to serve at; port 0 takes a free one")
	flags.StringVar(&o.LogFile, "log", "", "append the log of requests to this `file`, as JSON lines")
	flags.BoolVar(&o.TLS, "tls", false, "serve https, with a certificate from an authority made at start (printed as \"authority\")")
	flags.Func("name", "host `name` that the certificate is for, besides localhost (repeatable)", func(s string) error {
		o.Names = append(o.Names, s)
		return nil
	})
	latency := flags.Duration("latency", 0, "hold back each answer for this long, such as 20ms")

	switch name {
	case "board":
		var b board.Options
		flags.IntVar(&b.Ads, "ads", board.DefaultAds, "how many ads there are; with 60 the site has 83 pages")
		flags.IntVar(&b.PageSize, "page-size", board.DefaultPageSize, "how many ads a list shows at a time")
		flags.Uint64Var(&b.Seed, "seed", board.DefaultSeed, "chooses the content; the same seed gives the same site")
		flags.DurationVar(&b.CrawlDelay, "crawl-delay", 0, "Crawl-delay for robots.txt, in whole seconds, such as 2s")
		flags.IntVar(&b.SubResources, "sub-resources", 0, "small files that each page loads in addition, to measure with")
		flags.StringVar(&b.External, "external", board.DefaultExternal, "address outside of the site that the footer links to")
		return flags, func() (http.Handler, error) {
			b.Latency = *latency
			if b.CrawlDelay%time.Second != 0 {
				return nil, fmt.Errorf("--crawl-delay %v: robots.txt knows whole seconds only, such as 2s", b.CrawlDelay)
			}
			return board.New(b), nil
		}
	case "docs":
		root := flags.String("root", "", "`folder` of HTML with an index.html; by default Python's documentation")
		return flags, func() (http.Handler, error) {
			if *root == "" {
				var err error
				if *root, err = docs.FindRoot(); err != nil {
					return nil, err
				}
			}
			return docs.New(docs.Options{Root: *root, Latency: *latency})
		}
	case "trouble":
		return flags, func() (http.Handler, error) { return trouble.New(trouble.Options{Latency: *latency}), nil }
	case "dynamic":
		return flags, func() (http.Handler, error) { return dynamic.New(dynamic.Options{Latency: *latency}), nil }
	default:
		return flags, nil
	}
}
