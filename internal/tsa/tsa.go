// Package tsa speaks the Time-Stamp Protocol (RFC 3161): it asks an authority
// for a stamp over a SHA-256 sum, judges stamps offline, and holds a small
// authority of its own for tests and trials.
//
//	client := &tsa.Client{URL: "http://tsa.example/", Roots: roots}
//	answer, err := client.Stamp(ctx, sha256.Sum256(data))   // asks, and checks the answer at once
//	stamp, err := tsa.Verify(answer.Token, sum, tsa.Options{Roots: roots})   // years later, offline
//
// A token is CMS signed data (RFC 5652). Its signature is checked by
// github.com/digitorus/pkcs7; that library looks at nothing else, so that what
// makes a signature a time stamp is checked here: one signer, the content types,
// the imprint, the binding of the certificate (ESSCertID, RFC 2634 and 5816), its
// purpose (RFC 3161 section 2.3), and its chain at the time of the stamp.
package tsa

import (
	"crypto/x509"
	"errors"
	"math/big"
	"time"
)

// What can be wrong with a token. Verify's errors wrap one of these and say more.
var (
	ErrFormat      = errors.New("it is no time-stamp token")
	ErrImprint     = errors.New("the stamp is over something else")
	ErrNonce       = errors.New("the stamp answers another request")
	ErrSignature   = errors.New("the signature is broken")
	ErrCertificate = errors.New("the stamp names another certificate than the one that signed it")
	ErrPurpose     = errors.New("the certificate is not for time stamps")
	ErrExpired     = errors.New("a certificate was not valid at the time of the stamp")
	ErrForeign     = errors.New("the chain ends at none of the given roots")
)

// MaxToken is the size in bytes of the largest token that is taken.
const MaxToken = 256 << 10

// Stamp is what a token says. Only Verify makes one.
type Stamp struct {
	// Time is when the authority saw the sum, within Accuracy, which is 0 when the
	// token does not tell it.
	Time     time.Time
	Accuracy time.Duration
	// Policy is the object identifier of the rules that the authority says it keeps to.
	Policy string
	// Serial is the number of the stamp, unique with the authority.
	Serial *big.Int
	// Authority is the subject of the signing certificate (RFC 4514).
	Authority string
	// Chain begins with the signing certificate. With roots it ends at one of them,
	// without it is as far as the token's own certificates lead.
	Chain []*x509.Certificate
	// Vouched says that the chain ends at one of the given roots. Without roots it is
	// false: then the stamp is whole, but nobody says that its maker is an authority.
	Vouched bool
	// Loose is what else is in the token that its signature is not over and nothing vouches
	// for. Nothing follows from it, but it could be anything.
	Loose []string
}

// Options say what a token is judged by.
type Options struct {
	// Roots are the certificates that chains must end at. When nil, the chain is not
	// judged, and the Stamp is not Vouched.
	Roots *x509.CertPool
	// Certificates are further ones that the chain may need, or the signing one when
	// the token has none.
	Certificates []*x509.Certificate
	// Nonce is that of the request, nil when it does not matter.
	Nonce *big.Int
}
