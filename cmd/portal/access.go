package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// custodyPrefix is where the custody log lies in the archive bucket, as the workers have it.
const custodyPrefix blob.Key = "custody"

// accessOptions are the flags about who may see what.
type accessOptions struct {
	issuer, clientID, secretFile, caFile string
	claims                               access.Claims
	external, sessionKeys, kubeconfig    string
	session, idle                        time.Duration
	ask                                  string
	purposes                             []string
	askCase                              bool
	fleetNamespace                       string
	custodyKey, custodyVerifiers         string
}

func (o *accessOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.issuer, "oidc-issuer", os.Getenv("CRAWLFLEET_OIDC_ISSUER"),
		"OpenID Connect provider that people log in at, as the API server's --oidc-issuer-url; without it the portal has one local person and listens on loopback only [$CRAWLFLEET_OIDC_ISSUER]")
	f.StringVar(&o.clientID, "oidc-client-id", os.Getenv("CRAWLFLEET_OIDC_CLIENT_ID"), "the portal's name at the provider, and the audience of the ID tokens that programs send [$CRAWLFLEET_OIDC_CLIENT_ID]")
	f.StringVar(&o.secretFile, "oidc-client-secret-file", os.Getenv("CRAWLFLEET_OIDC_CLIENT_SECRET_FILE"), "file with the portal's secret at the provider; none for a public client [$CRAWLFLEET_OIDC_CLIENT_SECRET_FILE]")
	f.StringVar(&o.caFile, "oidc-ca-file", os.Getenv("CRAWLFLEET_OIDC_CA_FILE"), "PEM certificates that the provider's must come from (default: those of the system) [$CRAWLFLEET_OIDC_CA_FILE]")
	f.StringVar(&o.claims.Username, "oidc-username-claim", "sub", "claim with the user name, as the API server's flag")
	f.StringVar(&o.claims.UsernamePrefix, "oidc-username-prefix", "", `what is put before the user name, as the API server's flag: by default the issuer and # unless the claim is email; "-" for nothing`)
	f.StringVar(&o.claims.Groups, "oidc-groups-claim", "", "claim with the groups, as the API server's flag; without it nobody has any")
	f.StringVar(&o.claims.GroupsPrefix, "oidc-groups-prefix", "", "what is put before each group, as the API server's flag")
	f.StringVar(&o.external, "external-url", os.Getenv("CRAWLFLEET_PORTAL_URL"), "the portal's address as browsers know it, such as https://portal.example; needed with --oidc-issuer [$CRAWLFLEET_PORTAL_URL]")
	f.StringVar(&o.sessionKeys, "session-key-file", os.Getenv("CRAWLFLEET_SESSION_KEYS"),
		"`FILE` with secrets, one a line of 32 characters or more as openssl rand -base64 48 makes them, that sessions are sealed with: the first seals, all open; read again when it changes, and others must not be able to read it; all replicas need the same; without it sessions end with the process [$CRAWLFLEET_SESSION_KEYS]")
	f.DurationVar(&o.session, "session", access.DefaultSession, "how long a session lasts")
	f.DurationVar(&o.idle, "session-idle", access.DefaultIdle, "how long a session lasts that is not used")
	f.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "cluster that is asked who may do what; not needed inside of it [$KUBECONFIG]")
	f.StringVar(&o.ask, "ask-purpose", string(access.AskNever), "from when on a person says what they look for: never, export, copy or look; beside a CrawlFleet whichever asks for more counts")
	f.StringSliceVar(&o.purposes, "purposes", nil, "the purposes to choose from, with commas between (default: free words); those of a CrawlFleet are in its policy")
	f.BoolVar(&o.askCase, "ask-case", false, "ask for a case together with the purpose")
	f.StringVar(&o.fleetNamespace, "fleet-namespace", env("CRAWLFLEET_NAMESPACE", "crawlfleet-system"),
		"namespace of the CrawlFleet of --kubeconfig's cluster, whose policy says what people are asked before they look, as the operator's; empty reads none [$CRAWLFLEET_NAMESPACE]")
	f.StringVar(&o.custodyKey, "custody-key", os.Getenv("CRAWLFLEET_CUSTODY_KEY"),
		"private key of the custody log, as the workers', read again when it changes; without it nobody is told who looked at what [$CRAWLFLEET_CUSTODY_KEY]")
	f.StringVar(&o.custodyVerifiers, "custody-verifiers", os.Getenv("CRAWLFLEET_CUSTODY_VERIFIERS"),
		"file with the public keys, one a line, that the custody log was signed with before, or will be, as the workers' [$CRAWLFLEET_CUSTODY_VERIFIERS]")
}

