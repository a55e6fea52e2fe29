package node

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
)

// forward hands connections on to an address of the node until the context is done. The
// listener is of the network namespace it was made in, what is dialled of this one.
func forward(ctx context.Context, from net.Listener, to string) {
	stop := context.AfterFunc(ctx, func() { from.Close() })
	defer stop()
	for {
		outside, err := from.Accept()
		if err != nil {
			if ctx.Err() == nil {
				slog.Error("no connections are taken any more", "error", err)
			}
			return
		}
		go func() {
			defer outside.Close()
			inside, err := net.Dial("tcp", to)
			if err != nil {
				slog.Warn("a connection is not handed on", "to", to, "error", err)
				return
			}
			defer inside.Close()
			join(outside.(*net.TCPConn), inside.(*net.TCPConn))
		}()
	}
}

// join copies in both directions; the end of one is handed on, the other may go on.
func join(a, b *net.TCPConn) {
	var both sync.WaitGroup
	pipe := func(from, to *net.TCPConn) {
		_, _ = io.Copy(to, from) // how it ends, the other end sees
		_ = to.CloseWrite()
	}
	both.Go(func() { pipe(a, b) })
	both.Go(func() { pipe(b, a) })
	both.Wait()
}
