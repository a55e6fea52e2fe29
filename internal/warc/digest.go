package warc

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Digest is a labelled digest such as "sha256:" and 64 hex digits, as written
// into WARC-Block-Digest and WARC-Payload-Digest. We write SHA-256 in lower-case
// hex, like Browsertrix; others write SHA-1 in base32, and both are understood.
// The zero value is no digest.
type Digest string

// SHA256 returns the digest of the sum that h has come to.
func SHA256(h hash.Hash) Digest { return Digest("sha256:" + hex.EncodeToString(h.Sum(nil))) }

// SHA256Of returns the digest of b.
func SHA256Of(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// SHA256Hex returns the digest of a sum given in hex, such as a recorder's.
func SHA256Hex(sum string) Digest { return Digest("sha256:" + strings.ToLower(sum)) }

// Parse returns a hash of the digest's algorithm and the sum that it should come
// to. The algorithm may be written as sha256, SHA-256 and so on, the sum in hex
// or in base32 (RFC 4648).
func (d Digest) Parse() (hash.Hash, []byte, error) {
	label, value, ok := strings.Cut(string(d), ":")
	if !ok {
		return nil, nil, fmt.Errorf("digest %q: want algorithm:value", d)
	}
	var h hash.Hash
	switch strings.ReplaceAll(strings.ToLower(label), "-", "") {
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New()
	case "sha512":
		h = sha512.New()
	case "sha384":
		h = sha512.New384()
	case "md5":
		h = md5.New()
	default:
		return nil, nil, fmt.Errorf("digest %q: unknown algorithm %q", d, label)
	}
	sum, err := decodeSum(value, h.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("digest %q: %w", d, err)
	}
	return h, sum, nil
}

func decodeSum(value string, size int) ([]byte, error) {
	if len(value) == hex.EncodedLen(size) {
		return hex.DecodeString(value)
	}
	enc := base32.StdEncoding.WithPadding(base32.NoPadding)
	value = strings.ToUpper(strings.TrimRight(value, "="))
	if len(value) == enc.EncodedLen(size) {
		return enc.DecodeString(value)
	}
	return nil, fmt.Errorf("%d characters are neither hex nor base32 of %d bytes", len(value), size)
}
