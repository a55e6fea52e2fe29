package node

import (
	"os"
	"path/filepath"

	"crawlfleet.dev/crawlfleet/cluster/pki"
)

// pauseImage is what every pod begins with.
const (
	pauseImage   = "crawlfleet.test/pause:1"
	coreDNSImage = "crawlfleet.test/coredns:1"
)

// containerdConfig: https://github.com/containerd/containerd/blob/main/docs/cri/config.md
func containerdConfig() string {
	return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "` + containerdSocket + `"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '` + pauseImage + `'

[plugins.'io.containerd.cri.v1.runtime']
  # Neither may be to be had where this machine is itself a container.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['` + programs + `', '` + cniBin + `']
    conf_dir = '` + cniConfig + `'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '` + programs + `/runc'
      SystemdCgroup = false
`
}

// cniConfiguration routes every pod by itself (ptp): what pods send each other passes
// the rules for forwarded packets, which is where network policies are enforced.
func cniConfiguration() string {
	return `{
  "cniVersion": "1.0.0",
  "name": "crawlfleet",
  "plugins": [
    {"type": "ptp", "ipMasq": false, "ipam": {
      "type": "host-local",
      "dataDir": "/run/cluster/addresses",
      "ranges": [[{"subnet": "` + PodRange + `"}]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }},
    {"type": "netpol-cni", "socket": "` + policySocket + `"}
  ]
}
`
}

// kubeletConfig: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
func kubeletConfig(ca *pki.Authority, cgroup string) string {
	return `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: ` + Address + `
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: ` + ca.CA() + `}
authorization: {mode: Webhook}
tlsCertFile: ` + ca.Path("kubelet-server.crt") + `
tlsPrivateKeyFile: ` + ca.Path("kubelet-server.key") + `
containerRuntimeEndpoint: unix://` + containerdSocket + `
cgroupDriver: cgroupfs
cgroupRoot: /` + cgroup + `
failCgroupV1: false
failSwapOn: false
# The node reserves nothing: its own processes are not in cgroups of their own.
enforceNodeAllocatable: []
# Less than 0 needs rights that a container may lack.
oomScoreAdj: 0
makeIPTablesUtilChains: false
clusterDomain: cluster.local
clusterDNS: [` + DNS + `]
# Nothing outside is reached, so nobody needs to be asked for its name.
resolvConf: ` + filepath.Join(configDir, "resolv.conf") + `
volumePluginDir: /run/cluster/volume-plugins
serializeImagePulls: false
# A developer's disk may be fuller than a server's.
evictionHard: {memory.available: 50Mi, nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
`
}

// proxyConfig: https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
func proxyConfig() string {
	return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: ` + Name + `
clusterCIDR: ` + PodRange + `
clientConnection: {kubeconfig: ` + kubeconfig("proxy") + `}
# These are the whole machine's.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
oomScoreAdj: 0
`
}

func writeConfigs(ca *pki.Authority, cgroup string) error {
	for path, content := range map[string]string{
		filepath.Join(configDir, "containerd.toml"):     containerdConfig(),
		filepath.Join(configDir, "kubelet.yaml"):        kubeletConfig(ca, cgroup),
		filepath.Join(configDir, "proxy.yaml"):          proxyConfig(),
		filepath.Join(configDir, "resolv.conf"):         "",
		filepath.Join(cniConfig, "10-cluster.conflist"): cniConfiguration(),
	} {
		if err := writeFile(path, content); err != nil {
			return err
		}
	}
	return os.MkdirAll("/run/cluster/volume-plugins", 0o755)
}
