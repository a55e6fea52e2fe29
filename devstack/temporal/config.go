package temporal

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// clusterName is recorded in the database: it must never change.
const clusterName = "active"

const frontend = primitives.FrontendService

// servicePorts maps each of the server's services to its port.
type servicePorts map[primitives.ServiceName]int

// choosePorts gives the services behind the frontend any free ports: only the
// frontend dials them, and nothing of them is written down.
func choosePorts(frontendPort int) (servicePorts, error) {
	ports := servicePorts{frontend: frontendPort}
	taken := []int{frontendPort}
	for _, name := range []primitives.ServiceName{primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		port, err := stack.FreePort(taken...)
		if err != nil {
			return nil, fmt.Errorf("choose a port for Temporal's %s service: %w", name, err)
		}
		ports[name] = port
		taken = append(taken, port)
	}
	return ports, nil
}

func (p servicePorts) address(name primitives.ServiceName) string {
	return net.JoinHostPort(stack.Loopback, strconv.Itoa(p[name]))
}

// hosts fixes where the services are. Without it they would find each other
// through a table in the database, and after a kill wait for the dead to time out.
func (p servicePorts) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := make(map[primitives.ServiceName]static.Hosts, len(p))
	for name := range p {
		hosts[name] = static.SingleLocalHost(p.address(name))
	}
	return hosts
}

// sqliteConfig opens the database at path. A write-ahead log survives the death of
// the process without an fsync for each transaction.
func sqliteConfig(path, synchronous string) *config.SQL {
	return &config.SQL{
		PluginName: sqlite.PluginName,
		// The plugin makes a URI of it (sqlite.org/uri.html).
		DatabaseName: strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path),
		ConnectAttributes: map[string]string{
			"mode": "rwc",
			// Sorted by name when applied: the timeout holds for the mode's change.
			"busy_timeout": "10000",
			"journal_mode": "wal",
			"synchronous":  synchronous,
		},
	}
}

// serverConfig has the frontend listen on an address, and the services behind it on loopback.
func serverConfig(db *config.SQL, ports servicePorts, listen string) *config.Config {
	services := make(map[string]config.Service, len(ports))
	for name, port := range ports {
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: stack.Loopback}}
	}
	services[string(frontend)] = config.Service{RPC: config.RPC{GRPCPort: ports[frontend], BindOnIP: listen}}
	address := ports.address(frontend)
	return &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: stack.Loopback},
		},
		Persistence: config.Persistence{
			DefaultStore:     sqlite.PluginName,
			VisibilityStore:  sqlite.PluginName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{sqlite.PluginName: {SQL: db}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		PublicClient: config.PublicClient{HostPort: address},
		NamespaceDefaults: config.NamespaceDefaults{
			Archival: config.ArchivalNamespaceDefaults{
				History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
				Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
			},
		},
	}
}

// dynamicConfig are the settings in which a development server differs from the
// defaults of a cluster.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// A search attribute is usable as soon as it is made.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
		// One writer and a few pollers gain nothing from partitions but hops.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		// A version of workers that nothing runs on any more is drained within seconds, not
		// within six minutes: one writer's visibility is never late.
		dynamicconfig.VersionDrainageStatusVisibilityGracePeriod.Key(): 2 * time.Second,
		dynamicconfig.VersionDrainageStatusRefreshInterval.Key():       2 * time.Second,
	}
}
