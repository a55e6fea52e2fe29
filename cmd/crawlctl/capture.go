package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// captureFlags are the flags as they were given.
type captureFlags struct {
	pages, out, screenshot, viewport, chrome, dir, userAgent string
	resolve, allowPrivate, behaviors, scripts                []string
	profile                                                  string
	route                                                    cli.Route
	concurrency                                              int
	text, dom, json, force, verbose, fresh                   bool
	timeout, loadTimeout                                     time.Duration
	maxPageBytes, maxBodyBytes                               int64
	badCertificates, recorder, hashList                      string
	hashListMegabytes                                        int
	sign                                                     signFlags
	images, scriptPosts                                      string
}

// captureJob is what they mean.
type captureJob struct {
	captureFlags
	urls    []string
	shot    browser.Screenshot
	witness browser.Recorder
	view    browser.Viewport
	behave  behavior
	guard   netguard.Dialer
	state   *profile.Profile
	signing *signing // nil when the file is not signed
	started time.Time
}

func newCapture() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture [flags] URL...",
		Short: "Capture pages into a WACZ file",
		Long: `Capture renders the given pages, and no others, in a headless Chrome behind a
recording proxy, and writes what they loaded into one WACZ file.

Pages come from the command line and from --pages (a file with one address a
line; blank lines and lines that begin with # are skipped; - reads standard
input). Each page is captured once. Links are recorded and not followed.

A page counts as archived when its document arrived, whatever its HTTP status.
Pages that fail are in the file as far as they came.

Private, loopback and link-local addresses are refused, also for what a page
loads; --allow-private makes exceptions.

With --sign-key the file is signed (wacz-auth 0.1.0), and FILE.evidence.json is written
beside it with the time stamps of --timestamp-url. A file that cannot be signed is
not written; a stamp that cannot be had is owed: crawlctl stamp fetches it.

The file is written under a temporary name next to --out and appears under its
own when it is complete. Ctrl-C ends the capture early and keeps the pages that
were done.

Exit codes:
  0    all pages were archived
  1    some were not, or the file could not be written
  2    the command line made no sense; nothing was done
  130  interrupted; the pages that were done are in the file`,
		Example: `  crawlctl capture https://example.org/
  crawlctl capture --pages pages.txt --concurrency 4 --out case-17.wacz
  crawlctl capture --resolve shop.example=127.0.0.1:8080 --allow-private 127.0.0.0/8 http://shop.example/
  crawlctl capture --json --screenshot none https://example.org/ | jq .outcome`,
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := f.complete(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			if job.signing, err = f.sign.complete(cmd.Context()); err != nil {
				return err
			}
			return job.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.pages, "pages", "", "`FILE` with one address a line, - for standard input")
	fl.IntVar(&f.concurrency, "concurrency", 1, "how many pages are captured at once")
	fl.StringVarP(&f.out, "out", "o", "capture.wacz", "`FILE` to write")
	fl.BoolVar(&f.force, "force", false, "replace --out if it exists")
	fl.StringVar(&f.screenshot, "screenshot", "viewport", "picture of each page: none, viewport or full")
	fl.StringVar(&f.recorder, "recorder", "wire", "who takes down what goes over TLS: wire (the bytes; a page that refuses it is tried again with the browser) or browser")
	fl.BoolVar(&f.text, "text", true, "keep the rendered text")
	fl.BoolVar(&f.dom, "dom", true, "keep the rendered document")
	fl.StringSliceVar(&f.behaviors, "behaviors", behaviorNames, "what is done to a loaded page, by `NAMES`: consent, scroll, expand, media, or none")
	fl.StringArrayVar(&f.scripts, "behavior-script", nil, "`HOST=FILE`: run this script on pages of the host, or with *.HOST also of those below it (repeatable; docs/behaviors.md)")
	fl.StringArrayVar(&f.resolve, "resolve", nil, "connect to `HOST[:PORT]=ADDR:PORT` instead of asking the DNS (repeatable)")
	fl.StringArrayVar(&f.allowPrivate, "allow-private", nil, "`CIDR` that may be connected to although it is not public (repeatable)")
	fl.StringVar(&f.route.Proxy, "proxy", "", "`URL` of a proxy for everything: http, https, socks5 or socks5h")
	fl.StringVar(&f.route.ProxyCA, "proxy-ca-file", "", "`FILE` with PEM certificates of the authorities that an https proxy's certificate is taken from, in place of the system's")
	fl.StringVar(&f.route.NameServer, "name-server", "", "`ADDR[:PORT]` of the name server to ask, in place of those of the system")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "time for a page in all")
	fl.DurationVar(&f.loadTimeout, "load-timeout", 30*time.Second, "time for a page's document to be complete")
	fl.Int64Var(&f.maxPageBytes, "max-page-bytes", 2_000_000_000, "bytes of all bodies of a page after which they are cut off, 0 for no limit")
	fl.Int64Var(&f.maxBodyBytes, "max-body-bytes", 1_000_000_000, "bytes after which a single body is cut off, 0 for no limit")
	fl.StringVar(&f.badCertificates, "bad-certificates", "refuse", "what comes from a server whose certificate does not verify: refuse, or record with the error")
	fl.StringVar(&f.images, "images", "keep", "pictures of pages: keep, or off")
	fl.StringVar(&f.scriptPosts, "script-posts", "same-site", "to whom scripts may send what is more than a question: same-site, none or any")
	fl.StringVar(&f.hashList, "hash-list", "", "`FILE` of hashes of known illegal images, which are dropped before anything of them is written (docs/refusals.md)")
	fl.IntVar(&f.hashListMegabytes, "hash-list-megabytes", cli.DefaultPictureMegabytes, "size of a picture, in units of 1,000,000 bytes, above which it cannot be compared with --hash-list and is dropped")
	fl.StringVar(&f.viewport, "viewport", "1280x800", "`SIZE` of the window in pixels")
	fl.StringVar(&f.userAgent, "user-agent", "", "user agent in place of Chrome's own")
	fl.StringVar(&f.profile, "profile", "", "`FILE` of a log-in to capture its hosts with, as profile create wrote it or a state.json")
	fl.StringVar(&f.chrome, "chrome", "", "`ENGINE`: chromium-headless-shell, chromium, or the path of a Chrome (default: the first of these that is installed)")
	fl.BoolVar(&f.fresh, "fresh-pages", false, "show each page as to a visitor who was never there: no cookie, storage or cache of the pages before")
	fl.StringVar(&f.dir, "dir", "", "`FOLDER` for temporary files (default: the system's)")
	fl.StringVar(&f.sign.key, "sign-key", "", "sign the file with the private key in `FILE` (PEM), as keys create makes it")
	fl.StringVar(&f.sign.cert, "sign-cert", "", "`FILE` with the certificate chain of a domain for that key (PEM); without it the signature is anonymous")
	fl.StringArrayVar(&f.sign.stampURLs, "timestamp-url", nil, "`URL` of a time-stamp authority, RFC 3161 (repeatable; the first one's stamp is part of a domain's signature)")
	fl.StringVar(&f.sign.roots, "timestamp-roots", "", "`FILE` with PEM certificates that the authorities' chains must end at (default: the chain is not judged)")
	fl.BoolVar(&f.json, "json", false, "write one line of JSON a page to standard output")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log what Chrome and the recorder do")
	return cmd
}

