package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

func newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Make and look at log-ins that crawls use",
		Long: `A profile is what a log-in leaves behind in a browser: cookies and web storage. A
person makes it; crawls that name it see what that person sees, read-only. Whoever
holds it is logged in: treat its file as a password.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProfileCreate(), newProfileShow(), newProfileKeygen())
	return cmd
}

// profileFlags are the flags of profile create.
type profileFlags struct {
	url, namespace, out, waitFor, chrome, dir, kubeconfig, context string
	hosts                                                          []string
	login                                                          profile.LoginCheck
	headful                                                        bool
	debugPort                                                      int
	timeout                                                        time.Duration
}

// profileJob is what they mean.
type profileJob struct {
	profileFlags
	name    string
	waiting *regexp.Regexp
	visible bool
}

func newProfileCreate() *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:   "create NAME --url ADDRESS",
		Short: "Open a browser, let a person log in, and keep what that leaves behind",
		Long: `Create opens a browser at ADDRESS and waits. Log in there, as you always do; visit each
of the sites that crawls are to be logged in at. Then press Enter here: all cookies,
and local and session storage of the origins that were visited, are saved as
BrowserProfile NAME with its Secret. The browser and all that it kept are gone then.
Do not log out: that would end the log-in for the crawls too.

Where there is a display, the browser has a window (Chromium). Elsewhere it has none, and
is led from another Chrome: open chrome://inspect there, choose Configure, enter
the address that is printed, and press "inspect" below the page. On a server, first
forward the port: ssh -L PORT:127.0.0.1:PORT SERVER. Whoever reaches that port leads
the browser; it listens on 127.0.0.1 alone, for as long as this command runs.

Without --out, the BrowserProfile and its Secret are created in the cluster of your
kubeconfig. When they are there already, the Secret gets the new state, and of the
BrowserProfile only what flags say is changed: that is how a log-in that has
expired is renewed. Crawls that wait for it go on by themselves.

With --out they are written as YAML, for kubectl apply. The file holds the log-in: only
you can read it; delete it when it has been applied.

Not saved: IndexedDB, the Cache API, service workers, passwords, and storage that a site
keeps inside frames of other sites.

Exit codes:
  0    the profile was saved
  1    it was not: the browser was closed too early, nobody was done in time, or the
       cluster refused it
  2    the command line made no sense; nothing was done
  130  interrupted; nothing was saved`,
		Example: `  crawlctl profile create members --url https://members.example.org/login -n research
  crawlctl profile create members --url https://members.example.org/login \
    --host members.example.org --logged-out-url '/login\b' --logged-in-selector 'a[href="/logout"]'
  crawlctl profile create members --url https://members.example.org/login --out members.yaml
  crawlctl profile create members --url https://members.example.org/login --wait-for '/account$'`,
		Args: oneArg("one NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := f.complete(args[0], cmd.Flags().Changed("headful"), cmd.Flags().Changed("remote-debugging-port"))
			if err != nil {
				return err
			}
			return job.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.url, "url", "", "`ADDRESS` of the log-in page (required)")
	fl.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of the profile (default: that of the kubeconfig's context)")
	fl.StringVarP(&f.out, "out", "o", "", "write YAML to `FILE` instead, - for standard output")
	fl.StringVar(&f.waitFor, "wait-for", "", "save when the browser shows a page whose address `PATTERN` (RE2) matches, and stays there, instead of waiting for Enter")
	fl.StringArrayVar(&f.hosts, "host", nil, "`HOST` that the log-in is for, with its subdomains; what is of others is not saved (repeatable; default: all that were visited)")
	fl.StringVar(&f.login.LoggedOutURL, "logged-out-url", "", "`PATTERN` (RE2) of the address that visitors are led to who are not logged in")
	fl.StringVar(&f.login.LoggedOutSelector, "logged-out-selector", "", "CSS `SELECTOR` of what they see")
	fl.StringVar(&f.login.LoggedOutText, "logged-out-text", "", "`TEXT` that they see")
	fl.StringVar(&f.login.LoggedInSelector, "logged-in-selector", "", "CSS `SELECTOR` of what every page shows to a member")
	fl.StringVar(&f.login.LoggedInText, "logged-in-text", "", "`TEXT` that every page shows to a member")
	fl.BoolVar(&f.headful, "headful", false, "open a window, or fail (default: where there is a display)")
	fl.IntVar(&f.debugPort, "remote-debugging-port", 0, "open no window; lead the browser over this `PORT` of 127.0.0.1, 0 for a free one")
	fl.DurationVar(&f.timeout, "timeout", 30*time.Minute, "how long to wait for the person")
	fl.StringVar(&f.chrome, "chrome", "", "`ENGINE`: chromium, chromium-headless-shell, or the path of a Chrome (default: the first that fits)")
	fl.StringVar(&f.dir, "dir", "", "`FOLDER` for the browser's files (default: the system's)")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that says how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config)")
	fl.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context (default: its current one)")
	return cmd
}

