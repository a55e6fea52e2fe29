package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// specVersion is that of wacz-auth.
const specVersion = "0.1.0"

// maxSignedData is the size in bytes of the largest signedData that is read.
const maxSignedData = 1 << 20

// SignedData is the signature in datapackage-digest.json (wacz-auth 0.1.0, "Signature
// Data Format"). Either PublicKey is there, or Domain with its companions.
type SignedData struct {
	// Hash is the SHA-256 of datapackage.json. What is signed is this text, "sha256:…".
	Hash warc.Digest `json:"hash"`
	// Created is when it was signed (RFC 3339), as the signer states it.
	Created  string `json:"created"`
	Software string `json:"software"`
	// Version is that of wacz-auth, optional.
	Version string `json:"version,omitempty"`
	// Signature is ECDSA with SHA-256, in base64.
	Signature string `json:"signature"`

	// PublicKey is the SubjectPublicKeyInfo (DER) in base64: the anonymous shape.
	PublicKey string `json:"publicKey,omitempty"`

	// Domain is what DomainCert is for, a PEM chain from the signing certificate on.
	Domain     string `json:"domain,omitempty"`
	DomainCert string `json:"domainCert,omitempty"`
	// TimeSignature is a TimeStampResp (DER, RFC 3161) over Signature as it is written,
	// in base64; TimestampCert is the PEM chain of who gave it.
	TimeSignature string `json:"timeSignature,omitempty"`
	TimestampCert string `json:"timestampCert,omitempty"`
	// CrossSignedCert is another PEM chain for the same key, optional.
	CrossSignedCert string `json:"crossSignedCert,omitempty"`
}

// The properties of the two shapes; of those that are not in need, a value may be null.
var (
	needBoth      = []string{"hash", "created", "software", "signature"}
	needAnonymous = []string{"publicKey"}
	needDomain    = []string{"domain", "domainCert", "timeSignature", "timestampCert"}
	optional      = []string{"version"}
	optionDomain  = []string{"crossSignedCert"}
)

// ParseSignedData reads a signedData, which has to have exactly one of the two shapes. A
// property that is null is as if it were not there: authsign writes them so.
func ParseSignedData(raw []byte) (*SignedData, error) {
	if len(raw) > maxSignedData {
		return nil, fmt.Errorf("it has %d bytes, at most %d are taken", len(raw), maxSignedData)
	}
	members, err := stringMembers(raw)
	if err != nil {
		return nil, err
	}
	if err := checkShape(members); err != nil {
		return nil, err
	}
	if v := members["version"]; v != "" && v != specVersion {
		return nil, fmt.Errorf("its version is %q, not %s", v, specVersion)
	}
	plain, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var data SignedData
	if err := json.Unmarshal(plain, &data); err != nil {
		return nil, err
	}
	if _, err := data.created(); err != nil {
		return nil, err
	}
	return &data, nil
}

func checkShape(members map[string]string) error {
	_, anonymous := members["publicKey"]
	var mixed []string
	for _, name := range slices.Concat(needDomain, optionDomain) {
		if _, ok := members[name]; ok {
			mixed = append(mixed, name)
		}
	}
	if anonymous && len(mixed) > 0 {
		return fmt.Errorf("it mixes the two shapes: publicKey with %s", strings.Join(mixed, ", "))
	}
	if !anonymous && len(mixed) == 0 {
		return errors.New("it has neither a publicKey nor a domain")
	}
	need, may := slices.Concat(needBoth, needAnonymous), optional
	if !anonymous {
		need, may = slices.Concat(needBoth, needDomain), slices.Concat(optional, optionDomain)
	}
	for _, name := range need {
		if members[name] == "" {
			return fmt.Errorf("it has no %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(need, name) && !slices.Contains(may, name) {
			return fmt.Errorf("it has a property %q, which wacz-auth %s does not have", name, specVersion)
		}
	}
	return nil
}

// stringMembers reads an object of strings. (encoding/json takes names in any case, and
// the last of those that are there twice.)
func stringMembers(raw []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	out := make(map[string]string)
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("it is no JSON: %w", err)
		}
		name, _ := t.(string) // of an object
		var value *string
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("its %q is no string: %w", name, err)
		}
		if seen[name] {
			return nil, fmt.Errorf("its %q is there twice", name)
		}
		if seen[name] = true; value != nil {
			out[name] = *value
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return out, nil
}

func (d *SignedData) created() (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, d.Created)
	if err != nil {
		return time.Time{}, fmt.Errorf("its created %q is no time (RFC 3339)", d.Created)
	}
	return t.UTC(), nil
}

// anonymous reports which shape it has.
func (d *SignedData) anonymous() bool { return d.PublicKey != "" }
