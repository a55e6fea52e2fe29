package temporalconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc/credentials"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// transport is TLS with what is in the files when a connection is made. It implements gRPC's
// credentials.TransportCredentials.
type transport struct {
	config *Config
	log    *slog.Logger

	mu   sync.Mutex
	seen filestate.Seen
	has  *tls.Config
	// advised is what was last to do about a connection that could not be made.
	advised string
}

// load gives the settings of now; those of before while the files are not in order.
func (t *transport) load() (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := filestate.Look(t.config.CAFile, t.config.CertFile, t.config.KeyFile)
	if t.has != nil && t.seen.Same(now) {
		return t.has, nil
	}
	settings, err := t.config.settings()
	switch {
	case err == nil:
		t.has, t.seen = settings, now
	case t.has == nil:
		return nil, err
	default:
		t.log.Warn("files for the connection to Temporal are not in order; what they were before is used", "error", err)
	}
	return t.has, nil
}

// settings reads the files.
func (c *Config) settings() (*tls.Config, error) {
	data := c.data()
	settings := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	authorities, err := either(c.CAFile, data.ServerCACertData)
	if err != nil {
		return nil, fmt.Errorf("--temporal-ca-file: %w", err)
	}
	if authorities != nil {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("--temporal-ca-file %s: there is no certificate in it, want PEM", c.CAFile)
		}
	}
	cert, err := either(c.CertFile, data.ClientCertData)
	if err != nil {
		return nil, fmt.Errorf("--temporal-cert-file: %w", err)
	}
	key, err := either(c.KeyFile, data.ClientKeyData)
	if err != nil {
		return nil, fmt.Errorf("--temporal-key-file: %w", err)
	}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("--temporal-cert-file %s and --temporal-key-file %s: %w", c.CertFile, c.KeyFile, err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// either is what a file holds, or what stands in its place; nil for neither.
func either(path string, data []byte) ([]byte, error) {
	if path == "" {
		return data, nil
	}
	return read(path)
}

// read reads a file that is not too large.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return raw, err
}

// ClientHandshake begins a connection.
func (t *transport) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	settings, err := t.load()
	if err != nil {
		return nil, nil, err
	}
	conn, info, err := credentials.NewTLS(settings).ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, t.explain(err, settings)
	}
	return &refusable{Conn: conn, explain: func(err error) error { return t.explain(err, settings) }}, info, nil
}

// explain adds to an error of TLS what to do about it, and remembers that: gRPC makes one word of all.
func (t *transport) explain(err error, settings *tls.Config) error {
	advice := t.config.tlsAdvice(err, settings)
	t.mu.Lock()
	t.advised = advice
	t.mu.Unlock()
	if advice == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", advice, err)
}

// lastAdvice is what was last to do about a connection that could not be made; nothing without TLS.
func (t *transport) lastAdvice() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.advised
}

// ServerHandshake is of servers, which this is not.
func (t *transport) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these are the credentials of a client")
}

// Info says what the connection is secured with.
func (t *transport) Info() credentials.ProtocolInfo {
	return credentials.NewTLS(&tls.Config{ServerName: t.config.ServerName}).Info()
}

// Clone returns the same credentials: nothing of them changes but by the files.
func (t *transport) Clone() credentials.TransportCredentials { return t }

// OverrideServerName is not to be had: the flag says the name.
func (t *transport) OverrideServerName(string) error {
	return errors.New("the name is said by --temporal-server-name")
}

// refusable is a connection whose server may refuse the client's certificate after the handshake,
// as TLS 1.3 has it.
type refusable struct {
	net.Conn
	explain func(error) error
}

func (r *refusable) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if err != nil && refusal(err) != "" {
		err = r.explain(err)
	}
	return n, err
}

// apiKey is a key in a file.
type apiKey struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	seen filestate.Seen
	has  string
}

// credential is get as the SDK wants it.
func (k *apiKey) credential(context.Context) (string, error) { return k.get() }

// get gives the key of now; that of before while the file is not in order.
func (k *apiKey) get() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := filestate.Look(k.path)
	if k.has != "" && k.seen.Same(now) {
		return k.has, nil
	}
	key, err := readKey(k.path)
	switch {
	case err == nil:
		k.has = key
	case k.has == "":
		return "", fmt.Errorf("--temporal-api-key-file: %w", err)
	default:
		k.log.Warn("the API key for Temporal is not in order; the one before is used", "error", err)
	}
	k.seen = now
	return k.has, nil
}

// readKey reads a key. Errors say nothing of what is in the file.
func readKey(path string) (string, error) {
	raw, err := read(path)
	if err != nil {
		return "", err
	}
	key := bytes.TrimSpace(raw)
	if len(key) == 0 {
		return "", fmt.Errorf("%s is empty: put the key into it", path)
	}
	if i := bytes.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return "", fmt.Errorf("%s holds more than a key: want one line of letters and digits", path)
	}
	return string(key), nil
}
