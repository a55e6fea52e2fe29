package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// defaultPortal is where the portal listens unless it is told otherwise.
const defaultPortal = "http://127.0.0.1:8080"

// maxTokenFile bounds what is read of --token-file, in bytes.
const maxTokenFile = 64 << 10

// portalFlags say where the portal is, and who asks.
type portalFlags struct {
	portal, tokenFile, caFile, purpose, caseName, kubeconfig, context string
}

func (f *portalFlags) add(cmd *cobra.Command) {
	fl := cmd.PersistentFlags()
	fl.StringVar(&f.portal, "portal", "", "`URL` of the portal [$CRAWLFLEET_PORTAL] (default \""+defaultPortal+"\")")
	fl.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the token that says who you are [$CRAWLFLEET_TOKEN has the token itself] (default: the credentials of the kubeconfig)")
	fl.StringVar(&f.caFile, "ca-file", "", "`FILE` with the certificates, in PEM, that the portal's is taken from (default: the system's)")
	fl.StringVar(&f.purpose, "purpose", "", "what you look for, where the portal asks; it is written into the custody log")
	fl.StringVar(&f.caseName, "case", "", "the `CASE` that you look for; it is written into the custody log")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` with your credentials (default: $KUBECONFIG, else ~/.kube/config)")
	fl.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context (default: its current one)")
}

// address is the portal's, and whether somebody named it.
func (f *portalFlags) address() (base *url.URL, named bool, err error) {
	from, text := "--portal", f.portal
	if text == "" {
		from, text = "$CRAWLFLEET_PORTAL", os.Getenv("CRAWLFLEET_PORTAL")
	}
	if named = text != ""; !named {
		text = defaultPortal
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, false, cli.Usage("%s: want the portal's URL, such as https://portal.example.org", from) // there may be a password in it
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, false, cli.Usage("%s %s: over plain http others on the way could read your token and what you look for: use https, or kubectl port-forward and http://127.0.0.1:PORT", from, u.Redacted())
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, named, nil
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// connect makes a client of the portal. It asks it nothing yet.
func (f *portalFlags) connect() (*portalClient, error) {
	base, named, err := f.address()
	if err != nil {
		return nil, err
	}
	config, hint, err := f.credentials(named)
	if err != nil {
		return nil, err
	}
	config.Host = base.String()
	config.CAFile = f.caFile
	config.UserAgent = "crawlctl/" + cli.ReadBuild().Version
	shared, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, cli.Input("reach the portal: %w", err)
	}
	client := *shared // which may be the one of everybody
	// The transport adds the token to every request, also to one that the portal leads elsewhere.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &portalClient{base: base, http: &client, purpose: f.purpose, caseName: f.caseName, anonymous: hint}, nil
}

// credentials are those that the portal is shown, and where there are none, what to do when it
// asks for some.
func (f *portalFlags) credentials(named bool) (config *rest.Config, hint string, err error) {
	token, err := f.token()
	switch {
	case err != nil:
		return nil, "", err
	case token != "" && !named:
		return nil, "", cli.Usage("your token is for one portal: name it with --portal or $CRAWLFLEET_PORTAL")
	case token != "":
		return &rest.Config{BearerToken: token}, "", nil
	case !named:
		return &rest.Config{}, "nobody was named to send your credentials to: name the portal with --portal or $CRAWLFLEET_PORTAL", nil
	}
	return f.fromKubeconfig()
}

// token is the one that was given for the portal, empty for none.
func (f *portalFlags) token() (string, error) {
	if f.tokenFile == "" {
		return strings.TrimSpace(os.Getenv("CRAWLFLEET_TOKEN")), nil
	}
	info, err := os.Stat(f.tokenFile)
	if err != nil {
		return "", cli.Input("--token-file: %w", err)
	}
	if info.Size() > maxTokenFile {
		return "", cli.Input("--token-file %s: it has %d bytes, which is no token", f.tokenFile, info.Size())
	}
	raw, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", cli.Input("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", cli.Input("--token-file %s: want one token and nothing else", f.tokenFile)
	}
	return token, nil
}

// fromKubeconfig takes the bearer credentials of a kubeconfig, and nothing else of it: neither
// the cluster's address, nor client certificates, nor passwords.
func (f *portalFlags) fromKubeconfig() (config *rest.Config, hint string, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	raw, err := rules.Load()
	if err != nil {
		return nil, "", cli.Input("read your credentials: %w; name another --kubeconfig, or a --token-file", err)
	}
	found, err := clientcmd.NewDefaultClientConfig(*raw, &clientcmd.ConfigOverrides{CurrentContext: f.context}).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err) && f.kubeconfig == "" && f.context == "":
		return &rest.Config{}, "there is no kubeconfig, and no token was given", nil
	case err != nil:
		return nil, "", cli.Input("read your credentials: %w; name another --kubeconfig or --context, or a --token-file", err)
	case found.Impersonate.UserName != "":
		return nil, "", cli.Input("the kubeconfig acts as %q, which a portal knows nothing of: give a --token-file", found.Impersonate.UserName)
	case found.BearerToken == "" && found.BearerTokenFile == "" && found.ExecProvider == nil:
		return &rest.Config{}, "the kubeconfig's user has no token, and a portal takes nothing else", nil
	}
	return &rest.Config{BearerToken: found.BearerToken, BearerTokenFile: found.BearerTokenFile, ExecProvider: found.ExecProvider}, "", nil
}

// unreachable says what to do when nobody answers.
func unreachable(base *url.URL, err error) error {
	what := fmt.Sprintf("ask the portal at %s: %s", base, briefly(err))
	var dns *net.DNSError
	switch {
	case strings.Contains(err.Error(), "x509:") || strings.Contains(err.Error(), "tls:"):
		return errors.New(what + "; name the certificates of its authority with --ca-file, and check that the address is right")
	case loopback(base.Hostname()):
		return errors.New(what + "; is it running? make run prints its address (Snapshots:), and of a portal in a cluster: kubectl port-forward -n NAMESPACE service/NAME 8080. Name it with --portal or $CRAWLFLEET_PORTAL")
	case errors.As(err, &dns):
		return errors.New(what + "; check the name in --portal or $CRAWLFLEET_PORTAL")
	}
	return errors.New(what + "; check the address in --portal or $CRAWLFLEET_PORTAL, and the way to it")
}

// briefly is an error without the request that net/http repeats: what somebody looks for does not
// belong into logs.
func briefly(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return err.Error()
}
