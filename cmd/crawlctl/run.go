package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/tempdir"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// result is the line that --json writes for a page.
type result struct {
	URL          string          `json:"url"`
	Outcome      browser.State   `json:"outcome"`
	Reason       string          `json:"reason,omitempty"`
	Detail       string          `json:"detail,omitempty"`
	FinalURL     string          `json:"finalUrl,omitempty"`
	Status       int             `json:"status,omitempty"`
	MIME         string          `json:"mime,omitempty"`
	Title        string          `json:"title,omitempty"`
	Started      time.Time       `json:"started"`
	Milliseconds int64           `json:"milliseconds"`
	Exchanges    int             `json:"exchanges"`
	Bytes        int64           `json:"bytes"`
	Links        int             `json:"links"`
	Completeness float64         `json:"completeness"`
	Incomplete   string          `json:"incomplete,omitempty"`
	Limits       []browser.Limit `json:"limits,omitempty"`
	Recorder     string          `json:"recorder"`
	RetryOf      string          `json:"retryOf,omitempty"`
	Challenge    string          `json:"challenge,omitempty"`
}

func resultOf(p *browser.Page) result {
	return result{
		URL: p.URL, Outcome: p.Outcome.State, Reason: p.Outcome.Reason, Detail: p.Outcome.Detail, FinalURL: p.FinalURL,
		Status: p.Status, MIME: p.MIME, Title: p.Title, Started: p.Started.UTC(), Milliseconds: p.Ended.Sub(p.Started).Milliseconds(),
		Exchanges: len(p.Exchanges), Bytes: p.Bytes, Links: len(p.Links), Completeness: p.Completeness.Ratio, Incomplete: p.Incomplete(), Limits: p.Limits,
		Recorder: archive.RecorderName(p), RetryOf: p.RetryOf, Challenge: p.Challenge,
	}
}

// session is a running capture.
type session struct {
	job      *captureJob
	pool     *browser.Pool
	scratch  string
	progress *cli.Progress
	stdout   io.Writer
	stderr   io.Writer

	mu       sync.Mutex // over the chunk and the counts
	chunk    *archive.Chunk
	archived int
	failed   int
	bytes    int64
	received int            // responses
	withheld map[string]int // pictures, by reason
}

