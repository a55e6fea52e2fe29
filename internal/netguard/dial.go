package netguard

import (
	"context"
)

// Dial connects to address, a host:port. The network is "tcp", "tcp4" or
// "tcp6". Errors are a *BlockedError, *ResolveError or *ConnectError; see
// [Reason].
func (d *Dialer) Dial(ctx context.Context, network, address string) (*Conn, error) {
	panic("being written")
}

type answerCache struct{}
