// Package run is `make run`: the whole of crawlfleet on one machine. It starts the
// development stack, the operator, a worker, the portal and, unless another site is
// named, the demo site, each as a process of its own; applies a CrawlJob with
// kubectl, as a person would; shows its progress; ends with a table of what was
// archived; and goes on serving the snapshots until it is interrupted.
//
// It ends what it started, and only that: a stack that was running before is used
// and left running.
package run

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Options say what to run.
type Options struct {
	// Dir keeps everything from one run to the next: the stack's state, the
	// archive, logs.
	Dir string
	// Bin is the folder of the programs: devstack, operator, worker, portal, verify, site,
	// kubectl, crawlctl. Config is the folder with the resource definitions.
	Bin, Config string
	// Replay is the folder of ReplayWeb.page's files.
	Replay string
	// URL is the site to crawl, File a file of resources to apply. When neither is
	// given the demo site is crawled.
	URL, File string
	// Once ends with the job's verdict instead of serving on.
	Once bool
	// Out is the terminal.
	Out io.Writer
	// Logger takes what went wrong on the way.
	Logger *slog.Logger
}

var (
	// ErrNotSucceeded means that the crawl ended with another verdict than success.
	ErrNotSucceeded = errors.New("the crawl did not succeed")
	// ErrInterrupted means that the person ended it before the crawl was over.
	ErrInterrupted = errors.New("interrupted; the next run with the same folder goes on where this one was")
)

// Run does it all. It returns ErrNotSucceeded for a crawl that ended otherwise, and
// nil when it was interrupted while serving.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	procs := newProcesses(filepath.Join(dir, "logs"))
	defer func() {
		fmt.Fprintln(o.Out, "stopping what was started")
		procs.stop()
	}()
	fleet, err := o.start(ctx, procs)
	if err != nil {
		return interrupted(ctx, err)
	}
	o.tellUnfinished(ctx, fleet.kubectl)
	jobs, err := o.apply(ctx, fleet)
	if err != nil {
		return interrupted(ctx, err)
	}
	verdicts := make([]job, 0, len(jobs))
	for _, j := range jobs {
		shown := newDisplay(o.Out)
		last, err := follow(ctx, fleet.kubectl, j, shown, procs)
		if err != nil {
			return interrupted(ctx, err)
		}
		verdicts = append(verdicts, last)
		if err := shown.table(ctx, fleet.portal, last); err != nil {
			return interrupted(ctx, err)
		}
		o.tellFiles(fleet, last)
	}
	ok := true
	for _, v := range verdicts {
		ok = ok && v.condition("Succeeded").Status == "True"
	}
	if !o.Once {
		fmt.Fprintf(o.Out, "\nSnapshots:  %s\ncrawlctl:   export CRAWLFLEET_PORTAL=%s; %s snapshots list\nkubectl:    export KUBECONFIG=%s; %s get crawl -A\nCtrl-C ends it; the archive stays in %s for its time.\n",
			fleet.portal, fleet.portal, filepath.Join(o.Bin, "crawlctl"), fleet.state.Kubeconfig, fleet.kubectl.path, o.Dir)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case name := <-procs.restarted:
				fmt.Fprintln(o.Out, procs.restartNote(name))
			case name := <-procs.failed:
				return procs.endedError(name)
			}
		}
	}
	if !ok {
		return ErrNotSucceeded
	}
	return nil
}

// tellFiles says where the files of a crawl are, how they are checked, and for how long they are there.
func (o Options) tellFiles(f *fleet, j job) {
	a := j.Status.Archive
	if a.Prefix == "" {
		return
	}
	folder := filepath.Join(o.Dir, "stack", "s3", "data", a.Bucket, filepath.FromSlash(a.Prefix))
	fmt.Fprintf(o.Out, "\nFiles:      %s\nTo check:   %s verify --trust-key %s --timestamp-roots %s %s\n",
		folder, filepath.Join(o.Bin, "crawlctl"), f.signed.fingerprint, f.signed.roots, folder)
	if seconds, end := j.Status.Run.ScreeningSeconds, j.Status.FinishedAt; seconds > 0 && end != nil {
		until := end.Add(time.Duration(seconds) * time.Second).UTC().Format("2006-01-02 15:04 UTC")
		fmt.Fprintf(o.Out, "Kept until: %s, unless a case needs them: crawlctl retention keep --help\n", until)
	}
}

