package evidence

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/tsa"
)

// Owed are the authorities whose stamps are still to come.
func (sc *Sidecar) Owed() []Authority {
	var out []Authority
	for _, e := range sc.Stamps {
		if e.Owed != nil {
			out = append(out, e.Authority)
		}
	}
	return out
}

// Fetch asks for the stamps that are owed and returns the sidecar with those that came.
// What is there already stays as it is, so that it may be called again and again. An
// authority that gave none, or that stamper knows no client for (nil), is still owed,
// with the reason, and part of the error; the sidecar that is returned is good all the
// same. Only when it cannot be read is it nil.
func (sc *Sidecar) Fetch(ctx context.Context, stamper func(Authority) Stamper) (*Sidecar, error) {
	if err := sc.check(); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	out := sc.clone()
	var errs []error
	for i, e := range out.Stamps {
		if e.Owed == nil {
			continue
		}
		answer, err := ask(ctx, stamper(e.Authority), sc.stamped())
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Authority.Name, err))
			out.Stamps[i].Owed = &Owed{Since: e.Owed.Since, Tries: e.Owed.Tries + 1, LastError: oneLine(err.Error())}
			continue
		}
		out.Stamps[i] = StampEntry{Authority: e.Authority, Token: answer.Token}
	}
	return out, errors.Join(errs...)
}

func ask(ctx context.Context, stamper Stamper, signature string) (*tsa.Answer, error) {
	if stamper == nil {
		return nil, errors.New("this authority is not configured")
	}
	return stamper.Stamp(ctx, stampedSum(signature))
}

// clone copies a sidecar as deep as it is changed.
func (sc *Sidecar) clone() *Sidecar {
	out := *sc
	out.Stamps = append([]StampEntry{}, sc.Stamps...)
	return &out
}

// oneLine makes an error fit into a sidecar.
func oneLine(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, s), "?")
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// stamps checks that the stamps of a sidecar are over a signature.
func (v *Verdict) stamps(sc *Sidecar, signature string, trust Trust) {
	var seen []*x509.Certificate
	for _, e := range sc.Stamps {
		if e.Owed != nil {
			v.add(CheckStamp, NotChecked, "the stamp of %s is owed since %s, %d tries", e.Authority.Name, e.Owed.Since.UTC().Format(time.RFC3339), e.Owed.Tries)
			continue
		}
		stamp, err := tsa.Verify(e.Token, stampedSum(signature), tsa.Options{Roots: trust.Authorities})
		if err != nil {
			v.add(CheckStamp, Failed, "%s: %s", e.Authority.Name, err)
			continue
		}
		if slices.ContainsFunc(seen, stamp.Chain[0].Equal) {
			v.add(CheckStamp, NotChecked, "%s: the stamp is of the same authority as another one, %s: the two are one witness", e.Authority.Name, stamp.Authority)
			continue
		}
		seen = append(seen, stamp.Chain[0])
		v.stamped(CheckStamp, stamp)
	}
}

// sidecar checks that a sidecar is about this file and of somebody who may say so.
func (j *judge) sidecar(m Material) {
	sc := m.Sidecar
	subject := sc.Statement.Subject
	var err error
	switch {
	case subject.Package != m.Package:
		err = fmt.Errorf("it is about a datapackage.json of %s, not %s", subject.Package, m.Package)
	case subject.Signature != j.data.Signature:
		err = errors.New("it is about another signature")
	}
	j.judge(CheckSidecarSubject, err, "it is about this signature of %s", m.Package)
	switch {
	case m.File == "":
		j.add(CheckSidecarFile, NotChecked, "the SHA-256 of the file was not computed")
	case m.File != subject.SHA256:
		j.add(CheckSidecarFile, Failed, "the file is %s, the sidecar is about %s", m.File, subject.SHA256)
	default:
		j.add(CheckSidecarFile, OK, "the file is %s", m.File)
	}
	signer, err := sc.signer()
	if !j.judge(CheckSidecarSignature, err, "it is of the key %s", signer) {
		return
	}
	if signer == j.Signer.Key {
		j.add(CheckSidecarSigner, OK, "it is of the key that signed the file")
		return
	}
	if j.trust.Keys == nil {
		j.add(CheckSidecarSigner, Failed, "it is of the key %s, the file is signed by %s, and no trusted keys were given", signer, j.Signer.Key)
		return
	}
	// Stamps are over the file's signature and prove nothing of the time of this one.
	result, reason := j.trust.judge(Identity{Key: signer, Created: sc.Statement.Created})
	j.add(CheckSidecarSigner, result, "%s", reason)
}

// signer checks the signature of a sidecar and names its key.
func (sc *Sidecar) signer() (string, error) {
	if err := sc.check(); err != nil {
		return "", err
	}
	text, err := sc.SignedText()
	if err != nil {
		return "", err
	}
	key, err := parsePublic(sc.Signature.PublicKey)
	if err != nil {
		return "", err
	}
	sig, err := decode64(sc.Signature.Signature)
	if err != nil {
		return "", errors.New("its signature is no canonical base64")
	}
	if err := verifyASN1(key, text, sig); err != nil {
		return "", err
	}
	return Fingerprint(key)
}
