package gateway

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpClose is the state of a connection that has ended (TCP_CLOSE in include/net/tcp_states.h).
const tcpClose = 7

// underway reports whether what was sent on a connection has not all arrived at a host that is there.
func underway(c net.Conn) bool {
	tcp, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || failed != nil {
		return false
	}
	return info.State != tcpClose && (info.Unacked > 0 || info.Notsent_bytes > 0)
}