// interrupted tells an interruption by the person from what it caused.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

func (o Options) check() error {
	if o.URL != "" && o.File != "" {
		return errors.New("give either a URL to crawl or a file to apply, not both")
	}
	if o.File != "" {
		if _, err := os.Stat(o.File); err != nil {
			return fmt.Errorf("the file to apply: %w", err)
		}
	}
	for _, name := range []string{"devstack", "operator", "worker", "portal", "verify", "site", "kubectl", "crawlctl"} {
		if _, err := os.Stat(filepath.Join(o.Bin, name)); err != nil {
			return fmt.Errorf("program %s is missing: build it with `make build` (%w)", name, err)
		}
	}
	return nil
}

// fleet is what is running.
type fleet struct {
	state   *stack.State
	kubectl kubectl
	portal  portal
	siteURL string
	signed  keys
}

// start brings everything up, a part a line.
func (o Options) start(ctx context.Context, procs *processes) (*fleet, error) {
	began := time.Now()
	step := func(format string, args ...any) {
		fmt.Fprintf(o.Out, "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	state, mine, err := o.startStack(ctx, procs)
	if err != nil {
		return nil, err
	}
	note := ""
	if !mine {
		note = " (was running; it will be left running)"
	}
	step("stack    Kubernetes API, Temporal %s, S3 %s%s", state.Temporal.Address, state.S3.Endpoint, note)
	f := &fleet{state: state, kubectl: kubectl{path: filepath.Join(o.Bin, "kubectl"), config: state.Kubeconfig}}
	if err := f.kubectl.install(ctx, o.Config); err != nil {
		return nil, err
	}
	step("kinds    CrawlJob, CrawlSchedule and BrowserProfile are known to the API server, and the policy by which it takes orders")
	if o.URL == "" && o.File == "" {
		address, err := sameAddress(filepath.Join(o.Dir, "site-address"))
		if err != nil {
			return nil, err
		}
		if f.siteURL, err = procs.startSite(ctx, filepath.Join(o.Bin, "site"), "board", "--listen", address); err != nil {
			return nil, err
		}
		step("site     the demo: %s", f.siteURL)
	}
	if f.signed, err = o.startKeys(ctx, procs); err != nil {
		return nil, err
	}
	step("keys     what is stored is signed by %s\n         public parts: %s (custody log), %s (time stamps)", f.signed.fingerprint, f.signed.custodyPublic, f.signed.roots)
	if err := o.startPrograms(ctx, procs, f); err != nil {
		return nil, err
	}
	step("fleet    operator, worker and portal are ready; logs are in %s", procs.dir)
	return f, nil
}

// startStack uses the stack that runs in the folder, or starts one.
func (o Options) startStack(ctx context.Context, procs *processes) (state *stack.State, mine bool, err error) {
	dir := filepath.Join(o.Dir, "stack")
	if state, err := stack.ReadState(dir); err == nil && alive(state.PID) {
		return state, false, nil
	}
	err = procs.start(program{name: "stack", path: filepath.Join(o.Bin, "devstack"), args: []string{"start", "--dir", dir}})
	if err != nil {
		return nil, false, err
	}
	err = procs.await(ctx, "stack", stack.ReadyTimeout+time.Minute, func() bool {
		state, err = stack.ReadState(dir)
		return err == nil && alive(state.PID)
	})
	return state, true, err
}

// profileKey makes the key pair by which the operator hands browser profiles to the
// workers, unless an earlier run has, and returns the public half.
func (o Options) profileKey(ctx context.Context, identity string) (string, error) {
	public, err := o.crawlctl(ctx, "profile", "keygen", identity)
	if err != nil {
		return "", fmt.Errorf("make the key of browser profiles: %w", err)
	}
	return public, nil
}

// payloadKeys makes the file of the key that encrypts what Temporal stores, unless an
// earlier run has.
func payloadKeys(path string) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the key of payloads: %w", err)
	}
	_, err = fmt.Fprintln(f, "first", base64.StdEncoding.EncodeToString(secret))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make the key of payloads: %w", err)
	}
	return nil
}

