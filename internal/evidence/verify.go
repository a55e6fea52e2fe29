package evidence

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Material is what a verdict is about.
type Material struct {
	// Package is the SHA-256 of datapackage.json, computed from the file.
	Package warc.Digest
	// SignedData is that of datapackage-digest.json.
	SignedData []byte
	// Sidecar stands next to the file, nil when there is none. File is then the SHA-256
	// of the whole WACZ, empty when it was not computed.
	Sidecar *Sidecar
	File    warc.Digest
}

// Verify judges a signature (wacz-auth 0.1.0, "Verification", from step 2 on) and the
// sidecar. It needs no network and no clock. That the files are what datapackage.json
// says is not its business.
func Verify(m Material, trust Trust) Verdict {
	var v Verdict
	data, err := ParseSignedData(m.SignedData)
	if !v.judge(CheckFormat, err, "it is in one of the two shapes of wacz-auth %s", specVersion) {
		return v
	}
	j := &judge{Verdict: &v, data: data, trust: trust}
	j.hash(m.Package)
	if !j.signature() {
		return v
	}
	if !data.anonymous() {
		j.timeSignature()
	}
	if m.Sidecar != nil {
		v.stamps(m.Sidecar, data.Signature, trust)
	}
	vouched := false
	if !data.anonymous() {
		vouched = j.domain()
	}
	j.signer(vouched)
	if m.Sidecar != nil {
		j.sidecar(m)
	}
	return v
}

// judge is a verdict in the making.
type judge struct {
	*Verdict
	data  *SignedData
	trust Trust
	key   *ecdsa.PublicKey
	chain []*x509.Certificate // of the domain
	stamp *tsa.Stamp          // that belongs to the domain, nil when it is not whole
}

func (j *judge) hash(pkg warc.Digest) {
	var err error
	if j.data.Hash != pkg {
		err = fmt.Errorf("it signs %q, datapackage.json has %q", j.data.Hash, pkg)
	}
	j.judge(CheckHash, err, "it signs %s, which datapackage.json has", pkg)
}

// signature finds the key and checks the signature with it.
func (j *judge) signature() bool {
	err := j.readKey()
	if err == nil {
		err = verifyEither(j.key, string(j.data.Hash), j.data.Signature)
	}
	if err == nil {
		j.Signer.Key, err = Fingerprint(j.key)
	}
	if !j.judge(CheckSignature, err, "it is of the key %s", j.Signer.Key) {
		return false
	}
	j.Signer.Created, err = j.data.created()
	j.Signer.Software = j.data.Software
	return err == nil
}

func (j *judge) readKey() (err error) {
	if j.data.anonymous() {
		j.key, err = parsePublic(j.data.PublicKey)
		return err
	}
	if j.chain, err = parseChain(j.data.DomainCert); err != nil {
		return fmt.Errorf("domainCert: %w", err)
	}
	key, ok := j.chain[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("domainCert: its key is not of ECDSA")
	}
	j.key = key
	return checkCurve(key)
}

// timeSignature checks the stamp that belongs to a domain, and that the stated time
// agrees with it.
func (j *judge) timeSignature() {
	stamp, err := j.readStamp()
	if err != nil {
		j.add(CheckTimeSignature, Failed, "%s", err)
		j.add(CheckCreated, NotChecked, "the signer states %s, and there is no stamp to compare it with", j.data.Created)
		return
	}
	j.stamp = stamp
	j.stamped(CheckTimeSignature, stamp)
	skew := stamp.Time.Sub(j.Signer.Created).Abs()
	if skew > maxSkew {
		err = fmt.Errorf("the signer states %s, which is %s off the stamp; at most %s are allowed", j.data.Created, skew, maxSkew)
	}
	j.judge(CheckCreated, err, "the signer states %s, which is %s off the stamp", j.data.Created, skew)
}

