package netguard

import (
	"errors"
	"fmt"
	"net/netip"
)

// BlockedError says that a target is not to be connected to.
type BlockedError struct {
	// Host is the host as it was asked for.
	Host string
	// Addr is the address that is not acceptable; not valid when the host
	// itself is not.
	Addr netip.Addr
	// Why says what the address is, such as "loopback (RFC 1122)".
	Why string
}

func (e *BlockedError) Error() string {
	if !e.Addr.IsValid() || e.Addr.String() == e.Host {
		return fmt.Sprintf("%s is not a public address: %s", e.Host, e.Why)
	}
	return fmt.Sprintf("%s leads to %s, which is not a public address: %s", e.Host, e.Addr, e.Why)
}

// ResolveError says that a name has no address.
type ResolveError struct {
	// Name as it was asked for.
	Name string
	// NotFound is true when there is no such name (NXDOMAIN, or no addresses).
	NotFound bool
	Err      error
}

func (e *ResolveError) Error() string { return fmt.Sprintf("resolve %q: %v", e.Name, e.Err) }

// Unwrap returns the resolver's error.
func (e *ResolveError) Unwrap() error { return e.Err }

// ConnectError says that no connection could be made to any of the target's
// addresses.
type ConnectError struct {
	// Address is the host:port that was asked for.
	Address string
	Err     error
}

func (e *ConnectError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Address, e.Err) }

// Unwrap returns the errors of the attempts.
func (e *ConnectError) Unwrap() error { return e.Err }

// Reason maps an error of a Dialer to the project's vocabulary: DNSFailed,
// AddressBlocked, or ConnectFailed for everything else. It is empty for nil.
func Reason(err error) string {
	var blocked *BlockedError
	var resolve *ResolveError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &blocked):
		return ReasonAddressBlocked
	case errors.As(err, &resolve):
		return ReasonDNSFailed
	}
	return ReasonConnectFailed
}
