// Package cli is what the command-line programs share: how they end, what
// version they are, how they read lists of pages and flag values that several
// of them take, and how they show progress on a terminal.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// The exit codes of all programs.
const (
	ExitOK          = 0   // everything that was asked for was done
	ExitFailed      = 1   // something was not; the output says what
	ExitUsage       = 2   // the command line made no sense; nothing was done
	ExitUnchecked   = 3   // nothing is wrong, but not everything could be checked
	ExitInterrupted = 130 // ended by a signal; what was done until then is kept
)

// Error is an error that knows its exit code. An Error with a nil Err ends the
// program without a further message.
type Error struct {
	Code int
	Err  error
	// input is set when the flags are not what is wrong: --help would not help.
	input bool
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return "exit " + strconv.Itoa(e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Usage makes an error of a command line that makes no sense.
func Usage(format string, args ...any) error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Input makes an error of what a command line names, such as a file, that makes no sense.
func Input(format string, args ...any) error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...), input: true}
}

// Exit says how a program ends with an error: it writes the message and
// returns the exit code. A command of a program is named by its path, such as
// "crawlctl keys create": its help is the one that helps.
func Exit(stderr io.Writer, command string, err error) int {
	program, _, _ := strings.Cut(command, " ")
	if err == nil {
		return ExitOK
	}
	var coded *Error
	if !errors.As(err, &coded) {
		fmt.Fprintf(stderr, "%s: %s\n", program, lines(err.Error()))
		return ExitFailed
	}
	if coded.Err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", program, lines(err.Error()))
	}
	if coded.Code == ExitUsage && !coded.input {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", command)
	}
	return coded.Code
}

// Signals gives a context that ends with the first SIGINT or SIGTERM. The
// second kills the program, as if nobody had listened.
func Signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Build is what a program knows of itself.
type Build struct {
	Version  string // module version, or "devel"
	Revision string // commit, with "+dirty" for a changed tree
	Go       string
	Platform string
}

// What the linker was told of the build (go build -ldflags '-X ...'). Images are built so: what git knows
// is not in every copy of the same sources, and the same sources have to make the same image.
var linkedVersion, linkedRevision string

// ReadBuild reads what the linker left in the binary.
func ReadBuild() Build {
	b := readBuildInfo()
	b.Version, b.Revision = cmp.Or(linkedVersion, b.Version), cmp.Or(linkedRevision, b.Revision)
	return b
}

// readBuildInfo reads what go build knew by itself.
func readBuildInfo() Build {
	b := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if b.Revision != "" {
		b.Revision += dirty
	}
	return b
}

// String is the version in one line.
func (b Build) String() string {
	s := b.Version
	if b.Revision != "" && !strings.Contains(s, b.Revision[:min(len(b.Revision), 12)]) {
		s += " (" + b.Revision[:min(len(b.Revision), 12)] + ")"
	}
	return s + " " + b.Go + " " + b.Platform
}

// ParseResolve reads the values of --resolve, host[:port]=addr:port, in which
// an IPv6 address stands in brackets. The key of the result is the host, with
// its port where one was given, in lower case.
func ParseResolve(values []string) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for _, v := range values {
		from, to, ok := strings.Cut(v, "=")
		if !ok || from == "" {
			return nil, Usage("--resolve %q: want host[:port]=addr:port, such as example.org=127.0.0.1:8080", v)
		}
		if _, err := netip.ParseAddrPort(to); err != nil {
			return nil, Usage("--resolve %q: %q is not an address and port: %v", v, to, err)
		}
		out[strings.ToLower(from)] = to
	}
	return out, nil
}

// ParsePrefixes reads the values of --allow-private: networks in CIDR notation,
// or single addresses.
func ParsePrefixes(values []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(values))
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			a, addrErr := netip.ParseAddr(v)
			if addrErr != nil {
				return nil, Usage("--allow-private %q: want a network such as 127.0.0.0/8: %v", v, err)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// ParseSize reads a size in pixels, such as 1280x800.
func ParseSize(s string) (width, height int, err error) {
	w, h, ok := strings.Cut(strings.ToLower(s), "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if !ok || errW != nil || errH != nil || width < 100 || height < 100 || width > 8192 || height > 8192 {
		return 0, 0, Usage("%q is not a size: want WIDTHxHEIGHT with 100 to 8192 pixels each, such as 1280x800", s)
	}
	return width, height, nil
}