func (j *judge) readStamp() (*tsa.Stamp, error) {
	response, err := decode64(j.data.TimeSignature)
	if err != nil {
		return nil, fmt.Errorf("timeSignature is no canonical base64: %w", err)
	}
	token, err := tsa.TokenOf(response)
	if err != nil {
		return nil, fmt.Errorf("timeSignature: %w", err)
	}
	certs, err := parseChain(j.data.TimestampCert)
	if err != nil {
		return nil, fmt.Errorf("timestampCert: %w", err)
	}
	stamp, err := tsa.Verify(token, stampedSum(j.data.Signature), tsa.Options{Roots: j.trust.Authorities, Certificates: certs})
	if err != nil {
		return nil, fmt.Errorf("timeSignature: %w", err)
	}
	if !stamp.Chain[0].Equal(certs[0]) {
		return nil, errors.New("timestampCert does not begin with the certificate that signed timeSignature")
	}
	return stamp, nil
}

// stamped notes a stamp that is whole and over the signature.
func (v *Verdict) stamped(check string, s *tsa.Stamp) {
	v.Signer.Stamps = append(v.Signer.Stamps, s)
	at := s.Time.Format(time.RFC3339)
	if !s.Vouched {
		v.add(check, NotChecked, "%s stamped the signature at %s; no trusted roots were given, so nobody vouches for that authority", s.Authority, at)
		return
	}
	if v.Signer.Proven.IsZero() || s.Time.Before(v.Signer.Proven) {
		v.Signer.Proven = s.Time
	}
	v.add(check, OK, "%s stamped the signature at %s", s.Authority, at)
	if len(s.Loose) > 0 {
		v.add(check, NotChecked, "beside the stamp of %s there is %s, which nothing vouches for", s.Authority, strings.Join(s.Loose, ", "))
	}
}

// domain checks the certificate, and reports whether a trusted root stands behind it.
func (j *judge) domain() bool {
	var err error
	if !isFor(j.chain[0], j.data.Domain) {
		err = fmt.Errorf("the certificate is for %s, not %s", domainOf(j.chain[0]), j.data.Domain)
	}
	named := j.judge(CheckDomain, err, "the certificate is for %s", j.data.Domain)
	if named {
		j.Signer.Domain = j.data.Domain
	}
	trusted := j.domainChain(CheckDomainChain, j.chain)
	if j.data.CrossSignedCert != "" && j.crossSigned() {
		trusted = true
	}
	return named && trusted
}

