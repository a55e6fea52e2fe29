package node

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// connect gives the network namespace an address of the node's own, on the loopback
// interface since nothing else is there, and a route for the node's own packets to Services,
// which are sent elsewhere on their way. There is no default route: what would leave this
// machine fails at once.
func connect() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set up the loopback interface: %w", err)
	}
	own := net.ParseIP(Address)
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(own)}); err != nil {
		return fmt.Errorf("give the node its address: %w", err)
	}
	_, services, err := net.ParseCIDR(ServiceRange)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: services, Src: own}); err != nil {
		return fmt.Errorf("add a route to Services: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}
