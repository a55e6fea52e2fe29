package tsa

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// children are the values that a compound one is made of, at most so many.
func children(b []byte, most int) (all []asn1.RawValue, err error) {
	for len(b) > 0 {
		var v asn1.RawValue
		if b, err = asn1.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		if all = append(all, v); len(all) > most {
			return nil, errors.New("it has more parts than it may have")
		}
	}
	return all, nil
}

// checkForm checks what no signature is over: the parts of SignedData (RFC 5652 section 5.1) that
// only say how to read it. They are what they have to be, so that none can change unnoticed. It
// returns what else is in a token that its signature is not over: lists of revoked certificates,
// and attributes that were added later.
func checkForm(token []byte) (loose []string, err error) {
	info, err := asn1Content(token)
	if err != nil {
		return nil, err
	}
	parts, err := children(info, 6)
	if err != nil {
		return nil, err
	}
	if len(parts) < 4 || !bytes.Equal(parts[0].FullBytes, []byte{2, 1, 3}) {
		return nil, errors.New("it is not of version 3")
	}
	encap, err := children(parts[2].Bytes, 2)
	if err != nil || len(encap) != 2 {
		return nil, errors.Join(err, errors.New("it has no content"))
	}
	if content := encap[1].Bytes; len(content) == 0 || content[0] != asn1.TagOctetString {
		return nil, errors.New("its content is no octet string")
	}
	for _, p := range parts[3 : len(parts)-1] {
		if p.Class == asn1.ClassContextSpecific && p.Tag == 1 {
			loose = append(loose, "a list of revoked certificates")
		}
	}
	unsigned, err := checkSigner(parts[1].Bytes, parts[len(parts)-1].Bytes)
	return append(loose, unsigned...), err
}

// asn1Content is what is in the SignedData of a ContentInfo.
func asn1Content(token []byte) ([]byte, error) {
	var info, data asn1.RawValue
	if _, err := asn1.Unmarshal(token, &info); err != nil {
		return nil, err
	}
	parts, err := children(info.Bytes, 2)
	if err != nil || len(parts) != 2 {
		return nil, errors.Join(err, errors.New("it has no content"))
	}
	_, err = asn1.Unmarshal(parts[1].Bytes, &data)
	return data.Bytes, err
}

// checkSigner checks the SignerInfo, and that its digest is among those that are announced.
func checkSigner(digests, signers []byte) (loose []string, err error) {
	all, err := children(signers, 1)
	if err != nil || len(all) != 1 {
		return nil, errors.Join(err, errors.New("it has not one signer"))
	}
	parts, err := children(all[0].Bytes, 7)
	if err != nil || len(parts) < 5 {
		return nil, errors.Join(err, errors.New("its signer is not whole"))
	}
	version := []byte{2, 1, 1} // the signer is named by issuer and number
	if parts[1].Class == asn1.ClassContextSpecific {
		version[2] = 3 // by the identifier of the key
	}
	if !bytes.Equal(parts[0].FullBytes, version) {
		return nil, errors.New("its signer is not of the version that its form has")
	}
	announced, err := children(digests, 8)
	if err != nil {
		return nil, err
	}
	same := func(d asn1.RawValue) bool { return bytes.Equal(withoutNull(d.Bytes), withoutNull(parts[2].Bytes)) }
	if !slices.ContainsFunc(announced, same) {
		return nil, errors.New("it does not announce the digest of its signer")
	}
	if last := parts[len(parts)-1]; last.Class == asn1.ClassContextSpecific && last.Tag == 1 {
		loose = append(loose, "attributes that are not signed")
	}
	return loose, nil
}

// withoutNull is an AlgorithmIdentifier's content without parameters that are NULL, which mean
// the same as none (RFC 5754 section 2).
func withoutNull(b []byte) []byte { return bytes.TrimSuffix(b, []byte{5, 0}) }

// looseCertificates are those of a token that do not lead to a root: nothing vouches for their
// bytes, and nothing follows from them.
func looseCertificates(certs, chain []*x509.Certificate, opts x509.VerifyOptions) (loose []string) {
	for _, c := range certs {
		if slices.ContainsFunc(chain, c.Equal) {
			continue
		}
		if _, err := c.Verify(opts); err != nil {
			loose = append(loose, fmt.Sprintf("the certificate of %s", c.Subject))
		}
	}
	return loose
}
