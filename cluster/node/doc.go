// Package node is one machine of a Kubernetes cluster inside this one: the processes of
// the control plane, of the node and their containers live in mount, process, network,
// UTS and IPC namespaces of their own, so that they see addresses, /run, /var/lib and
// /tmp that nobody else uses. Its first process ([Run]) starts all others; when it ends,
// by whatever cause, the kernel ends them and takes back mounts and networks. Only cgroups
// outlive it: [Down] removes them.
package node

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
)

// Name is the name of the node and its host name.
const Name = "crawlfleet"

// Addresses inside the network namespace.
const (
	// Address is the node's own.
	Address = "10.245.0.1"
	// PodRange is what pods get their addresses from.
	PodRange = "10.244.0.0/24"
	// ServiceRange is what Services get their addresses from.
	ServiceRange = "10.96.0.0/16"
	// FirstService is the address of the Service "kubernetes", DNS that of "kube-dns".
	FirstService = "10.96.0.1"
	DNS          = "10.96.0.10"

	apiPort = "6443"
	etcdURL = "https://127.0.0.1:2379"
)

// Where things are inside the mount namespace.
const (
	programs  = "/run/cluster/programs"
	pkiDir    = "/var/lib/pki"
	configDir = "/run/cluster/config"
	logDir    = "/var/log"
	cniConfig = "/run/cluster/cni"
	cniBin    = "/usr/lib/cni"
	volumeDir = "/var/lib/volumes"

	// containerdSocket is where containerd and its clients expect it.
	containerdSocket = "/run/containerd/containerd.sock"
	policySocket     = "/run/cluster/netpol.sock"
)

// Dir is the folder that holds all that a cluster writes.
type Dir string

// Path is that of a file of the folder.
func (d Dir) Path(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// Kubeconfig is the administrator's, for programs outside the node.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Log is the log of a component.
func (d Dir) Log(component string) string { return d.Path("logs", component+".log") }

// Cgroup is the name of the cgroup that holds all pods of the cluster. It depends on the
// folder, so that clusters beside each other do not meet.
func (d Dir) Cgroup() string {
	sum := sha256.Sum256([]byte(d))
	return "crawlfleet-" + hex.EncodeToString(sum[:4])
}

func ips(addresses ...string) []net.IP {
	var all []net.IP
	for _, a := range addresses {
		all = append(all, net.ParseIP(a))
	}
	return all
}
