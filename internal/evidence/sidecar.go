package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// SidecarSuffix is what the name of a file gets to name its sidecar.
const SidecarSuffix = ".evidence.json"

// What is written into sidecars.
const (
	sidecarFormat  = "crawlfleet-evidence"
	sidecarVersion = 1
)

const (
	maxSidecar = 8 << 20 // bytes
	maxStamps  = 16
	maxText    = 1024 // bytes
)

// Sidecar is what is known of a signed WACZ and does not fit into it: any number of time
// stamps, and under which authorisation it was made. It is a JSON object in a file of
// its own next to the WACZ, described by docs/reference/evidence.schema.json. For a file that has
// no signature in itself, such as the statement of a run, it is the signature.
//
// Stamps are over the SHA-256 of subject.signature as it is written, the same thing that
// wacz-auth's timeSignature is over. So each stamp proves that the signature, not only
// the files, was there at its time: it still holds when the key is stolen later, or
// replaced. The signature is over subject.package, the SHA-256 of datapackage.json, where
// the chain begins; the authorisation stands in capture.json, too, which lies below it.
//
// Signature is over the statement, with format and version: neither the authorisation can be
// exchanged nor the authorities whose stamps are there or owed; stamps can be added.
//
// A Sidecar is a value: what changes it returns a new one.
type Sidecar struct {
	Format    string           `json:"format"`
	Version   int              `json:"version"`
	Statement Statement        `json:"statement"`
	Signature SidecarSignature `json:"signature"`
	Stamps    []StampEntry     `json:"stamps"`
}

// Statement is what the signer says. (The members are in the order of their names, as
// they are signed.)
type Statement struct {
	// Authorities are those that a stamp is to be had of, in the order of the stamps.
	Authorities []Authority `json:"authorities,omitempty"`
	// Authorization is the reference under which the WACZ was made, optional.
	Authorization string `json:"authorization,omitempty"`
	// Created is when the sidecar was made, in whole seconds, Software what made it.
	Created  time.Time `json:"created"`
	Software string    `json:"software"`
	Subject  Subject   `json:"subject"`
}

// Subject is a signed WACZ, or any other file. (The members are in the order of their names, as they are
// signed.)
type Subject struct {
	// Name is that of the file.
	Name string `json:"name"`
	// Package is the SHA-256 of its datapackage.json, empty for what is no WACZ.
	Package warc.Digest `json:"package,omitempty"`
	// Path is where it was stored, such as its key in the store, optional.
	Path string `json:"path,omitempty"`
	// SHA256 is that of the whole file.
	SHA256 warc.Digest `json:"sha256"`
	// Signature is that of its signedData, as it is written there, empty for what is no WACZ.
	Signature string `json:"signature,omitempty"`
}

// SidecarSignature is ECDSA with SHA-256, in ASN.1 and base64; the key is a
// SubjectPublicKeyInfo (DER) in base64.
type SidecarSignature struct {
	PublicKey string `json:"publicKey"`
	Signature string `json:"signature"`
}

// Authority is a time-stamp authority.
type Authority struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// StampEntry is a time stamp, or one that is owed: either Token is there or Owed.
type StampEntry struct {
	// Authority is the one of the statement in the same place.
	Authority Authority `json:"authority"`
	// Token is the TimeStampToken (DER, RFC 3161).
	Token []byte `json:"token,omitempty"`
	Owed  *Owed  `json:"owed,omitempty"`
}

// Owed says how it stands with a stamp that is still to come.
type Owed struct {
	Since time.Time `json:"since"`
	Tries int       `json:"tries"`
	// LastError says why the last try failed, empty before the first.
	LastError string `json:"lastError,omitempty"`
}

// NewSidecar makes the sidecar of a file, signed with the key of the moment. The stamps of the
// statement's authorities are owed: Fetch gets them.
func NewSidecar(keys Keys, s Statement) (*Sidecar, error) {
	s.Created = s.Created.UTC().Truncate(time.Second)
	sc := &Sidecar{Format: sidecarFormat, Version: sidecarVersion, Statement: s, Stamps: []StampEntry{}}
	for _, a := range s.Authorities {
		sc.Stamps = append(sc.Stamps, StampEntry{Authority: a, Owed: &Owed{Since: s.Created}})
	}
	if err := sc.sign(keys); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	return sc, nil
}

func (sc *Sidecar) sign(keys Keys) error {
	text, err := sc.SignedText()
	if err != nil {
		return err
	}
	key, err := keys.Key()
	if err != nil {
		return err
	}
	public, err := key.Public()
	if err != nil {
		return err
	}
	sig, err := key.sign(text)
	if err != nil {
		return err
	}
	sc.Signature.Signature = encode64(sig)
	if sc.Signature.PublicKey, err = formatPublic(public); err != nil {
		return err
	}
	return sc.check()
}