// complete checks the flags. Its errors are usage errors.
func (f profileFlags) complete(name string, window, port bool) (*profileJob, error) {
	j := &profileJob{profileFlags: f, name: name}
	if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
		return nil, cli.Usage("NAME %q: want lower case letters, digits, dashes and dots", name)
	}
	if f.url == "" {
		return nil, cli.Usage("--url: give the address of the log-in page")
	}
	address, err := cli.CheckPage(f.url)
	if err != nil {
		return nil, cli.Usage("--url: %w", err)
	}
	j.url = address
	if f.waitFor != "" {
		if j.waiting, err = regexp.Compile(f.waitFor); err != nil {
			return nil, cli.Usage("--wait-for: %w", err)
		}
	}
	for i, h := range f.hosts {
		j.hosts[i] = strings.ToLower(h)
		if strings.ContainsAny(h, ":/ ") {
			return nil, cli.Usage("--host %q: want a host alone, such as members.example.org", h)
		}
	}
	if err := f.login.Check(); err != nil {
		return nil, cli.Usage("--logged-out-url: %w", err)
	}
	switch {
	case window && f.headful && port:
		return nil, cli.Usage("--headful and --remote-debugging-port: choose one")
	case f.debugPort < 0 || f.debugPort > 65535:
		return nil, cli.Usage("--remote-debugging-port %d is no port", f.debugPort)
	case window:
		j.visible = f.headful
	default:
		j.visible = !port && browser.HasDisplay()
	}
	if f.timeout <= 0 {
		return nil, cli.Usage("--timeout must be more than nothing")
	}
	if f.out != "" && f.out != "-" {
		if info, err := os.Stat(filepath.Dir(f.out)); err != nil || !info.IsDir() {
			return nil, cli.Usage("--out: there is no folder %s", filepath.Dir(f.out))
		}
	}
	return j, nil
}

// run has a person log in and saves what that leaves behind.
func (j *profileJob) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	var cluster *cluster
	if j.out == "" { // before anybody has logged in for nothing
		if cluster, err = newCluster(ctx, j); err != nil {
			return err
		}
	}
	folder, err := scratchFolder(j.dir, func(err error) { fmt.Fprintf(stderr, "warning: %s: %v\n", unswept, err) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Remove()) }()
	state, err := j.letLogIn(ctx, folder.Path, stdin, stderr)
	if err != nil {
		return ended(ctx, err)
	}
	if len(j.hosts) > 0 {
		state = state.For(j.hosts)
	}
	file, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	// What crawls will refuse is not saved.
	p, err := profile.New(j.name, "", file, j.hosts, j.login)
	if err != nil {
		return fmt.Errorf("nothing was saved: what the browser holds cannot be used: %w", err)
	}
	if cluster != nil {
		return cluster.save(ctx, j, file, p, stderr)
	}
	return j.write(file, p, stdout, stderr)
}

// letLogIn waits for the person and reads the browser.
func (j *profileJob) letLogIn(ctx context.Context, dir string, stdin io.Reader, stderr io.Writer) (state *profile.State, err error) {
	person, err := browser.OpenPerson(ctx, browser.PersonOptions{
		Engine: browser.Engine(j.chrome), Dir: dir, Visible: j.visible, DebugPort: j.debugPort,
	}, j.url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, person.Close()) }()
	if why := person.Unsafe(); why != nil {
		fmt.Fprintf(stderr, "warning: the browser runs without its sandbox: %v\n", why)
	}
	j.instruct(person.DebugAddress(), stderr)
	waiting, cancel := context.WithTimeoutCause(ctx, j.timeout, fmt.Errorf("nobody was done after %s (--timeout)", j.timeout))
	defer cancel()
	if j.waiting == nil {
		waiting = untilEnter(waiting, stdin)
	}
	if err := person.Wait(waiting, j.waiting); err != nil && !errors.Is(err, errEntered) {
		return nil, early(err)
	}
	reading, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("it took more than two minutes"))
	defer cancel()
	state, unread, err := person.State(reading)
	if err != nil {
		return nil, early(err)
	}
	for _, origin := range unread {
		fmt.Fprintf(stderr, "warning: the storage of %s, or some of it, could not be read and is not saved\n", cli.OneLine(origin))
	}
	return state, nil
}

// early says what to do about a browser that was closed too early.
func early(err error) error {
	if errors.Is(err, browser.ErrBrowserClosed) {
		return errors.New("the browser was closed before its state was saved: run it again, and close nothing before it says so")
	}
	return err
}

// instruct says what to do.
func (j *profileJob) instruct(address string, stderr io.Writer) {
	if address == "" {
		fmt.Fprintln(stderr, "A browser has been opened: log in there.")
	} else {
		_, port, _ := strings.Cut(address, ":")
		fmt.Fprintf(stderr, `A browser without a window waits at http://%s. Lead it from another Chrome:
  1. when that is on another machine: ssh -L %s:127.0.0.1:%s THIS-MACHINE
  2. open chrome://inspect/#devices, press Configure and enter 127.0.0.1:%s
  3. press "inspect" below the page, and log in there
`, address, port, port, port)
	}
	if j.waiting == nil {
		fmt.Fprintln(stderr, "Press Enter here when you are logged in. (Do not log out, and do not close the browser.)")
		return
	}
	fmt.Fprintf(stderr, "It is saved when the browser stays at an address that %s matches.\n", j.waitFor)
}

// errEntered is how waiting ends well.
var errEntered = errors.New("the person is done")

// untilEnter ends a context when a line comes. The reader goes on until there is one:
// nobody else reads standard input.
func untilEnter(ctx context.Context, stdin io.Reader) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, err := bufio.NewReader(stdin).ReadString('\n')
		if err == nil {
			cancel(errEntered)
			return
		}
		cancel(errors.New("there is nobody to press Enter: standard input is closed; use --wait-for"))
	}()
	return ctx
}

// ended gives an interruption its exit code.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &cli.Error{Code: cli.ExitInterrupted, Err: errors.New("interrupted: nothing was saved")}
	}
	return err
}
