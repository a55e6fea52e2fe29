package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

// certificate is one in files, read again when they change, so that a renewed one counts without a
// restart.
type certificate struct {
	certFile, keyFile string

	mu   sync.Mutex
	seen filestate.Seen
	has  *tls.Certificate
}

// checkTLS finds what is wrong with how the certificate is named.
func (o *options) checkTLS() error {
	if (o.certFile == "") != (o.keyFile == "") {
		return errors.New("--tls-cert-file and --tls-key-file need each other")
	}
	return nil
}

// tlsConfig serves the certificate; nil without one.
func (o *options) tlsConfig() (*tls.Config, error) {
	if o.certFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: o.certFile, keyFile: o.keyFile}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// get gives the certificate of now; that of before while the files are not in order.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := filestate.Look(c.certFile, c.keyFile)
	if c.has != nil && c.seen.Same(now) {
		return c.has, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.has, c.seen = &pair, now
	case c.has == nil:
		return nil, fmt.Errorf("--tls-cert-file and --tls-key-file: %w", err)
	}
	return c.has, nil
}
