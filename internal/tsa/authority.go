package tsa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/digitorus/timestamp"
)

// TestPolicy is the policy of stamps from an Authority that was given none. It lies in
// the arc 2.999, which is for examples (ITU-T X.660).
var TestPolicy = asn1.ObjectIdentifier{2, 999, 3161}

// maxQuery is the size in bytes of the largest request that is read.
const maxQuery = 16 << 10

// Authority is a time-stamp authority over HTTP (RFC 3161 section 3.4), for tests and
// trials: its time is that of the machine, and its key is in memory. It answers every
// request with the status 200 and a TimeStampResp, granted or rejected, except for what
// is not a request at all.
type Authority struct {
	// Chain begins with the certificate for Key.
	Chain []*x509.Certificate
	Key   crypto.Signer
	// Policy of its stamps, default TestPolicy. A request for another is rejected.
	Policy asn1.ObjectIdentifier
	// Now is the clock of the stamps, default time.Now. (The signing time beside, which
	// means nothing in a stamp, is always the machine's.)
	Now func() time.Time
}

// ServeHTTP implements http.Handler.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "this is a time-stamp authority: POST a request (RFC 3161)", http.StatusMethodNotAllowed)
		return
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != queryType {
		http.Error(w, "want "+queryType, http.StatusUnsupportedMediaType)
		return
	}
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil {
		http.Error(w, "the request is too large or broke off", http.StatusBadRequest)
		return
	}
	reply, err := a.Answer(query)
	if err != nil {
		http.Error(w, "the stamp could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", replyType)
	w.Write(reply) //nolint:errcheck // whoever asked has gone
}

// Answer makes the TimeStampResp (DER) to a TimeStampReq (DER): a stamp, or a
// rejection that says why.
func (a *Authority) Answer(query []byte) ([]byte, error) {
	policy := a.Policy
	if policy == nil {
		policy = TestPolicy
	}
	req, failure := readQuery(query, policy)
	if req == nil {
		return timestamp.CreateErrorResponse(timestamp.Rejection, failure)
	}
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	stamp := timestamp.Timestamp{
		HashAlgorithm: req.HashAlgorithm, HashedMessage: req.HashedMessage, Nonce: req.Nonce, Policy: policy,
		Time: now().UTC().Truncate(time.Second), Accuracy: time.Second,
		AddTSACertificate: req.Certificates, Certificates: a.Chain[1:],
	}
	return stamp.CreateResponseWithOpts(a.Chain[0], a.Key, crypto.SHA256)
}

// readQuery reads a request. Of one that is rejected, which is nil, it tells the failure.
func readQuery(query []byte, policy asn1.ObjectIdentifier) (*timestamp.Request, timestamp.FailureInfo) {
	var head struct {
		Version int
		Imprint struct{ Algorithm pkix.AlgorithmIdentifier }
	}
	if _, err := asn1.Unmarshal(query, &head); err != nil || head.Version != 1 {
		return nil, timestamp.BadDataFormat
	}
	if !slices.ContainsFunc(strongDigests, head.Imprint.Algorithm.Algorithm.Equal) {
		return nil, timestamp.BadAlgorithm
	}
	req, err := timestamp.ParseRequest(query)
	switch {
	case err != nil, len(req.HashedMessage) != req.HashAlgorithm.Size():
		return nil, timestamp.BadDataFormat
	case len(req.TSAPolicyOID) > 0 && !req.TSAPolicyOID.Equal(policy):
		return nil, timestamp.UnacceptedPolicy
	case len(req.Extensions) > 0:
		return nil, timestamp.UnacceptedExtension
	}
	return req, 0
}

// NewAuthority makes an Authority with a root certificate of its own, which is the last
// of its Chain. Both are valid for a year from now.
func NewAuthority(name string, now func() time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	begin := now().UTC().Truncate(time.Second)
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: name + " root"}, NotBefore: begin, NotAfter: begin.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootCert, err := Issue(root, rootKey.Public(), root, rootKey)
	if err != nil {
		return nil, err
	}
	cert, err := Issue(Template(name, begin, begin.AddDate(1, 0, 0)), key.Public(), rootCert, rootKey)
	if err != nil {
		return nil, err
	}
	return &Authority{Chain: []*x509.Certificate{cert, rootCert}, Key: key, Now: now}, nil
}

// Template is the certificate of an authority: for time stamps alone, and critically so
// (RFC 3161 section 2.3).
func Template(name string, from, to time.Time) *x509.Certificate {
	purpose, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		panic(err) // of a constant
	}
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature,
		// (x509 would write it without the mark.)
		ExtraExtensions: []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: purpose}},
	}
}

// Issue makes a certificate with a random serial number.
func Issue(template *x509.Certificate, key crypto.PublicKey, issuer *x509.Certificate, issuerKey crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t := *template
	t.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, &t, issuer, key, issuerKey)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %s: %w", t.Subject, err)
	}
	return x509.ParseCertificate(der)
}
