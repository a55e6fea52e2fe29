package main

import (
	"net"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/cluster/netpol"
	"crawlfleet.dev/crawlfleet/cluster/volumes"
)

// newNetpolCommand is a component of the node.
func newNetpolCommand() *cobra.Command {
	var kubeconfig, socket string
	cmd := &cobra.Command{Use: "netpol", Hidden: true, Args: cobra.NoArgs}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	cmd.Flags().StringVar(&socket, "socket", "", "where the CNI plugin asks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := clientOf(kubeconfig)
		if err != nil {
			return err
		}
		nft, err := netpol.NewNFT()
		if err != nil {
			return err
		}
		// One of a process that was killed would be in the way.
		os.Remove(socket)
		listener, err := net.Listen("unix", socket)
		if err != nil {
			return err
		}
		engine := &netpol.Engine{Client: client, NFT: nft}
		return engine.Run(cmd.Context(), listener)
	}
	return cmd
}

// newVolumesCommand is a component of the node.
func newVolumesCommand() *cobra.Command {
	var kubeconfig, name, folder string
	cmd := &cobra.Command{Use: "volumes", Hidden: true, Args: cobra.NoArgs}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	cmd.Flags().StringVar(&name, "node", "", "the node's name")
	cmd.Flags().StringVar(&folder, "folder", "", "where volumes are")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := clientOf(kubeconfig)
		if err != nil {
			return err
		}
		return volumes.Run(cmd.Context(), client, name, folder)
	}
	return cmd
}

func clientOf(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
