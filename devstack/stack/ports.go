package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Loopback is the only address that the stack listens on. Everywhere are all (IPv4), for what serves other
// machines, which loopback reaches, too.
const (
	Loopback   = "127.0.0.1"
	Everywhere = "0.0.0.0"
)

// Listen is the address to listen on.
func Listen(everywhere bool) string {
	if everywhere {
		return Everywhere
	}
	return Loopback
}

// Ports are taken from below the range that Linux gives to outgoing connections
// (32768 and up, ip(7)): a client that keeps dialling a stopped part must not
// be given that very port as its own and connect to itself.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// portRetry is how long a remembered port may stay busy before it is given up:
// sockets of a killed predecessor vanish within that time.
const portRetry = 2 * time.Second

// Ports maps a part to its port on the loopback address.
type Ports map[string]int

// Address returns host:port of a part.
func (p Ports) Address(name string) string {
	return net.JoinHostPort(Loopback, strconv.Itoa(p[name]))
}

// ChoosePorts returns a free port for each name: the one dir remembers from the
// last start, or a new one, which it logs and remembers, where that is taken.
func ChoosePorts(dir string, names []string, log *slog.Logger) (Ports, error) {
	remembered := readPorts(dir, log)
	chosen := make(Ports, len(names))
	changed := false
	for _, name := range names {
		port, known := remembered[name]
		err := errors.New("not in use")
		if known {
			err = waitFree(port)
		}
		if known && err == nil && !slices.Contains(values(chosen), port) {
			chosen[name] = port
			continue
		}
		fresh, freeErr := FreePort(values(chosen)...)
		if freeErr != nil {
			return nil, freeErr
		}
		if known {
			log.Warn("port is taken, chose another; clients must read stack.json again",
				"part", name, "taken", port, "chosen", fresh, "err", err)
		}
		chosen[name] = fresh
		changed = true
	}
	if !changed {
		return chosen, nil
	}
	return chosen, writeJSON(filepath.Join(dir, PortsFile), chosen)
}

// FreePort returns a port on the loopback address that nothing listens on, other
// than those given. Nothing reserves it: use it soon.
func FreePort(not ...int) (int, error) {
	var last error
	for range 200 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if slices.Contains(not, port) {
			continue
		}
		if last = tryPort(port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port between %d and %d on %s: %w", lowestPort, highestPort, Loopback, last)
}

func readPorts(dir string, log *slog.Logger) Ports {
	path := filepath.Join(dir, PortsFile)
	data, err := readBounded(path, maxStateSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p Ports
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		log.Warn("remembered ports cannot be read, choosing new ones", "file", path, "err", err)
		return nil
	}
	for name, port := range p {
		if port < 1024 || port > 65535 {
			delete(p, name)
		}
	}
	return p
}

func waitFree(port int) error {
	deadline := time.Now().Add(portRetry)
	for {
		err := tryPort(port)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(lockPoll)
	}
}

func tryPort(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(Loopback, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

func values(p Ports) []int {
	v := make([]int, 0, len(p))
	for _, port := range p {
		v = append(v, port)
	}
	return v
}
