package kube

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// serviceRange is what Services get their addresses from. No packet ever goes
// there: nothing routes Services.
const serviceRange = "10.96.0.0/16"

// firstServiceIP is the address of the Service "kubernetes".
func firstServiceIP() net.IP { return net.IPv4(10, 96, 0, 1) }

// newAPIServer prepares an API server and returns the function that runs it until
// its context is done.
func newAPIServer(ctx context.Context, opts Options, certs *pki, etcdURL, logFile string) (func(context.Context) error, error) {
	if err := logTo(logFile); err != nil {
		return nil, err
	}
	s := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	sets := s.Flags()
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(apiServerArgs(opts, certs, etcdURL)); err != nil {
		return nil, fmt.Errorf("set the API server's flags: %w", err)
	}
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, fmt.Errorf("set the API server's feature gates: %w", err)
	}
	// As kube-apiserver's own command does: no warnings about its own requests.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := s.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("complete the API server's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, fmt.Errorf("check the API server's options: %w", utilerrors.NewAggregate(errs))
	}
	return func(ctx context.Context) error { return app.Run(ctx, completed) }, nil
}

func apiServerArgs(opts Options, certs *pki, etcdURL string) []string {
	return []string{
		"--bind-address=" + stack.Loopback,
		"--secure-port=" + strconv.Itoa(opts.Port),
		// Given, so that it does not look for a default route.
		"--advertise-address=" + stack.Loopback,
		// A loopback address may not be an endpoint, and no pod would use it.
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + certs.dir,
		"--tls-cert-file=" + certs.path("apiserver.crt"),
		"--tls-private-key-file=" + certs.path("apiserver.key"),
		"--client-ca-file=" + certs.path("ca.crt"),
		"--etcd-servers=" + etcdURL,
		"--etcd-cafile=" + certs.path("ca.crt"),
		"--etcd-certfile=" + certs.path("etcd-client.crt"),
		"--etcd-keyfile=" + certs.path("etcd-client.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + certs.path("service-account.key"),
		"--service-account-signing-key-file=" + certs.path("service-account.key"),
		"--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount",
		"--allow-privileged=true",
		"--profiling=false",
	}
}

// logTo sends the API server's warnings and errors to a file. klog is a package
// variable: this is the process's one log.
func logTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the API server's log: %w", err)
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL", "v": "0"} {
		if err := flags.Set(name, value); err != nil {
			return fmt.Errorf("set klog's flag %s: %w", name, err)
		}
	}
	// A line goes to the output of its severity and of all below it.
	klog.SetOutputBySeverity("INFO", io.Discard)
	klog.SetOutputBySeverity("WARNING", f)
	klog.SetOutputBySeverity("ERROR", io.Discard)
	klog.SetOutputBySeverity("FATAL", io.Discard)
	return nil
}