// complete reads the pages and checks the flags. Its errors are usage errors.
func (f captureFlags) complete(stdin io.Reader, args []string) (*captureJob, error) {
	j := &captureJob{captureFlags: f, started: time.Now()}
	if err := j.readPages(stdin, args); err != nil {
		return nil, err
	}
	var err error
	if j.shot, err = screenshotOf(f.screenshot); err != nil {
		return nil, err
	}
	if j.witness, err = recorderOf(f.recorder); err != nil {
		return nil, err
	}
	if j.view.Width, j.view.Height, err = cli.ParseSize(f.viewport); err != nil {
		return nil, fmt.Errorf("--viewport: %w", err)
	}
	if j.guard.Allow, err = cli.ParsePrefixes(f.allowPrivate); err != nil {
		return nil, err
	}
	if j.guard.Resolve, err = cli.ParseResolve(f.resolve); err != nil {
		return nil, err
	}
	if err := f.route.Apply(&j.guard); err != nil {
		return nil, err
	}
	if j.behave, err = f.readBehaviors(); err != nil {
		return nil, err
	}
	if j.state, err = f.readProfile(stdin); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return j, j.checkOut()
}

// readProfile reads the log-in, nil when none is given.
func (f captureFlags) readProfile(stdin io.Reader) (*profile.Profile, error) {
	if f.profile == "" {
		return nil, nil
	}
	if f.profile == "-" && f.pages == "-" {
		return nil, cli.Usage("--profile and --pages cannot both be read from standard input")
	}
	file, err := readState(stdin, f.profile)
	if err != nil {
		return nil, cli.Usage("--profile: %w", err)
	}
	p, err := profile.New(filepath.Base(f.profile), "", file, nil, profile.LoginCheck{})
	if err != nil {
		return nil, cli.Usage("--profile: %w", err)
	}
	return p, nil
}