// run captures the pages and writes the file.
func (j *captureJob) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	level := slog.LevelWarn
	if j.verbose {
		level = slog.LevelDebug
	}
	log := telemetry.New(telemetry.Options{Writer: stderr, Format: telemetry.Text, Level: level})
	pictures, err := cli.Pictures(j.hashList, j.hashListMegabytes, log)
	if err != nil {
		return err
	}
	folder, err := scratchFolder(j.dir, func(err error) { log.Warn(unswept, "error", err) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Remove()) }()
	scratch := folder.Path
	rec, err := recorder.New(recorder.Options{
		Dir:      scratch,
		Dialer:   &j.guard,
		Pictures: pictures,
		Logger:   log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	pool, err := browser.New(ctx, browser.Options{
		Engine: browser.Engine(j.chrome), Tabs: j.concurrency, Stays: j.concurrency,
		Dir: filepath.Join(scratch, "chrome"), Recorder: rec, Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()

	s := &session{job: j, pool: pool, scratch: scratch, stdout: stdout, stderr: stderr, progress: &cli.Progress{Total: len(j.urls)}}
	if telemetry.IsTerminal(stderr) {
		s.progress.W = stderr
	}
	return s.capture(ctx)
}

// unswept is what is warned of when a killed run's files stay.
const unswept = "what a killed run left could not be removed"

// scratchFolder makes a folder for temporary files in a parent, the system's when it is
// empty, and removes those of runs that were killed.
func scratchFolder(parent string, warn func(error)) (*tempdir.Folder, error) {
	const prefix = "crawlctl-"
	if parent == "" {
		parent = os.TempDir()
	}
	if _, err := tempdir.Sweep(parent, prefix, nil); err != nil {
		warn(err)
	}
	return tempdir.Make(parent, prefix)
}

// capture runs all pages through the pool and closes the chunk.
func (s *session) capture(ctx context.Context) error {
	// The chunk is written where it will stay, so that it takes its name in
	// one step.
	dir, err := os.MkdirTemp(filepath.Dir(s.job.out), ".crawlctl-")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	defer os.RemoveAll(dir) // what counts has been moved away
	provenance, err := s.provenance()
	if err != nil {
		return err
	}
	s.chunk, err = archive.NewChunk(archive.Options{Dir: dir, Name: "capture", Title: "crawlctl capture", Info: s.info(), Provenance: provenance, Sign: s.job.signing.hook(ctx)})
	if err != nil {
		return err
	}
	s.progress.Start()
	failure := s.work(ctx)
	s.progress.Stop()
	if failure != nil && !errors.Is(failure, context.Canceled) {
		// What was captured until then is kept all the same.
		fmt.Fprintf(s.stderr, "crawlctl: %s\n", cli.OneLine(failure.Error()))
	}
	if s.received == 0 {
		return errors.Join(s.chunk.Abandon(), s.nothing(ctx))
	}
	file, err := closeSigned(s.chunk)
	if err != nil {
		return err
	}
	if err := s.placeAll(ctx, dir, file); err != nil {
		return err
	}
	return s.verdict(ctx, file, failure)
}

// work hands the pages out to as many tabs as there may be. It returns what
// ended it early.
func (s *session) work(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	orders := make(chan order)
	var wg sync.WaitGroup
	for range min(s.job.concurrency, len(s.job.urls)) {
		wg.Go(func() {
			w := visitor{session: s}
			for o := range orders {
				cancelOn(cancel, w.visit(ctx, o))
			}
			cancelOn(cancel, w.leave())
		})
	}
	for n, u := range s.job.urls {
		select {
		case orders <- order{n + 1, u}:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(orders)
	wg.Wait()
	return context.Cause(ctx)
}

// order is one page to capture, with its place in the list.
type order struct {
	n   int
	url string
}

// visitor captures pages one after another, in a tab that it keeps as long as they are
// on the same host.
type visitor struct {
	*session
	stay *browser.Stay
	host string
}

func (w *visitor) visit(ctx context.Context, o order) (err error) {
	if host := hostOf(o.url); w.stay == nil || host != w.host {
		if err := w.leave(); err != nil {
			return err
		}
		w.stay, err = w.pool.Stay(ctx, w.stayOptions(o.url))
		if err != nil {
			w.stay = nil
			return err
		}
		w.host = host
	}
	return w.page(ctx, o.n, o.url)
}

func (w *visitor) leave() error {
	if w.stay == nil {
		return nil
	}
	stay := w.stay
	w.stay = nil
	return stay.Close()
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

func hostOf(address string) string {
	u, err := urls.Split(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// page captures one page and adds it to the chunk.
func (w *visitor) page(ctx context.Context, n int, address string) error {
	s := w.session
	if ctx.Err() != nil {
		return nil // ended from outside, before this page began
	}
	dir := filepath.Join(s.scratch, "page-"+strconv.Itoa(n))
	defer os.RemoveAll(dir) // goes with the scratch folder at the latest
	order := browser.Visit{
		ID: strconv.Itoa(n), URL: address, Dir: dir, Screenshot: s.job.shot, Text: s.job.text, DOM: s.job.dom,
		NoScroll: !s.job.behave.scroll, NoConsent: !s.job.behave.consent, NoExpand: !s.job.behave.expand, NoMedia: !s.job.behave.media,
		Scripts: s.job.behave.scripts, Timeout: s.job.timeout, LoadTimeout: s.job.loadTimeout, MaxBytes: s.job.maxPageBytes, MaxBody: s.job.maxBodyBytes,
	}
	p, err := w.stay.Capture(ctx, order)
	if err != nil {
		return err
	}
	captures, againErr := w.again(ctx, p, order)
	p = captures[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range captures {
		c.Why = browser.Why{Seed: c.URL} // it was named
		if err := s.chunk.Add(c); err != nil {
			return err
		}
		s.received += responses(c)
		s.countWithheld(c)
	}
	ok := p.Outcome.State == browser.Archived
	if ok {
		s.archived++
	} else {
		s.failed++
	}
	s.bytes += p.Bytes
	s.progress.Add(ok, p.Bytes)
	return errors.Join(s.report(p, ok), againErr)
}

// report writes what became of a page.
func (s *session) report(p *browser.Page, ok bool) error {
	if !ok {
		detail := p.Outcome.Detail
		if p.Outcome.Reason == browser.ReasonAddressBlocked {
			detail += "; --allow-private makes exceptions"
		}
		s.progress.Println(s.stderr, cli.OneLine(fmt.Sprintf("failed: %s: %s: %s", p.URL, p.Outcome.Reason, detail)))
	}
	if why := p.Incomplete(); why != "" {
		s.progress.Println(s.stderr, cli.OneLine(fmt.Sprintf("incomplete: %s: %s", p.URL, why)))
	}
	if !s.job.json {
		return nil
	}
	if err := cli.WriteJSON(s.stdout, resultOf(p)); err != nil {
		return fmt.Errorf("write the page's line: %w", err)
	}
	return nil
}

// placeAll gives the finished file its name, and its sidecar when it is signed.
func (s *session) placeAll(ctx context.Context, dir string, file *archive.File) error {
	if s.job.signing == nil {
		return s.place(file.Path, s.job.out)
	}
	sidecar, err := s.writeSidecar(ctx, dir, file)
	if err != nil {
		return err
	}
	if err := s.place(file.Path, s.job.out); err != nil {
		return err
	}
	return s.place(sidecar, s.job.out+evidence.SidecarSuffix)
}

// place gives a finished file its name.
func (s *session) place(path, out string) error {
	if s.job.force {
		if err := os.Rename(path, out); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		return nil
	}
	// Unlike a rename, a link does not replace what came into being meanwhile.
	err := os.Link(path, out)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--out %s has come into being meanwhile and was left alone", out)
	}
	if err != nil { // a file system without links
		err = os.Rename(path, out)
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// verdict says how it went, for people and as an exit code.
func (s *session) verdict(ctx context.Context, file *archive.File, failure error) error {
	left := len(s.job.urls) - s.archived - s.failed
	fmt.Fprintf(s.stderr, "%s: %d archived, %d failed, %d not captured, %s received in %s; file of %s, SHA-256 %s\n",
		s.job.out, s.archived, s.failed, left, cli.Bytes(s.bytes), time.Since(s.job.started).Round(100*time.Millisecond), cli.Bytes(file.Size), file.SHA256)
	s.tellWithheld()
	switch {
	case ctx.Err() != nil:
		return &cli.Error{Code: cli.ExitInterrupted}
	case failure != nil, s.failed > 0, left > 0:
		return &cli.Error{Code: cli.ExitFailed}
	}
	return nil
}

// nothing says that there is nothing to write.
func (s *session) nothing(ctx context.Context) error {
	fmt.Fprintf(s.stderr, "no page was received: %s is not written\n", s.job.out)
	s.tellWithheld()
	if ctx.Err() != nil {
		return &cli.Error{Code: cli.ExitInterrupted}
	}
	return &cli.Error{Code: cli.ExitFailed}
}

// provenance is what the file says in capture.json, beside its pages.
func (s *session) provenance() (archive.Provenance, error) {
	executable, err := cli.ExecutableDigest()
	if err != nil {
		return archive.Provenance{}, err
	}
	build, info := cli.ReadBuild(), s.info()
	return archive.Provenance{
		Software: archive.Software{
			Name: info.Software, Version: build.Version, Commit: build.Revision, Go: build.Go, Platform: build.Platform, Executable: executable,
		},
		Machine: archive.Machine{Hostname: info.Hostname, Sandbox: info.Sandbox},
	}, nil
}

// info is what the file says about how it came to be.
func (s *session) info() archive.Info {
	build := cli.ReadBuild()
	v := s.pool.Version()
	ua := s.job.userAgent
	if ua == "" {
		ua = v.UserAgent
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return archive.Info{
		Software: "crawlctl", Version: build.String(), Chrome: v.Product + " " + v.Revision, Flags: s.pool.Flags(), Sandbox: s.pool.Sandbox(),
		UserAgent: ua, Viewport: fmt.Sprintf("%dx%d", s.job.view.Width, s.job.view.Height), Hostname: host,
	}
}