// domainChain checks that a chain leads to a trusted root at the time that is proven, or,
// without one, that of the stamp or the stated one.
func (j *judge) domainChain(check string, chain []*x509.Certificate) bool {
	at := j.Signer.Created
	if j.stamp != nil {
		at = j.stamp.Time
	}
	if !j.Signer.Proven.IsZero() {
		at = j.Signer.Proven
	}
	when := at.Format(time.RFC3339)
	if at.Before(chain[0].NotBefore) || at.After(chain[0].NotAfter) {
		j.add(check, Failed, "the certificate was not valid at %s, but from %s to %s", when, chain[0].NotBefore.UTC().Format(time.RFC3339), chain[0].NotAfter.UTC().Format(time.RFC3339))
		return false
	}
	if j.trust.Domains == nil {
		j.add(check, NotChecked, "no trusted roots of domains were given")
		return false
	}
	pool := x509.NewCertPool()
	for _, c := range chain[1:] {
		pool.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: j.trust.Domains, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return j.judge(check, err, "it leads to a trusted root, all valid at %s", when)
}

// crossSigned checks the second chain for the same key (step 10). It counts in place of
// the first.
func (j *judge) crossSigned() bool {
	chain, err := parseChain(j.data.CrossSignedCert)
	if err == nil && !j.key.Equal(chain[0].PublicKey) {
		err = errors.New("it is for another key than domainCert")
	}
	if err != nil {
		j.add(CheckCrossSigned, Failed, "%s", err)
		return false
	}
	return j.domainChain(CheckCrossSigned, chain)
}

// signer decides whether the signer is a trusted one: a key of the list, or a domain that
// a trusted root stands behind at a time that a trusted authority proves. (Certificates
// of domains are short-lived: without such a time an old key would count for ever.)
func (j *judge) signer(domain bool) {
	result, reason := j.trust.judge(j.Signer)
	switch {
	case result == OK:
	case domain && j.trust.Names != nil && !slices.ContainsFunc(j.trust.Names, func(n string) bool { return strings.EqualFold(n, j.Signer.Domain) }):
		result, reason = Failed, fmt.Sprintf("the domain %s is not among the trusted ones", j.Signer.Domain)
	case domain && j.Signer.Proven.IsZero():
		result, reason = NotChecked, fmt.Sprintf("a trusted root stands behind %s, but no stamp of a trusted authority proves that its certificate was valid then", j.Signer.Domain)
	case domain && j.trust.Names == nil:
		result, reason = NotChecked, fmt.Sprintf("a trusted root stands behind %s, as behind many; that this domain may sign was not said", j.Signer.Domain)
	case domain:
		result, reason = OK, fmt.Sprintf("the signer is %s, by a certificate of a trusted root", j.Signer.Domain)
	case j.trust.Keys == nil && j.trust.Domains == nil:
		result, reason = NotChecked, fmt.Sprintf("identity not vouched for: the key is %s, and neither trusted keys nor roots were given", j.Signer.Key)
	}
	j.Signer.Vouched = result == OK
	j.add(CheckSigner, result, "%s", reason)
}

// judge looks for a signer's key in the list of trusted ones.
func (t Trust) judge(signer Identity) (Result, string) {
	result, reason := Failed, fmt.Sprintf("the key %s is not among the trusted ones", signer.Key)
	for _, k := range t.Keys {
		if k.Fingerprint != signer.Key {
			continue
		}
		if result, reason = k.judge(signer); result == OK {
			break
		}
	}
	return result, reason
}

func (k TrustedKey) judge(signer Identity) (Result, string) {
	at, how := signer.Created, "as the signer states"
	proven := !signer.Proven.IsZero()
	if proven {
		at, how = signer.Proven, "as a stamp proves"
	}
	when := at.UTC().Format(time.RFC3339)
	switch {
	case !k.NotBefore.IsZero() && at.Before(k.NotBefore):
		return Failed, fmt.Sprintf("the key %s is trusted from %s on; the signature is of %s, %s", k.Fingerprint, k.NotBefore.UTC().Format(time.RFC3339), when, how)
	case !k.NotAfter.IsZero() && at.After(k.NotAfter):
		return Failed, fmt.Sprintf("the key %s is trusted until %s; the signature is of %s, %s", k.Fingerprint, k.NotAfter.UTC().Format(time.RFC3339), when, how)
	case !k.NotAfter.IsZero() && !proven:
		return NotChecked, fmt.Sprintf("the key %s is trusted until %s; the signature is of %s as the signer states, but no stamp of a trusted authority proves it", k.Fingerprint, k.NotAfter.UTC().Format(time.RFC3339), when)
	}
	return OK, fmt.Sprintf("the key %s is a trusted one", k.Fingerprint)
}

// VerifyFile judges the sidecar of a file that has no signature in itself: that it is about a file
// of this name and SHA-256, and of somebody who may say so. It needs no network and no clock.
func VerifyFile(name string, sum warc.Digest, sc *Sidecar, trust Trust) Verdict {
	var v Verdict
	subject := sc.Statement.Subject
	var err error
	switch {
	case subject.Package != "":
		err = errors.New("it is about a WACZ")
	case subject.Name != name:
		err = fmt.Errorf("it is about a file of the name %q", subject.Name)
	}
	v.judge(CheckSidecarSubject, err, "it is about %s", name)
	err = nil
	if subject.SHA256 != sum {
		err = fmt.Errorf("the file is %s, the sidecar is about %s", sum, subject.SHA256)
	}
	v.judge(CheckSidecarFile, err, "the file is %s", sum)
	signer, err := sc.signer()
	if !v.judge(CheckSidecarSignature, err, "it is of the key %s", signer) {
		return v
	}
	v.Signer = Identity{Key: signer, Created: sc.Statement.Created, Software: sc.Statement.Software}
	v.stamps(sc, sc.Signature.Signature, trust)
	result, reason := trust.judge(v.Signer)
	if trust.Keys == nil {
		result, reason = NotChecked, fmt.Sprintf("identity not vouched for: the key is %s, and no trusted keys were given", signer)
	}
	v.Signer.Vouched = result == OK
	v.add(CheckSidecarSigner, result, "%s", reason)
	return v
}
