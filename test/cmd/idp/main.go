// Command idp serves a small OpenID Connect provider on a loopback port, for the development stack and for tests that
// need one in a process of its own. People and their passwords are in a file:
//
//	[{"name": "ann", "fullName": "Ann Example", "password": "…", "groups": ["vice"]}]
//
//	idp --users users.json --client-id portal --redirect http://127.0.0.1:8080/login/callback --redirect http://127.0.0.1:8080/logged-out
//
// Its first line on standard output is JSON and says where it is:
//
//	{"issuer":"http://127.0.0.1:40123","pid":4711}
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"crawlfleet.dev/crawlfleet/internal/idp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "idp: %v\n", err)
		os.Exit(1)
	}
}

// running is the first line that the command prints.
type running struct {
	Issuer string `json:"issuer"`
	PID    int    `json:"pid"`
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o idp.Options
	flags := flag.NewFlagSet("idp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "loopback `address` and port to serve at; port 0 takes a free one")
	flags.StringVar(&o.ClientID, "client-id", "portal", "`name` of the one client")
	secret := flags.String("client-secret-file", "", "`file` with the client's secret; without it the client is a public one")
	users := flags.String("users", "", "JSON `file` with who can log in")
	flags.Func("redirect", "`address` where the client may have people sent back to, or where they go after a log-out (repeatable)", func(s string) error {
		o.Redirects = append(o.Redirects, s)
		return nil
	})
	flags.DurationVar(&o.TokenFor, "token-for", 0, "how long an ID token counts; ten minutes when it is 0")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	}
	if err := read(&o, *users, *secret); err != nil {
		return err
	}
	server, err := idp.Start(o)
	if err != nil {
		return err
	}
	err = json.NewEncoder(stdout).Encode(running{Issuer: server.Issuer, PID: os.Getpid()})
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, server.Close())
}

// read reads the files that options name.
func read(o *idp.Options, users, secret string) error {
	if users == "" {
		return errors.New("name the file of who can log in: --users users.json")
	}
	raw, err := os.ReadFile(users)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &o.Users); err != nil {
		return fmt.Errorf("%s: %w", users, err)
	}
	if secret == "" {
		return nil
	}
	if raw, err = os.ReadFile(secret); err != nil {
		return err
	}
	if o.ClientSecret = strings.TrimSpace(string(raw)); o.ClientSecret == "" {
		return fmt.Errorf("%s: is empty", secret)
	}
	return nil
}
