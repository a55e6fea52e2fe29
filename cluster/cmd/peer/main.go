// Command peer is what the pods of the cluster's tests run: a small HTTP server, and clients
// that try what other pods may be forbidden.
//
//	peer serve ADDRESS TEXT   answers TEXT; /health fails once /break was asked
//	peer get URL              prints what a server answers
//	peer dial ADDRESS         succeeds when a TCP connection does
//	peer self                 prints who the process is and how it is confined
//	peer write FILE TEXT      writes a file and prints what is in it
//	peer eat MEBIBYTES        takes memory and ends
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// timeout is how long a client tries. What a policy forbids is not refused but gets no
// answer; the first packet of a connection is sent again after one second.
const timeout = 3 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], args[2])
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 2 && args[0] == "dial":
		conn, err := net.DialTimeout("tcp", args[1], timeout)
		if err != nil {
			return err
		}
		return conn.Close()
	case len(args) == 1 && args[0] == "self":
		return self()
	case len(args) == 3 && args[0] == "write":
		return write(args[1], args[2])
	}
	if len(args) == 2 && args[0] == "eat" {
		return eat(args[1])
	}
	return fmt.Errorf("no such use: %q", args)
}

func serve(address, text string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	var broken atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) })
	mux.HandleFunc("/break", func(http.ResponseWriter, *http.Request) { broken.Store(true) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	failed := make(chan error, 1)
	go func() { failed <- http.ListenAndServe(address, mux) }()
	fmt.Println("serving", text)
	select {
	case err := <-failed:
		return err
	case <-end:
		return nil
	}
}

func get(url string) error {
	client := http.Client{Timeout: timeout}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(os.Stdout, io.LimitReader(resp.Body, 1<<20))
	return err
}

// self prints the user's number, the mapping of users (user_namespaces(7)) and whether a
// filter of system calls holds (proc(5), "Seccomp").
func self() error {
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	fmt.Println("uid", os.Getuid())
	fmt.Println("uid_map", strings.Join(strings.Fields(string(users)), " "))
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Seccomp:") {
			fmt.Println("seccomp", strings.Fields(line)[1])
		}
	}
	// Which the test's profile forbids.
	fmt.Println("mkdir", syscall.Mkdir("/tmp/peer", 0o755))
	return nil
}

func write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	read, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Println(string(read))
	return nil
}

func eat(mebibytes string) error {
	n, err := strconv.Atoi(mebibytes)
	if err != nil {
		return err
	}
	memory := make([]byte, n<<20)
	for i := range memory { // which is what takes it
		memory[i] = byte(i)
	}
	fmt.Println("took", n, "MiB", memory[len(memory)-1])
	return nil
}