// SignedText is what the signature is over: format, statement and version in the JSON
// Canonicalization Scheme (RFC 8785).
func (sc *Sidecar) SignedText() ([]byte, error) {
	if err := sc.Statement.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	// Texts have neither control characters nor line separators, and every number is
	// small and whole: what is left of RFC 8785 is the order of names, which the
	// structures are written in.
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Format    string    `json:"format"`
		Statement Statement `json:"statement"`
		Version   int       `json:"version"`
	}{sc.Format, sc.Statement, sc.Version})
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// ParseSidecar reads a sidecar, which has to be exactly as Marshal writes it but for
// white space and order.
func ParseSidecar(raw []byte) (*Sidecar, error) {
	if len(raw) > maxSidecar {
		return nil, fmt.Errorf("sidecar: it has %d bytes, at most %d are taken", len(raw), maxSidecar)
	}
	var sc Sidecar
	if err := decodeStrict(raw, &sc); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	if err := sc.check(); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	return &sc, nil
}

// Marshal writes a sidecar.
func (sc *Sidecar) Marshal() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(sc)
	return out.Bytes(), err
}

func (sc *Sidecar) check() error {
	if sc.Format != sidecarFormat || sc.Version != sidecarVersion {
		return fmt.Errorf("it is %q version %d, not %s version %d", sc.Format, sc.Version, sidecarFormat, sidecarVersion)
	}
	if err := sc.Statement.check(); err != nil {
		return err
	}
	if sc.Stamps == nil || len(sc.Stamps) != len(sc.Statement.Authorities) {
		return fmt.Errorf("it has %d stamps; its statement names %d authorities", len(sc.Stamps), len(sc.Statement.Authorities))
	}
	for i, e := range sc.Stamps {
		if err := e.check(); err != nil {
			return fmt.Errorf("stamp %d: %w", i+1, err)
		}
		if e.Authority != sc.Statement.Authorities[i] {
			return fmt.Errorf("stamp %d: its authority is not the one that the statement names", i+1)
		}
	}
	return nil
}

// stamped is what the stamps are over.
func (sc *Sidecar) stamped() string {
	if sc.Statement.Subject.Signature != "" {
		return sc.Statement.Subject.Signature
	}
	return sc.Signature.Signature
}

func (s Statement) check() error {
	for name, value := range map[string]string{"authorization": s.Authorization, "software": s.Software, "name": s.Subject.Name, "path": s.Subject.Path, "signature": s.Subject.Signature} {
		if err := checkText(value); err != nil {
			return fmt.Errorf("its %s: %w", name, err)
		}
	}
	if err := CheckFingerprint(string(s.Subject.SHA256)); err != nil {
		return fmt.Errorf("its sha256: %w", err)
	}
	if s.Subject.Name == "" || s.Software == "" || s.Created.IsZero() {
		return errors.New("its statement lacks the name of its subject, the software or the time")
	}
	if (s.Subject.Package == "") != (s.Subject.Signature == "") {
		return errors.New("its subject needs both package and signature, or neither")
	}
	if s.Subject.Package != "" {
		if err := CheckFingerprint(string(s.Subject.Package)); err != nil {
			return fmt.Errorf("its package: %w", err)
		}
	}
	if len(s.Authorities) > maxStamps {
		return fmt.Errorf("it names %d authorities, at most %d are taken", len(s.Authorities), maxStamps)
	}
	for i, a := range s.Authorities {
		if err := errors.Join(checkText(a.Name), checkText(a.URL)); err != nil {
			return fmt.Errorf("authority %d: %w", i+1, err)
		}
		if a.Name == "" || a.URL == "" || slices.Contains(s.Authorities[:i], a) {
			return fmt.Errorf("authority %d lacks a name or a URL, or is there twice", i+1)
		}
	}
	return nil
}

func (e StampEntry) check() error {
	if (len(e.Token) > 0) == (e.Owed != nil) {
		return errors.New("it needs either a token or what is owed")
	}
	if e.Owed == nil {
		return nil
	}
	if e.Owed.Tries < 0 || e.Owed.Since.IsZero() {
		return errors.New("it does not say since when it is owed and how often it was tried")
	}
	return checkText(e.Owed.LastError)
}

// checkText takes one short line, which every encoder of JSON writes alike.
func checkText(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("it has %d bytes, at most %d are taken", len(s), maxText)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
		return errors.New("it is not one line of text")
	}
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }

// decodeStrict decodes JSON that says nothing beyond v, each thing once and in the
// spelling that v is written in.
func decodeStrict(raw []byte, v any) error {
	if !utf8.Valid(raw) {
		return errors.New("it is no UTF-8")
	}
	if err := checkNames(json.NewDecoder(bytes.NewReader(raw)), 0); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var have, want any
	if err := errors.Join(json.Unmarshal(raw, &have), json.Unmarshal(again, &want)); err != nil {
		return err
	}
	if !reflect.DeepEqual(have, want) {
		return errors.New("it is not written as sidecars are")
	}
	return nil
}

// checkNames refuses objects that name something twice, and depth.
func checkNames(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth > 8 {
		return errors.New("it is nested too deep")
	}
	seen := make(map[string]bool)
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return fmt.Errorf("it is no JSON: %w", err)
			}
			name, _ := t.(string) // of an object
			if seen[name] {
				return fmt.Errorf("it names %q twice", name)
			}
			seen[name] = true
		}
		if err := checkNames(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