// startPrograms starts the parts of crawlfleet itself.
func (o Options) startPrograms(ctx context.Context, procs *processes, f *fleet) error {
	env := []string{
		"KUBECONFIG=" + f.state.Kubeconfig,
		"TEMPORAL_ADDRESS=" + f.state.Temporal.Address,
		"TEMPORAL_NAMESPACE=" + f.state.Temporal.Namespace,
		"CRAWLFLEET_S3_ENDPOINT=" + f.state.S3.Endpoint,
		"CRAWLFLEET_S3_REGION=" + f.state.S3.Region,
		"CRAWLFLEET_S3_CREDENTIALS_FILE=" + f.state.S3.CredentialsFile,
	}
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	operator, worker, shown, replay := ports[0], ports[1], ports[2], ports[3]
	identity := filepath.Join(o.Dir, "profile-identity")
	recipient, err := o.profileKey(ctx, identity)
	if err != nil {
		return err
	}
	env = append(env, "CRAWLFLEET_PROFILE_RECIPIENTS="+recipient, "CRAWLFLEET_PROFILE_IDENTITY_FILE="+identity)
	payload := filepath.Join(o.Dir, "payload-keys")
	if err := payloadKeys(payload); err != nil {
		return err
	}
	env = append(env, "CRAWLFLEET_PAYLOAD_KEYS="+payload)
	env = append(env, f.signed.env()...)
	workerArgs := []string{
		"--dir", filepath.Join(o.Dir, "scratch"), "--health-address", worker,
		"--archive-bucket", f.state.S3.ArchiveBucket, "--frontier-bucket", f.state.S3.FrontierBucket,
	}
	if f.siteURL != "" { // the demo site is on this machine, which a fleet never visits otherwise
		workerArgs = append(workerArgs, "--allow-private", "127.0.0.0/8")
	}
	programs := []struct {
		name, health string
		args         []string
	}{
		{"operator", operator, []string{"--health-probe-bind-address", operator}},
		{"worker", worker, workerArgs},
		{"portal", shown, o.portalArgs(f, shown, replay)},
	}
	for _, p := range programs {
		run := program{name: p.name, path: filepath.Join(o.Bin, p.name), args: p.args, env: env, stateless: true}
		if err := procs.start(run); err != nil {
			return err
		}
	}
	for _, p := range programs {
		url := "http://" + p.health + "/readyz"
		if err := procs.await(ctx, p.name, time.Minute, func() bool { return answers(ctx, url) }); err != nil {
			return err
		}
	}
	procs.keep()
	f.portal = portal("http://" + shown + "/")
	return nil
}

// portalArgs have the portal listen at one address, and replay at another. It trusts what this
// machine signs and stamps, so that it can say what holds; signs dossiers with the same key; sees
// how crawls are doing; and keeps what it has read of the archive.
func (o Options) portalArgs(f *fleet, listen, replay string) []string {
	dir := filepath.Join(o.Dir, "portal")
	return []string{
		"--listen", listen, "--replay-listen", replay, "--replay", o.Replay, "--dir", dir, "--catalog", filepath.Join(dir, "catalog.sqlite"),
		"--archive-bucket", f.state.S3.ArchiveBucket, "--frontier-bucket", f.state.S3.FrontierBucket,
		"--temporal-address", f.state.Temporal.Address, "--temporal-namespace", f.state.Temporal.Namespace,
		"--trust-key", f.signed.fingerprint, "--timestamp-roots", f.signed.roots,
		"--organization", "this machine", "--dossier-sign-key", f.signed.sign, "--timestamp-url", f.signed.stamps,
	}
}
