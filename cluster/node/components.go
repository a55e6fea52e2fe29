package node

import (
	"path/filepath"
	"time"

	"crawlfleet.dev/crawlfleet/cluster/pki"
)

// certificates signs what the components show each other, and their kubeconfigs.
func certificates(ca *pki.Authority) error {
	for _, server := range []struct{ file, name string }{
		{"etcd", "etcd"},
		{"apiserver", "kube-apiserver"},
		{"kubelet-server", "system:node:" + Name},
	} {
		err := ca.Server(server.file, server.name, ips("127.0.0.1", Address, FirstService), Name, "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
		if err != nil {
			return err
		}
	}
	if _, err := ca.Key("service-account"); err != nil {
		return err
	}
	for _, client := range []struct{ file, name, group string }{
		{"etcd-client", "kube-apiserver-etcd-client", "etcd"},
		{"apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"},
	} {
		if err := ca.Client(client.file, client.name, client.group); err != nil {
			return err
		}
	}
	for _, user := range []struct{ file, name, group string }{
		{"admin", "crawlfleet-admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", "system:kube-controller-manager"},
		{"scheduler", "system:kube-scheduler", "system:kube-scheduler"},
		{"kubelet", "system:node:" + Name, "system:nodes"},
		{"proxy", "system:kube-proxy", "system:node-proxier"},
	} {
		if err := ca.Kubeconfig(kubeconfig(user.file), "https://"+Address+":"+apiPort, user.file, user.name, user.group); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(user string) string { return filepath.Join(configDir, user+".kubeconfig") }

func etcd(ca *pki.Authority) component {
	return component{name: "etcd", path: "etcd", args: []string{
		"--name=" + Name,
		"--data-dir=/var/lib/etcd",
		"--listen-client-urls=" + etcdURL,
		"--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=" + Name + "=http://127.0.0.1:2380",
		"--cert-file=" + ca.Path("etcd.crt"),
		"--key-file=" + ca.Path("etcd.key"),
		"--trusted-ca-file=" + ca.CA(),
		"--client-cert-auth",
		// State survives the end of the process, not a power cut.
		"--unsafe-no-fsync",
	}}
}

func apiServer(ca *pki.Authority) component {
	// It would wait for the watches of pods, which nobody ends any more.
	return component{name: "kube-apiserver", path: "kube-apiserver", patience: 2 * time.Second, args: []string{
		"--advertise-address=" + Address,
		"--secure-port=" + apiPort,
		"--etcd-servers=" + etcdURL,
		"--etcd-cafile=" + ca.CA(),
		"--etcd-certfile=" + ca.Path("etcd-client.crt"),
		"--etcd-keyfile=" + ca.Path("etcd-client.key"),
		"--tls-cert-file=" + ca.Path("apiserver.crt"),
		"--tls-private-key-file=" + ca.Path("apiserver.key"),
		"--client-ca-file=" + ca.CA(),
		"--kubelet-certificate-authority=" + ca.CA(),
		"--kubelet-client-certificate=" + ca.Path("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + ca.Path("apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-cluster-ip-range=" + ServiceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + ca.Path("service-account.key"),
		"--service-account-signing-key-file=" + ca.Path("service-account.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--profiling=false",
	}}
}

func controllerManager(ca *pki.Authority) component {
	return component{name: "kube-controller-manager", path: "kube-controller-manager", args: []string{
		"--kubeconfig=" + kubeconfig("controller-manager"),
		"--authentication-kubeconfig=" + kubeconfig("controller-manager"),
		"--authorization-kubeconfig=" + kubeconfig("controller-manager"),
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + ca.Path("service-account.key"),
		"--root-ca-file=" + ca.CA(),
		"--cluster-signing-cert-file=" + ca.CA(),
		"--cluster-signing-key-file=" + ca.Path("ca.key"),
		"--leader-elect=false",
		"--flex-volume-plugin-dir=/run/cluster/volume-plugins",
		"--profiling=false",
	}}
}

func scheduler() component {
	return component{name: "kube-scheduler", path: "kube-scheduler", args: []string{
		"--kubeconfig=" + kubeconfig("scheduler"),
		"--authentication-kubeconfig=" + kubeconfig("scheduler"),
		"--authorization-kubeconfig=" + kubeconfig("scheduler"),
		"--leader-elect=false",
		"--profiling=false",
	}}
}

func containerd() component {
	return component{name: "containerd", path: "containerd", args: []string{"--config", filepath.Join(configDir, "containerd.toml")}}
}

func kubelet() component {
	return component{name: "kubelet", path: "kubelet", args: []string{
		"--config=" + filepath.Join(configDir, "kubelet.yaml"),
		"--kubeconfig=" + kubeconfig("kubelet"),
		"--hostname-override=" + Name,
		"--node-ip=" + Address,
		"--root-dir=/var/lib/kubelet",
	}}
}

func proxy() component {
	return component{name: "kube-proxy", path: "kube-proxy", args: []string{"--config=" + filepath.Join(configDir, "proxy.yaml")}}
}

// netpol is this program itself, as the engine of the network policies.
func netpol() component {
	return component{name: "netpol", path: "/proc/self/exe", args: []string{"netpol", "--kubeconfig", kubeconfig("admin"), "--socket", policySocket}}
}

// provisioner is this program itself, as the maker of volumes.
func provisioner() component {
	return component{name: "volumes", path: "/proc/self/exe", args: []string{"volumes", "--kubeconfig", kubeconfig("admin"), "--node", Name, "--folder", volumeDir}}
}
