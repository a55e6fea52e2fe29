package evidence

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxSkew is how far the stated time may be from the stamp (wacz-auth 0.1.0,
// "Domain-Name Identity + Timestamp Validation", 7).
const maxSkew = 10 * time.Minute

// Stamper gives a time stamp over a SHA-256 sum. *tsa.Client implements it.
type Stamper interface {
	Stamp(ctx context.Context, sum [sha256.Size]byte) (*tsa.Answer, error)
}

// Signer signs WACZ files. It may be used at the same time.
type Signer struct {
	Keys Keys
	// Software is what signs, such as "crawlfleet v0.1.0".
	Software string
	// Authority gives the time stamp that belongs to a domain's signature. An
	// anonymous one does without.
	Authority Stamper
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// Sign makes the signedData for the SHA-256 of a datapackage.json: in the shape of a
// domain when the key has a certificate, else in the anonymous one. Whatever is missing
// is an error: then the file must not be written, and can be signed later.
//
// An anonymous signature is raw (IEEE P1363), as replay tools verify it, that of a
// domain ASN.1, as authsign and py-wacz do.
func (s *Signer) Sign(ctx context.Context, hash warc.Digest) (*SignedData, error) {
	data, err := s.sign(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return data, nil
}

func (s *Signer) sign(ctx context.Context, hash warc.Digest) (*SignedData, error) {
	if err := CheckFingerprint(string(hash)); err != nil {
		return nil, fmt.Errorf("hash %q: %w", hash, err)
	}
	key, err := s.Keys.Key()
	if err != nil {
		return nil, err
	}
	public, err := key.Public()
	if err != nil {
		return nil, err
	}
	sig, err := key.sign([]byte(hash))
	if err != nil {
		return nil, err
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	created := now().UTC().Truncate(time.Second)
	data := &SignedData{Hash: hash, Created: created.Format(time.RFC3339), Software: s.Software, Version: specVersion}
	if len(key.Chain) > 0 {
		data.Signature = encode64(sig)
		return data, s.identify(ctx, data, key, created)
	}
	raw, err := toRaw(public, sig)
	if err != nil {
		return nil, err
	}
	data.Signature = encode64(raw)
	data.PublicKey, err = formatPublic(public)
	return data, err
}

// ErrNoStamp is part of the error when a domain's signature got no time stamp that serves.
var ErrNoStamp = errors.New("no time stamp for the signature")

// identify adds the domain and the stamp.
func (s *Signer) identify(ctx context.Context, data *SignedData, key *Key, created time.Time) error {
	cert := key.Chain[0]
	if data.Domain = domainOf(cert); data.Domain == "" {
		return errors.New("the certificate is for no domain")
	}
	if s.Authority == nil {
		return errors.New("a domain's signature needs a time stamp, and no authority is configured")
	}
	answer, err := s.Authority.Stamp(ctx, stampedSum(data.Signature))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoStamp, err)
	}
	at := answer.Stamp.Time
	if skew := at.Sub(created).Abs(); skew > maxSkew {
		return fmt.Errorf("%w: it is %s off this machine's clock, at most %s are allowed: set the clock", ErrNoStamp, skew, maxSkew)
	}
	if at.Before(cert.NotBefore) || at.After(cert.NotAfter) {
		return fmt.Errorf("the certificate of %s is valid from %s to %s", data.Domain, cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	}
	data.DomainCert = formatChain(key.Chain)
	data.TimeSignature = encode64(answer.Response)
	data.TimestampCert = formatChain(answer.Stamp.Chain)
	return nil
}

// stampedSum is what time stamps are over: the SHA-256 of the signature as it is written
// (wacz-auth 0.1.0: "signature of 'signature'").
func stampedSum(signature string) [sha256.Size]byte { return sha256.Sum256([]byte(signature)) }

// domainOf is the domain of a certificate: its common name, else its first DNS name, as
// authsign reads it.
func domainOf(cert *x509.Certificate) string {
	if cert.Subject.CommonName != "" {
		return cert.Subject.CommonName
	}
	if len(cert.DNSNames) > 0 {
		return cert.DNSNames[0]
	}
	return ""
}

// isFor reports whether a certificate is for a domain.
func isFor(cert *x509.Certificate, domain string) bool {
	if strings.EqualFold(cert.Subject.CommonName, domain) {
		return true
	}
	for _, name := range cert.DNSNames {
		if strings.EqualFold(name, domain) {
			return true
		}
	}
	return false
}
