package tsa

import (
	"bytes"
	"crypto"
	"crypto/sha1" // an ESSCertID names a certificate by its SHA-1 (RFC 2634); the signature is over something stronger
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/digitorus/pkcs7"
)

// essCertID names a certificate by its SHA-1 (RFC 2634 section 5.4.1).
type essCertID struct {
	Hash         []byte
	IssuerSerial issuerSerial `asn1:"optional"`
}

// essCertIDv2 names a certificate by a hash, SHA-256 unless said (RFC 5035 section 4).
type essCertIDv2 struct {
	Algorithm    pkix.AlgorithmIdentifier `asn1:"optional"`
	Hash         []byte
	IssuerSerial issuerSerial `asn1:"optional"`
}

type issuerSerial struct {
	Issuer []asn1.RawValue
	Serial *big.Int
}

// checkBinding checks that the signed attributes name the certificate that signed
// (RFC 3161 section 2.4.2, RFC 5816): otherwise another one with the same key could
// stand in its place.
func checkBinding(p7 *pkcs7.PKCS7, cert *x509.Certificate) error {
	named := false
	var v1 struct{ Certs []essCertID }
	if hasAttribute(p7, oidSigningCertificate) {
		if err := p7.UnmarshalSignedAttribute(oidSigningCertificate, &v1); err != nil || len(v1.Certs) == 0 {
			return fmt.Errorf("%w: its signing-certificate attribute cannot be read", ErrFormat)
		}
		sum := sha1.Sum(cert.Raw)
		if !bytes.Equal(v1.Certs[0].Hash, sum[:]) || !v1.Certs[0].IssuerSerial.matches(cert) {
			return fmt.Errorf("%w (ESSCertID)", ErrCertificate)
		}
		named = true
	}
	var v2 struct{ Certs []essCertIDv2 }
	if hasAttribute(p7, oidSigningCertificateV2) {
		if err := p7.UnmarshalSignedAttribute(oidSigningCertificateV2, &v2); err != nil || len(v2.Certs) == 0 {
			return fmt.Errorf("%w: its signing-certificate-v2 attribute cannot be read", ErrFormat)
		}
		sum, err := v2.Certs[0].sum(cert.Raw)
		if err != nil {
			return err
		}
		if !bytes.Equal(v2.Certs[0].Hash, sum) || !v2.Certs[0].IssuerSerial.matches(cert) {
			return fmt.Errorf("%w (ESSCertIDv2)", ErrCertificate)
		}
		named = true
	}
	if !named {
		return fmt.Errorf("%w: it does not name its certificate", ErrFormat)
	}
	return nil
}

func hasAttribute(p7 *pkcs7.PKCS7, oid asn1.ObjectIdentifier) bool {
	for _, a := range p7.Signers[0].AuthenticatedAttributes {
		if a.Type.Equal(oid) {
			return true
		}
	}
	return false
}

func (e essCertIDv2) sum(raw []byte) ([]byte, error) {
	algorithm := crypto.SHA256
	switch oid := e.Algorithm.Algorithm; {
	case len(oid) == 0, oid.Equal(pkcs7.OIDDigestAlgorithmSHA256):
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA384):
		algorithm = crypto.SHA384
	case oid.Equal(pkcs7.OIDDigestAlgorithmSHA512):
		algorithm = crypto.SHA512
	default:
		return nil, fmt.Errorf("%w: it names its certificate by a digest %s", ErrFormat, oid)
	}
	h := algorithm.New()
	h.Write(raw)
	return h.Sum(nil), nil
}

// matches reports whether it names the certificate, or none.
func (is issuerSerial) matches(cert *x509.Certificate) bool {
	if is.Serial == nil {
		return true
	}
	if is.Serial.Cmp(cert.SerialNumber) != 0 {
		return false
	}
	const directoryName = 4 // RFC 5280, GeneralName
	for _, name := range is.Issuer {
		if name.Class == asn1.ClassContextSpecific && name.Tag == directoryName && bytes.Equal(name.Bytes, cert.RawIssuer) {
			return true
		}
	}
	return false
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }
