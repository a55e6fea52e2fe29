// Command netpol-cni is a CNI plugin that comes after the one that connects a pod. It lets
// the pod start when the rules of its network policies hold.
package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"crawlfleet.dev/crawlfleet/cluster/netpol"
)

func main() {
	nothing := func(*skel.CmdArgs) error { return nil }
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: nothing, Check: nothing}, version.All,
		"waits for the rules of a pod's network policies")
}

// config is the plugin's part of the network's configuration.
type config struct {
	types.PluginConf
	Socket string `json:"socket"`
}

// podArgs are what Kubernetes tells plugins of the pod.
type podArgs struct {
	types.CommonArgs
	// (The names are those of the protocol.)
	K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID types.UnmarshallableString
}

func add(args *skel.CmdArgs) error {
	var c config
	if err := json.Unmarshal(args.StdinData, &c); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return err
	}
	if c.PrevResult == nil {
		return errors.New("this plugin comes after another that gives the pod its address")
	}
	result, err := current.NewResultFromResult(c.PrevResult)
	if err != nil {
		return err
	}
	pod := podArgs{CommonArgs: types.CommonArgs{IgnoreUnknown: true}}
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return err
	}
	for _, ip := range result.IPs {
		if ip.Address.IP.To4() == nil {
			continue
		}
		err := netpol.Ask(c.Socket, netpol.NewPod{
			Namespace: string(pod.K8S_POD_NAMESPACE), Name: string(pod.K8S_POD_NAME), UID: string(pod.K8S_POD_UID),
			Address: ip.Address.IP.String(),
		})
		if err != nil {
			return err
		}
	}
	return types.PrintResult(c.PrevResult, c.CNIVersion)
}
