// Package evidence signs WACZ files and judges signatures, years later and offline.
//
// The chain begins at one hash. A WACZ lists the SHA-256 of every file in
// datapackage.json; datapackage-digest.json holds the SHA-256 of that, and
// signedData signs it (wacz-auth 0.1.0, https://specs.webrecorder.net/wacz-auth/0.1.0/):
//
//	files ← datapackage.json ← hash ← signedData.signature ← time stamps
//	                                                       ← Sidecar ← authorisation
//
// signedData may have one of two shapes and nothing beyond: an anonymous key, or the
// certificate of a domain with a time stamp. What does not fit in there, such as
// further stamps, stands in a [Sidecar] next to the file.
//
// [Signer] makes a signature for wacz.Contents.Sign, or an error: nothing is half
// signed. [Verify] says of each thing that it looked at how it is and why, and never
// just yes: a signature that is whole may be anybody's.
package evidence

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/tsa"
)

// Result is what came of a check.
type Result string

// The results of checks.
const (
	OK         Result = "OK"
	Failed     Result = "Failed"
	NotChecked Result = "NotChecked" // what it needs was not given, or is not there
)

// Names of checks.
const (
	CheckFormat           = "SignedDataFormat" // signedData has one of the two shapes
	CheckHash             = "SignedHash"       // it is over this datapackage.json
	CheckSignature        = "Signature"        // the signature is that of its key
	CheckSigner           = "Signer"           // the key or the domain is a trusted one
	CheckDomain           = "Domain"           // the certificate is that of the domain
	CheckDomainChain      = "DomainChain"      // it leads to a trusted root
	CheckCrossSigned      = "CrossSignedCert"  // the second certificate is for the same key
	CheckTimeSignature    = "TimeSignature"    // the time stamp is over the signature
	CheckCreated          = "CreatedTime"      // the stated time agrees with the stamp
	CheckSidecarSubject   = "SidecarSubject"   // the sidecar is about this file
	CheckSidecarFile      = "SidecarFile"      // whose every byte is as it was
	CheckSidecarSignature = "SidecarSignature"
	CheckSidecarSigner    = "SidecarSigner" // it is of the same or a trusted key
	CheckStamp            = "Stamp"         // a stamp of the sidecar is over the signature
)

// Check is one thing that was looked at. Reason says what was found, also when it is OK.
type Check struct {
	Name   string `json:"check"`
	Result Result `json:"result"`
	Reason string `json:"reason"`
}

// Identity says who signed, as far as it is known.
type Identity struct {
	// Key is the fingerprint of the signing key.
	Key string `json:"key,omitempty"`
	// Domain is what the signer's certificate is for; empty for an anonymous key.
	Domain string `json:"domain,omitempty"`
	// Vouched says that the key or the domain is among the trusted ones.
	Vouched bool `json:"vouched"`
	// Created is the time that the signer states, Software the program.
	Created  time.Time `json:"created,omitzero"`
	Software string    `json:"software,omitempty"`
	// Proven is the earliest time that a stamp of a trusted authority proves the
	// signature to have been there, zero when none does.
	Proven time.Time `json:"proven,omitzero"`
	// Stamps are all that are whole and over the signature.
	Stamps []*tsa.Stamp `json:"-"`
}

// Verdict is what is known of a signature.
type Verdict struct {
	Checks []Check  `json:"checks"`
	Signer Identity `json:"signer"`
}

func (v *Verdict) add(name string, result Result, format string, args ...any) {
	v.Checks = append(v.Checks, Check{Name: name, Result: result, Reason: fmt.Sprintf(format, args...)})
}

// judge adds a check that is OK without an error.
func (v *Verdict) judge(name string, err error, format string, args ...any) bool {
	if err != nil {
		v.add(name, Failed, "%s", err)
		return false
	}
	v.add(name, OK, format, args...)
	return true
}

// With are the checks with that result, for whoever wants to tell which failed.
func (v Verdict) With(result Result) []Check {
	var out []Check
	for _, c := range v.Checks {
		if c.Result == result {
			out = append(out, c)
		}
	}
	return out
}

// TrustedKey is a key whose signatures count. After a rotation the old one stays in the
// list, NotAfter the day of the rotation.
type TrustedKey struct {
	// Fingerprint is that of the public key, see [Fingerprint].
	Fingerprint string
	// NotBefore and NotAfter bound the time of its signatures, zero for no bound. With
	// a NotAfter the time has to be proven by a stamp of a trusted authority: what the
	// signer states is worth nothing from someone who stole the key.
	NotBefore, NotAfter time.Time
}

// Trust is what signatures are judged by. Without Keys and Domains nobody vouches for a
// signer, which is then said, and is no failure.
type Trust struct {
	Keys []TrustedKey
	// Domains are the roots of domain certificates, Authorities those of time stamps.
	Domains, Authorities *x509.CertPool
	// Names are the domains that may sign: roots alone vouch for every domain of theirs.
	Names []string
}

// Fingerprint names a public key: "sha256:" and the SHA-256 of its SubjectPublicKeyInfo
// (DER) in lower-case hex.
func Fingerprint(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// CheckFingerprint says what is wrong with a fingerprint.
func CheckFingerprint(s string) error {
	digits, ok := strings.CutPrefix(s, "sha256:")
	if sum, err := hex.DecodeString(digits); !ok || err != nil || len(sum) != sha256.Size || digits != strings.ToLower(digits) {
		return errors.New("want sha256: and 64 lower-case hex digits")
	}
	return nil
}