// check looks at the flags that are taken as they are.
func (f captureFlags) check() error {
	switch {
	case f.concurrency < 1 || f.concurrency > 64:
		return cli.Usage("--concurrency %d: want 1 to 64", f.concurrency)
	case f.maxPageBytes < 0 || f.maxBodyBytes < 0:
		return cli.Usage("--max-page-bytes %d, --max-body-bytes %d: want 0, for no limit, or more", f.maxPageBytes, f.maxBodyBytes)
	case f.badCertificates != "refuse" && f.badCertificates != "record":
		return cli.Usage("--bad-certificates %q: want refuse or record", f.badCertificates)
	case f.images != "keep" && f.images != "off":
		return cli.Usage("--images %q: want keep or off", f.images)
	case scriptPosts[f.scriptPosts] == nil:
		return cli.Usage("--script-posts %q: want same-site, none or any", f.scriptPosts)
	case f.timeout <= 0 || f.loadTimeout <= 0:
		return cli.Usage("--timeout and --load-timeout must be more than nothing")
	}
	if f.dir == "" {
		return nil
	}
	if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
		return cli.Usage("--dir: there is no folder %s", f.dir)
	}
	return nil
}

func (j *captureJob) readPages(stdin io.Reader, args []string) error {
	seen := make(map[string]bool)
	add := func(page string) {
		if !seen[page] {
			seen[page] = true
			j.urls = append(j.urls, page)
		}
	}
	for _, a := range args {
		page, err := cli.CheckPage(a)
		if err != nil {
			return &cli.Error{Code: cli.ExitUsage, Err: err}
		}
		add(page)
	}
	if j.pages != "" {
		in, name := stdin, "standard input"
		if j.pages != "-" {
			file, err := os.Open(j.pages)
			if err != nil {
				return cli.Usage("--pages: %w", err)
			}
			defer file.Close() // read only
			in, name = file, j.pages
		}
		list, err := cli.ReadPages(in, name)
		if err != nil {
			return &cli.Error{Code: cli.ExitUsage, Err: err}
		}
		for _, page := range list {
			add(page)
		}
	}
	if len(j.urls) == 0 {
		return cli.Usage("no pages: give addresses, or a file of them with --pages")
	}
	return nil
}

func screenshotOf(s string) (browser.Screenshot, error) {
	switch strings.ToLower(s) {
	case "none":
		return browser.ScreenshotNone, nil
	case "viewport":
		return browser.ScreenshotViewport, nil
	case "full", "fullpage":
		return browser.ScreenshotFull, nil
	}
	return "", cli.Usage("--screenshot %q: want none, viewport or full", s)
}

// checkOut finds out before the work what would spoil it after.
func (j *captureJob) checkOut() error {
	if j.out == "-" {
		return cli.Usage("--out -: a WACZ file cannot be written to standard output; name a file")
	}
	path, err := filepath.Abs(j.out)
	if err != nil {
		return cli.Usage("--out %q: %w", j.out, err)
	}
	j.out = path
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return cli.Usage("--out %s is a folder", path)
	case err == nil && !j.force:
		return cli.Usage("--out %s exists: choose another name, or replace it with --force", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return cli.Usage("--out: %w", err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return cli.Usage("--out: there is no folder %s", filepath.Dir(path))
	}
	if j.sign.key != "" {
		return checkFree(path+evidence.SidecarSuffix, j.force)
	}
	return nil
}
