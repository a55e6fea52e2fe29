package harness

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Relay passes TCP connections on, and disturbs them: it is the network between two
// processes. The fields of a [Disturbance] may change at any time.
//
//	relay, err := harness.NewRelay()
//	...
//	fleet.AddWorker(t, "--temporal-address", relay.Address())
//	relay.To(fleet.State().Temporal.Address)
//	relay.Disturb(harness.Disturbance{Silent: true}) // a partition
//	relay.Disturb(harness.Disturbance{})             // healed
type Relay struct {
	listener net.Listener
	target   atomic.Pointer[string]
	now      atomic.Pointer[Disturbance]
	changed  atomic.Pointer[chan struct{}] // closed when now changes
	open     sync.WaitGroup
}

// A Disturbance is what a relay does to what passes.
type Disturbance struct {
	// Cut breaks all connections off, and new ones at once.
	Cut bool
	// Silent passes nothing on, and tells nobody: what is sent meanwhile arrives later.
	Silent bool
	// Late is how long each piece of data takes, in each direction.
	Late time.Duration
}

// NewRelay listens at a loopback address.
func NewRelay() (*Relay, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(listenHost, "0"))
	if err != nil {
		return nil, fmt.Errorf("start a relay: %w", err)
	}
	r := &Relay{listener: l}
	r.Disturb(Disturbance{})
	r.open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.open.Go(func() { r.pass(conn) })
		}
	})
	return r, nil
}

// Address is where the relay listens.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// To sets where connections lead from now on. Before it is called they are broken off.
func (r *Relay) To(address string) { r.target.Store(&address) }

// Disturb changes what is done to connections, open ones included.
func (r *Relay) Disturb(d Disturbance) {
	next := make(chan struct{})
	r.now.Store(&d)
	if before := r.changed.Swap(&next); before != nil {
		close(*before)
	}
}

// Close breaks all connections off and waits for their ends.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.Disturb(Disturbance{Cut: true})
	r.open.Wait()
	if err != nil {
		return fmt.Errorf("close a relay: %w", err)
	}
	return nil
}

func (r *Relay) pass(conn net.Conn) {
	defer conn.Close()
	target := r.target.Load()
	if target == nil || r.now.Load().Cut {
		return
	}
	up, err := net.Dial("tcp", *target)
	if err != nil {
		return
	}
	defer up.Close()
	ended := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(ended) }) }
	r.open.Go(func() { r.copy(up, conn, ended); end() })
	r.open.Go(func() { r.copy(conn, up, ended); end() })
	for {
		changed := *r.changed.Load()
		if r.now.Load().Cut {
			end()
			return
		}
		select {
		case <-ended:
			return
		case <-changed:
		}
	}
}

// copy passes data on in one direction until the connection has ended.
func (r *Relay) copy(to io.Writer, from io.Reader, ended <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !r.hold(ended) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold waits as long as the data has to, and reports whether it may pass.
func (r *Relay) hold(ended <-chan struct{}) bool {
	if late := r.now.Load().Late; late > 0 {
		select {
		case <-time.After(late):
		case <-ended:
			return false
		}
	}
	for {
		changed := *r.changed.Load()
		switch d := r.now.Load(); {
		case d.Cut:
			return false
		case !d.Silent:
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return false
		}
	}
}
