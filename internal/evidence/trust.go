package evidence

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// maxTrust is the size in bytes that a file of keys or roots may have.
const maxTrust = 4 << 20

// ReadTrustedKeys reads a fingerprint, or a file with one a line, each with the times from and until
// when the key is trusted, if bounded (RFC 3339, - for none). What follows a # is a comment.
func ReadTrustedKeys(value string) (keys []TrustedKey, err error) {
	if strings.HasPrefix(value, "sha256:") {
		return []TrustedKey{{Fingerprint: value}}, CheckFingerprint(value)
	}
	raw, err := readSmall(value, maxTrust)
	if err != nil {
		return nil, fmt.Errorf("%q: is neither a fingerprint nor a file: %w", value, err)
	}
	for n, line := range strings.Split(string(raw), "\n") {
		line, _, _ = strings.Cut(line, "#") // a comment
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		key, err := trustedKey(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", value, n+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: has no fingerprint", value)
	}
	return keys, nil
}

// trustedKey reads the fields of a line: the fingerprint, from when and until when.
func trustedKey(fields []string) (k TrustedKey, err error) {
	k.Fingerprint = fields[0]
	if err := CheckFingerprint(k.Fingerprint); err != nil {
		return k, err
	}
	if len(fields) > 3 {
		return k, errors.New("has more than a fingerprint and two times")
	}
	for i, t := range fields[1:] {
		if t == "-" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t)
		if err != nil {
			return k, err
		}
		if i == 0 {
			k.NotBefore = at
		} else {
			k.NotAfter = at
		}
	}
	return k, nil
}

// ReadRoots reads a PEM file of certificates to be trusted, nil when no file is named. Anything else
// in it is an error: whom to trust must not be a matter of what was passed over.
func ReadRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	raw, err := readSmall(name, maxTrust)
	if err != nil {
		return nil, err
	}
	p, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: has a %s, which is no certificate", name, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", name, n+1, err)
		}
		p.AddCert(c)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: has no certificate in PEM", name)
	}
	return p, nil
}

// ParseAuthority names the authority that takes requests at an address (RFC 3161 section 3.4) by its
// host.
func ParseAuthority(address string) (Authority, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Authority{}, errors.New("want an http or https address")
	}
	return Authority{Name: u.Host, URL: address}, nil
}

// ParseAuthorities names the authorities at addresses, in their order.
func ParseAuthorities(addresses []string) (list []Authority, err error) {
	for _, address := range addresses {
		a, err := ParseAuthority(address)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", address, err)
		}
		list = append(list, a)
	}
	return list, nil
}
