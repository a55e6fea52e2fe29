package kube

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// etcdStartTimeout bounds how long etcd may take to read its log and elect itself.
const etcdStartTimeout = stack.ReadyTimeout

// One member elects itself: there is no network to be patient with, so it need
// not wait the usual second.
const (
	etcdTickMs     = 20
	etcdElectionMs = 200
)

// startEtcd starts a member that is a cluster of its own and returns it with the
// URL at which it serves clients. Only holders of the stack's certificates get in:
// what is in etcd is the cluster's every secret.
func startEtcd(dir, logFile string, certs *pki, fast bool) (*embed.Etcd, string, error) {
	tls := transport.TLSInfo{
		CertFile:       certs.path("etcd.crt"),
		KeyFile:        certs.path("etcd.key"),
		TrustedCAFile:  certs.path("ca.crt"),
		ClientCertAuth: true,
	}
	// Port 0: nobody but the API server beside it talks to etcd, so that its
	// ports need not stay the same.
	any := url.URL{Scheme: "https", Host: net.JoinHostPort(stack.Loopback, "0")}

	cfg := embed.NewConfig()
	cfg.Name = "devstack"
	cfg.Dir = dir
	cfg.ListenClientUrls = []url.URL{any}
	cfg.AdvertiseClientUrls = []url.URL{any}
	cfg.ListenPeerUrls = []url.URL{any}
	cfg.AdvertisePeerUrls = []url.URL{any}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ClientTLSInfo = tls
	cfg.PeerTLSInfo = tls
	cfg.TickMs = etcdTickMs
	cfg.ElectionMs = etcdElectionMs
	cfg.UnsafeNoFsync = fast
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{filepath.Clean(logFile)}

	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd in %s: %w", dir, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		etcd.Close()
		return nil, "", fmt.Errorf("start etcd in %s: %w", dir, err)
	case <-time.After(etcdStartTimeout):
		etcd.Close()
		return nil, "", fmt.Errorf("etcd in %s was not ready after %s; see %s", dir, etcdStartTimeout, logFile)
	}
	return etcd, "https://" + etcd.Clients[0].Addr().String(), nil
}
