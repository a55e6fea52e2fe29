package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Readiness is polled quickly, since tests wait for it.
const (
	readyPoll    = 50 * time.Millisecond
	readyTimeout = stack.ReadyTimeout
	probeTimeout = 5 * time.Second
)

// Probe asks the API server at url, as the administrator of the stack in dir,
// whether it is ready.
func Probe(ctx context.Context, dir, url string) error {
	client, err := adminClient(filepath.Join(dir, "pki"))
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return get(ctx, client, url+"/readyz")
}

// waitReady returns when the API server serves and what it makes by itself at its
// first start is there.
func (s *Server) waitReady(ctx context.Context, opts Options, certs *pki) error {
	client, err := adminClient(certs.dir)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// /readyz covers the bootstrap roles, but not the first namespaces.
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		for {
			err := get(ctx, client, opts.URL()+path)
			if err == nil {
				break
			}
			select {
			case <-s.done:
				return s.err
			case <-ctx.Done():
				return fmt.Errorf("%w; the last answer was: %w", context.Cause(ctx), err)
			case <-time.After(readyPoll):
			}
		}
	}
	return nil
}

func adminClient(pkiDir string) (*http.Client, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pkiDir, "admin.crt"), filepath.Join(pkiDir, "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("load the administrator's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(pkiDir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("load the authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("load the authority: no certificate in ca.crt")
	}
	return &http.Client{
		Timeout:   probeTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}},
	}, nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// writeKubeconfig writes the administrator's kubeconfig. Keys and certificates are
// inside, so that the file can be copied; the authority and the key never change,
// so that a copy stays valid over restarts as long as the port is the same.
func writeKubeconfig(opts Options, certs *pki) error {
	var data [3][]byte
	for i, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		var err error
		if data[i], err = os.ReadFile(certs.path(name)); err != nil {
			return fmt.Errorf("write the kubeconfig: %w", err)
		}
	}
	const name = "crawlfleet-devstack"
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[name] = &clientcmdapi.Cluster{Server: opts.URL(), CertificateAuthorityData: data[0]}
	cfg.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: data[1], ClientKeyData: data[2]}
	cfg.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "default"}
	cfg.CurrentContext = name
	out, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("encode the kubeconfig: %w", err)
	}
	return stack.WriteFile(opts.Kubeconfig(), out)
}
