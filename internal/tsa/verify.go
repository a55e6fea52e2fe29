package tsa

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// The object identifiers of RFC 5652, RFC 3161, RFC 2634 and RFC 5035.
var (
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Verify judges a TimeStampToken (DER) over a SHA-256 sum. It needs no network
// and looks at no clock: certificates have to be valid at the time of the stamp.
// Revocation is not looked up.
func Verify(token []byte, sum [sha256.Size]byte, opts Options) (*Stamp, error) {
	p7, err := parse(token)
	if err != nil {
		return nil, err
	}
	loose, err := checkForm(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	own := slices.Clone(p7.Certificates)
	p7.Certificates = append(p7.Certificates, opts.Certificates...)
	signer := p7.GetOnlySigner()
	if signer == nil {
		return nil, fmt.Errorf("%w: the certificate of its signer is missing", ErrFormat)
	}
	if err := p7.Verify(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	info, err := timestamp.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := checkInfo(info, sum, opts); err != nil {
		return nil, err
	}
	if err := checkBinding(p7, signer); err != nil {
		return nil, err
	}
	if err := checkPurpose(signer); err != nil {
		return nil, err
	}
	stamp := &Stamp{
		Time: info.Time.UTC(), Accuracy: info.Accuracy, Policy: info.Policy.String(), Serial: info.SerialNumber,
		Authority: signer.Subject.String(), Vouched: opts.Roots != nil,
	}
	stamp.Chain, err = chain(signer, p7.Certificates, stamp, opts.Roots)
	if err != nil {
		return nil, err
	}
	if stamp.Vouched {
		loose = append(loose, looseCertificates(own, stamp.Chain, verifyOptions(p7.Certificates, stamp, opts.Roots, x509.ExtKeyUsageAny))...)
	}
	stamp.Loose = loose
	return stamp, nil
}

// parse reads a token as CMS signed data over a TSTInfo with one signer.
func parse(token []byte) (*pkcs7.PKCS7, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrFormat, len(token), MaxToken)
	}
	// The library reads BER, without a bound of depth. Tokens are DER.
	if err := checkDER(token, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := checkContent(token); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	p7, err := pkcs7.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(p7.Signers) != 1 {
		return nil, fmt.Errorf("%w: it has %d signers, not one", ErrFormat, len(p7.Signers))
	}
	if alg := p7.Signers[0].DigestAlgorithm.Algorithm; !slices.ContainsFunc(strongDigests, alg.Equal) {
		return nil, fmt.Errorf("%w: it is signed over a digest %s, not SHA-256, SHA-384 or SHA-512", ErrFormat, alg)
	}
	var contentType asn1.ObjectIdentifier
	if err := p7.UnmarshalSignedAttribute(oidContentType, &contentType); err != nil || !contentType.Equal(oidTSTInfo) {
		return nil, fmt.Errorf("%w: its signature is not over a time stamp", ErrFormat)
	}
	return p7, nil
}

var strongDigests = []asn1.ObjectIdentifier{pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDDigestAlgorithmSHA512}

// maxDepth is how deep a token may be nested. Certificates come to about 12.
const maxDepth = 32

// checkDER checks that b is one DER value, and what it is made of as well.
func checkDER(b []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deep")
	}
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	if err != nil {
		return err
	}
	if len(rest) > 0 && depth == 0 {
		return errors.New("something follows it")
	}
	if !v.IsCompound {
		return nil
	}
	for inner := v.Bytes; len(inner) > 0; {
		if err := checkDER(inner, depth+1); err != nil {
			return err
		}
		if inner, err = asn1.Unmarshal(inner, &v); err != nil {
			return err
		}
	}
	return nil
}

// checkContent checks that a ContentInfo holds SignedData over a TSTInfo (RFC 5652
// sections 3 and 5.1), which the library does not tell.
func checkContent(token []byte) error {
	var info struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version int
			Digests asn1.RawValue
			Encap   struct {
				Type asn1.ObjectIdentifier
			}
		} `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(token, &info); err != nil {
		return err
	}
	if !info.Type.Equal(pkcs7.OIDSignedData) || !info.Content.Encap.Type.Equal(oidTSTInfo) {
		return fmt.Errorf("it is %s over %s", info.Type, info.Content.Encap.Type)
	}
	return nil
}

// checkInfo compares what was stamped with what should have been.
func checkInfo(info *timestamp.Timestamp, sum [sha256.Size]byte, opts Options) error {
	if info.HashAlgorithm != crypto.SHA256 {
		return fmt.Errorf("%w: a sum of %s, not SHA-256", ErrImprint, info.HashAlgorithm)
	}
	if subtle.ConstantTimeCompare(info.HashedMessage, sum[:]) != 1 {
		return fmt.Errorf("%w: %x, not %x", ErrImprint, info.HashedMessage, sum)
	}
	if opts.Nonce != nil && (info.Nonce == nil || info.Nonce.Cmp(opts.Nonce) != 0) {
		return ErrNonce
	}
	if info.SerialNumber == nil || info.Time.IsZero() {
		return fmt.Errorf("%w: it has no time or no number", ErrFormat)
	}
	return nil
}

// checkPurpose checks that the certificate is for time stamps alone and says so as a
// condition (RFC 3161 section 2.3).
func checkPurpose(cert *x509.Certificate) error {
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(cert.UnknownExtKeyUsage) > 0 {
		return fmt.Errorf("%w: its extended key usage is not id-kp-timeStamping alone", ErrPurpose)
	}
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidExtKeyUsage) && !e.Critical {
			return fmt.Errorf("%w: its extended key usage is not critical", ErrPurpose)
		}
	}
	return nil
}

// chain leads from the signer to a root, all valid at the time of the stamp.
func chain(signer *x509.Certificate, certs []*x509.Certificate, stamp *Stamp, roots *x509.CertPool) ([]*x509.Certificate, error) {
	if stamp.Time.Before(signer.NotBefore) || stamp.Time.After(signer.NotAfter) {
		return nil, fmt.Errorf("%w: that of %s is for %s to %s, the stamp of %s", ErrExpired, signer.Subject, day(signer.NotBefore), day(signer.NotAfter), day(stamp.Time))
	}
	if roots == nil {
		return SortChain(signer, certs), nil
	}
	chains, err := signer.Verify(verifyOptions(certs, stamp, roots, x509.ExtKeyUsageTimeStamping))
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return chains[0], nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return nil, fmt.Errorf("%w: %w", ErrExpired, err)
	default:
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
}

// verifyOptions are those by which certificates of a token are judged.
func verifyOptions(certs []*x509.Certificate, stamp *Stamp, roots *x509.CertPool, usage x509.ExtKeyUsage) x509.VerifyOptions {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return x509.VerifyOptions{Roots: roots, Intermediates: pool, CurrentTime: stamp.Time, KeyUsages: []x509.ExtKeyUsage{usage}}
}

// SortChain orders certificates from the leaf towards its root, as far as they lead,
// each signed by the next. Those that do not belong to the chain are left out.
func SortChain(leaf *x509.Certificate, certs []*x509.Certificate) []*x509.Certificate {
	out := []*x509.Certificate{leaf}
	for last := leaf; ; {
		i := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
			return !slices.ContainsFunc(out, c.Equal) && last.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			return out
		}
		last = certs[i]
		out = append(out, last)
	}
}

// TokenOf takes the TimeStampToken out of a granted TimeStampResp (DER), and a
// TimeStampToken as it is.
func TokenOf(der []byte) ([]byte, error) {
	if len(der) > MaxToken {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrFormat, len(der), MaxToken)
	}
	if err := checkDER(der, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if checkContent(der) == nil {
		return der, nil
	}
	var response struct {
		Status struct{ Status int }
		Token  asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &response); err != nil || response.Status.Status != int(timestamp.Granted) || len(response.Token.FullBytes) == 0 {
		return nil, fmt.Errorf("%w, nor an answer that grants one", ErrFormat)
	}
	return response.Token.FullBytes, nil
}
