// Command neighbour is what pods run that are not the fleet's, in the tests of a whole fleet in a cluster: the sites that
// are crawled, servers, and clients that try what network policies allow.
//
//	neighbour sites HOSTS PAGES ADDRESS serves that mesh of sites (test/sites/mesh) at port 80, prints each request as JSON, and
//	                                   tells who asks at port 53 that ADDRESS is that of the sites
//	neighbour serve ADDRESS...         accepts connections at each address, and ends them
//	neighbour reach ADDRESS...         prints, as JSON, what became of a connection to each address: "" when it was made.
//	                                   dns:ADDRESS asks a name server for the API server's name by UDP instead
//
// It listens wherever it is told to: in a pod, whose network is its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// timeout is how long a client tries. What a policy forbids gets no answer; the first packet of a connection is sent again
// after one second and after three.
const timeout = 5 * time.Second

// known is a name that every cluster's name servers know.
const known = "kubernetes.default.svc.cluster.local."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "neighbour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "sites":
		return serveSites(ctx, args[1], args[2], args[3])
	case len(args) > 1 && args[0] == "serve":
		return serve(ctx, args[1:])
	case len(args) > 1 && args[0] == "reach":
		return json.NewEncoder(os.Stdout).Encode(reach(ctx, args[1:]))
	}
	return fmt.Errorf("no such use: %q", args)
}

func serveSites(ctx context.Context, hosts, pages, at string) error {
	var o mesh.Options
	var err1, err2 error
	o.Hosts, err1 = strconv.Atoi(hosts)
	o.Pages, err2 = strconv.Atoi(pages)
	address, err3 := netip.ParseAddr(at)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if !address.Is4() {
		return fmt.Errorf("%s is no IPv4 address", address)
	}
	var log sites.Log
	log.Tee(os.Stdout)
	ctx, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{Addr: ":80", Handler: log.Wrap(mesh.New(o)), ReadHeaderTimeout: 30 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	told := make(chan error, 1)
	go func() {
		defer end()
		told <- names(ctx, ":53", "test", address)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-told, log.Err())
}

// serve accepts connections until the context ends.
func serve(ctx context.Context, addresses []string) error {
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					failed <- err
					return
				}
				conn.Close()
			}
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// reach tries all addresses at once.
func reach(ctx context.Context, addresses []string) map[string]string {
	var mu sync.Mutex
	var all sync.WaitGroup
	became := map[string]string{}
	for _, address := range addresses {
		all.Go(func() {
			said := ""
			if err := try(ctx, address); err != nil {
				said = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			became[address] = said
		})
	}
	all.Wait()
	return became
}

func try(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialer net.Dialer
	if server, ok := strings.CutPrefix(address, "dns:"); ok {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, server)
		}}
		_, err := resolver.LookupHost(ctx, known)
		return err
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
