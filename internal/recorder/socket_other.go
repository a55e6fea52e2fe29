//go:build !linux

package recorder

import "net"

// hungUp is not known here: a page that gives up a request that nothing comes
// for leaves it open until the page ends.
func hungUp(net.Conn) bool { return false }

// quiet is not known here: a kept connection that was closed is found out when
// it is used.
func quiet(net.Conn) bool { return true }
