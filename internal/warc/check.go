package warc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// DigestError says that bytes have not the digest that is claimed of them.
type DigestError struct {
	// Offset of the record in its file, -1 when it is not in one.
	Offset int64
	// Field is the name of the field that claims.
	Field string
	// Want is the claim, Got the same digest of what is there.
	Want, Got Digest
}

// Error implements error.
func (e *DigestError) Error() string {
	where := ""
	if e.Offset >= 0 {
		where = fmt.Sprintf("record at offset %d: ", e.Offset)
	}
	return fmt.Sprintf("%s%s does not match: the record says %s, its bytes are %s", where, e.Field, e.Want, e.Got)
}

// checkedHash is a hash that may be known in advance.
type checkedHash struct {
	hash.Hash
	field string
	want  Digest
	sum   []byte
}

// newCheckedHash returns a hash of the algorithm of want, SHA-256 when it is empty.
func newCheckedHash(field string, want Digest) (*checkedHash, error) {
	if want == "" {
		return &checkedHash{Hash: sha256.New(), field: field}, nil
	}
	h, sum, err := want.Parse()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return &checkedHash{Hash: h, field: field, want: want, sum: sum}, nil
}

// digest returns the digest as it is wanted, or a *DigestError.
func (c *checkedHash) digest() (Digest, error) {
	if c.want == "" {
		return SHA256(c.Hash), nil
	}
	got := c.Sum(nil)
	if bytes.Equal(got, c.sum) {
		return c.want, nil
	}
	label, _, _ := bytes.Cut([]byte(c.want), []byte(":"))
	return "", &DigestError{
		Offset: -1, Field: c.field, Want: c.want,
		Got: Digest(string(label) + ":" + hex.EncodeToString(got)),
	}
}
