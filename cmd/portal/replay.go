package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/sealing"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/replay"
)

// replayOptions are the flags about replay, which is served on an origin of its own.
type replayOptions struct {
	dir, listen, url, keys string
	lifetime               time.Duration
}

func (o *replayOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.dir, "replay", env("CRAWLFLEET_REPLAY_DIR", "build/replay"), "folder with ReplayWeb.page's ui.js, sw.js and LICENSE.txt [$CRAWLFLEET_REPLAY_DIR]")
	f.StringVar(&o.listen, "replay-listen", "127.0.0.1:8081", "address that archived pages are replayed from; of loopback under the same conditions as --listen")
	f.StringVar(&o.url, "replay-url", os.Getenv("CRAWLFLEET_REPLAY_URL"),
		"that address as browsers know it, on another host name than the portal's, such as https://replay.example, or https://*.replay.example for an origin for each replay; on loopback http://localhost and the port [$CRAWLFLEET_REPLAY_URL]")
	f.StringVar(&o.keys, "replay-key-file", os.Getenv("CRAWLFLEET_REPLAY_KEYS"),
		"`FILE` with secrets, one a line, as --session-key-file's, that addresses of replays are sealed with; without it addresses end with the process [$CRAWLFLEET_REPLAY_KEYS]")
	f.DurationVar(&o.lifetime, "replay-lifetime", time.Hour, "how long an address of a replay holds; an open page asks for another in time")
}

// server makes what replays, for a portal that browsers know by an address.
func (o *replayOptions) server(scheme string, listens net.Addr, origin string, archive blob.Store, runs replay.Runs, custody *access.Custody, log *slog.Logger) (*replay.Server, error) {
	at := o.url
	if at == "" {
		_, port, err := net.SplitHostPort(listens.String())
		if err != nil {
			return nil, err
		}
		at = scheme + "localhost:" + port
	}
	keys, err := o.readKeys(log)
	if err != nil {
		return nil, fmt.Errorf("--replay-key-file: %w", err)
	}
	look := func(ctx context.Context, person access.Person, chunk blob.Key) error {
		return custody.Read(ctx, person, access.Snapshot{Chunk: chunk})
	}
	return replay.New(replay.Options{
		URL: at, Portal: origin, Dir: o.dir, Archive: archive, Runs: runs, Look: look, Keys: keys, Lifetime: o.lifetime, Now: time.Now, Logger: log,
	})
}

func (o *replayOptions) readKeys(log *slog.Logger) (*sealing.Keys, error) {
	if o.keys != "" {
		return replay.OpenKeys(o.keys)
	}
	if o.url != "" { // for others than who is at this machine
		log.Warn("addresses of replays end with this process, and no other replica knows them; see --replay-key-file")
	}
	return replay.RandomKeys(), nil
}

// check finds what is wrong with where replay is served from.
func (o *replayOptions) check(loggedIn bool, external string) error {
	if err := checkListen("--replay-listen", o.listen, loggedIn); err != nil {
		return err
	}
	if o.url == "" {
		if loggedIn {
			return fmt.Errorf("--replay-url: say where browsers reach --replay-listen, on another host name than %s", external)
		}
		return nil
	}
	own, err := url.Parse(o.url)
	if err != nil {
		return fmt.Errorf("--replay-url: %w", err)
	}
	if portal, err := url.Parse(external); err == nil && portal.Hostname() == own.Hostname() {
		return fmt.Errorf("--replay-url: %s has the host name of the portal, whose cookies archived pages would be sent with: use another name", o.url)
	}
	return nil
}