// gate makes what knows who asks; config is of the cluster that says what they may, nil for none. It says what it does without.
func (o *accessOptions) gate(archive *blob.Bucket, config *rest.Config, log *slog.Logger) (*access.Gate, error) {
	g := &access.Gate{Sessions: &access.Sessions{Keys: access.RandomKeys(), Absolute: o.session, Idle: o.idle}, Logger: log}
	var err error
	if g.Policy, err = o.policies(config, log); err != nil {
		return nil, err
	}
	if g.Custody, err = o.custody(archive, log); err != nil {
		return nil, err
	}
	if g.Custody.Log == nil {
		log.Warn("nobody is told who looks at what; see --custody-key")
	}
	if o.sessionKeys != "" {
		if g.Sessions.Keys, err = access.OpenKeys(o.sessionKeys); err != nil {
			return nil, fmt.Errorf("--session-key-file: %w", err)
		}
	}
	g.Rights = &access.Rights{}
	if config != nil {
		asks, err := clusterOf(config)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		g.Tokens, g.Rights.Reviewer = asks, asks
	}
	if o.issuer == "" {
		g.Local = true
		log.Info("nobody logs in here: whoever is at this machine is one local person and sees everything; see --oidc-issuer")
		return g, nil
	}
	if config == nil {
		return nil, errors.New("--oidc-issuer needs a cluster that says who may do what: name one with --kubeconfig")
	}
	if o.sessionKeys == "" {
		log.Warn("sessions end with this process, and no other replica knows them; see --session-key-file")
	}
	g.Provider, err = o.provider()
	if err == nil {
		g.Sessions.Secure = g.Provider.External.Scheme == "https"
	}
	return g, err
}

func (o *accessOptions) provider() (*access.Provider, error) {
	external, err := url.Parse(o.external)
	if err != nil || o.external == "" {
		return nil, fmt.Errorf("--external-url %q: --oidc-issuer needs it, such as https://portal.example", o.external)
	}
	p := &access.Provider{Issuer: o.issuer, ClientID: o.clientID, SecretFile: o.secretFile, Claims: o.claims, External: external}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("--oidc-ca-file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--oidc-ca-file: %q holds no certificate", o.caFile)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig.RootCAs = roots
		p.Transport = transport
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("--oidc-issuer, --oidc-client-id, --oidc-client-secret-file, --external-url: %w", err)
	}
	return p, nil
}

func (o *accessOptions) policy() (access.Policy, error) {
	p := access.Policy{AskPurpose: access.Ask(o.ask), Purposes: o.purposes, AskCase: o.askCase}
	if !slices.Contains(access.Asks(), p.AskPurpose) {
		return p, fmt.Errorf("--ask-purpose %q: use never, export, copy or look", o.ask)
	}
	if p.AskPurpose == access.AskNever && (len(o.purposes) > 0 || o.askCase) {
		return p, errors.New("--purposes and --ask-case need --ask-purpose: nobody is asked")
	}
	for _, purpose := range o.purposes {
		if err := (access.Policy{}).Check(purpose, ""); err != nil || strings.TrimSpace(purpose) != purpose {
			return p, fmt.Errorf("--purposes %q: not one that a person could choose: %w", purpose, err)
		}
	}
	return p, nil
}

// custody tells nobody without a key.
func (o *accessOptions) custody(archive *blob.Bucket, log *slog.Logger) (*access.Custody, error) {
	if o.custodyKey == "" {
		if o.custodyVerifiers != "" {
			return nil, errors.New("--custody-verifiers needs --custody-key")
		}
		return &access.Custody{}, nil
	}
	var retired []string
	if o.custodyVerifiers != "" {
		retired = []string{o.custodyVerifiers}
	}
	keys, err := custody.OpenKeyFile(o.custodyKey, retired...)
	if err != nil {
		return nil, fmt.Errorf("--custody-key: %w", err)
	}
	kept, err := custody.New(custody.Config{
		Store: archive, Prefix: custodyPrefix, Origin: keys.Name(), Verifiers: keys, Signer: keys,
		Warn: func(err error) {
			log.Warn("the custody log is not as far as it could be; it is made up for", "error", err)
		},
	})
	if err != nil {
		return nil, err
	}
	return &access.Custody{Log: kept, Chunks: archive}, nil
}

// checkListen refuses an address that others could reach where nobody logs in.
func checkListen(flag, address string, loggedIn bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s %q: must be host:port, such as 127.0.0.1:8080 (%w)", flag, address, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || loggedIn || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s %q: nobody logs in at this portal, so it listens on loopback only: use 127.0.0.1 and a tunnel to reach it from elsewhere, or name a provider with --oidc-issuer", flag, address)
}
