// Package temporalconn connects to Temporal, the same way in each program: with or without TLS, as
// whoever a client certificate or an API key says.
//
// Certificates and keys are files, as a mounted Secret is, and are read again when they change:
// the next connection, and the next call, are made with what is there then. What goes wrong is
// told with what to do about it. See docs/reference/temporal.md.
package temporalconn

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"google.golang.org/grpc"
)

// apiKeyVariable is the environment's word for --temporal-api-key-file; the variables of Temporal's
// own programs know of no file.
const apiKeyVariable = "CRAWLFLEET_TEMPORAL_API_KEY_FILE"

// The values of --temporal-tls.
const (
	tlsAuto = "auto"
	tlsOn   = "on"
	tlsOff  = "off"
)

// Config says where Temporal is and how to connect. It is a set of flags, the same in each program.
type Config struct {
	// Address is host:port of the frontend, Namespace the namespace there.
	Address, Namespace string
	// TLS is on, off, or auto: on when something below is given.
	TLS string
	// CAFile holds the authorities that the server's certificate is taken from, in place of the
	// system's.
	CAFile string
	// CertFile and KeyFile are what the client says who it is with.
	CertFile, KeyFile string
	// ServerName is the name in the server's certificate, where it is not the host of Address.
	ServerName string
	// APIKeyFile holds a key that is sent with each call.
	APIKeyFile string

	environment envconfig.ClientConfigProfile
	wrong       error // what is wrong with the environment
}

// Add adds the flags. The environment gives their defaults, by the names that Temporal's own
// programs use (https://docs.temporal.io/develop/environment-configuration); where it says nothing,
// address and namespace are those given.
func (c *Config) Add(f *pflag.FlagSet, address, namespace string) {
	c.environment, c.wrong = envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{DisableFile: true})
	secrets, mode := c.data(), tlsAuto
	if said := os.Getenv("TEMPORAL_TLS"); said != "" {
		yes, err := strconv.ParseBool(said)
		if err != nil {
			c.wrong = errors.Join(c.wrong, fmt.Errorf("$TEMPORAL_TLS %q: want true or false", said))
		}
		mode = map[bool]string{true: tlsOn, false: tlsOff}[yes]
	}
	f.StringVar(&c.Address, "temporal-address", cmp.Or(c.environment.Address, address), "host:port of the Temporal frontend [$TEMPORAL_ADDRESS]")
	f.StringVar(&c.Namespace, "temporal-namespace", cmp.Or(c.environment.Namespace, namespace), "Temporal namespace, of this fleet alone [$TEMPORAL_NAMESPACE]")
	f.StringVar(&c.TLS, "temporal-tls", mode, "whether the connection to Temporal is encrypted: on, off, or auto: when one of the following is given [$TEMPORAL_TLS=true or false]")
	f.StringVar(&c.CAFile, "temporal-ca-file", secrets.ServerCACertPath,
		"PEM certificates of the authorities that Temporal's certificate is taken from, in place of the system's [$TEMPORAL_TLS_SERVER_CA_CERT_PATH]")
	f.StringVar(&c.CertFile, "temporal-cert-file", secrets.ClientCertPath, "PEM certificate that Temporal knows this program by [$TEMPORAL_TLS_CLIENT_CERT_PATH]")
	f.StringVar(&c.KeyFile, "temporal-key-file", secrets.ClientKeyPath, "its key [$TEMPORAL_TLS_CLIENT_KEY_PATH]")
	f.StringVar(&c.ServerName, "temporal-server-name", secrets.ServerName, "name in Temporal's certificate, where it is not the host of --temporal-address [$TEMPORAL_TLS_SERVER_NAME]")
	f.StringVar(&c.APIKeyFile, "temporal-api-key-file", os.Getenv(apiKeyVariable),
		"file with an API key that Temporal knows this program by; like the other files it is read again when it changes [$"+apiKeyVariable+", or the key itself in $TEMPORAL_API_KEY]")
}

// encrypted tells whether the connection is to be.
func (c *Config) encrypted() bool {
	if c.TLS != tlsAuto && c.TLS != "" {
		return c.TLS == tlsOn
	}
	return c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" || c.ServerName != "" || c.APIKeyFile != "" ||
		c.environment.APIKey != "" || len(c.data().ServerCACertData) > 0 || len(c.data().ClientCertData) > 0
}

// data is what the environment itself holds, in place of files.
func (c *Config) data() envconfig.ClientConfigTLS {
	if c.environment.TLS == nil {
		return envconfig.ClientConfigTLS{}
	}
	return *c.environment.TLS
}

// check finds what does not fit together.
func (c *Config) check() error {
	data := c.data()
	switch {
	case c.wrong != nil:
		return fmt.Errorf("the environment: %w", c.wrong)
	case c.TLS != "" && c.TLS != tlsAuto && c.TLS != tlsOn && c.TLS != tlsOff:
		return fmt.Errorf("--temporal-tls %q: use auto, on or off", c.TLS)
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("--temporal-cert-file and --temporal-key-file need each other")
	case (len(data.ClientCertData) == 0) != (len(data.ClientKeyData) == 0):
		return errors.New("$TEMPORAL_TLS_CLIENT_CERT_DATA and $TEMPORAL_TLS_CLIENT_KEY_DATA need each other")
	case c.CertFile != "" && len(data.ClientCertData) > 0:
		return errors.New("--temporal-cert-file and $TEMPORAL_TLS_CLIENT_CERT_DATA: give one of them")
	case c.CAFile != "" && len(data.ServerCACertData) > 0:
		return errors.New("--temporal-ca-file and $TEMPORAL_TLS_SERVER_CA_CERT_DATA: give one of them")
	case c.APIKeyFile != "" && c.environment.APIKey != "":
		return errors.New("--temporal-api-key-file and $TEMPORAL_API_KEY: give one of them")
	case data.DisableHostVerification:
		return errors.New("$TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: whom this program talks to is always verified: name the authority with --temporal-ca-file")
	}
	return nil
}

// Options are the options of a client. Files that are named have to be there and in order; when
// they are not later on, what they were before counts, and the log says so.
func (c *Config) Options(log *slog.Logger) (client.Options, error) {
	if err := c.check(); err != nil {
		return client.Options{}, err
	}
	plain := envconfig.ClientConfigProfile{Address: c.Address, Namespace: c.Namespace, GRPCMeta: c.environment.GRPCMeta}
	o, err := plain.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, err
	}
	o.ConnectionOptions.TLSDisabled = true
	var credentials *transport
	if c.encrypted() {
		credentials = &transport{config: c, log: log}
		if _, err := credentials.load(); err != nil {
			return client.Options{}, err
		}
		// It replaces what the SDK makes of its own settings.
		o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithTransportCredentials(credentials))
	}
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(c.advise(credentials)))
	switch {
	case c.APIKeyFile != "":
		key := &apiKey{path: c.APIKeyFile, log: log}
		if _, err := key.get(); err != nil {
			return client.Options{}, err
		}
		o.Credentials = client.NewAPIKeyDynamicCredentials(key.credential)
	case c.environment.APIKey != "":
		o.Credentials = client.NewAPIKeyStaticCredentials(c.environment.APIKey)
	}
	if o.Credentials != nil && !c.encrypted() {
		log.Warn("the API key goes to Temporal in the clear; leave --temporal-tls=off out")
	}
	return o, nil
}
