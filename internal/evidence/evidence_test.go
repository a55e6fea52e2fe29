package evidence

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// (Time stamps hold the signing time of the machine's clock as well, see tsa.Authority.)
var testTime = time.Now().UTC().Truncate(time.Second)

func clock() time.Time { return testTime }

const testHash = warc.Digest("sha256:3dd086a0be145d1108bf32a5cac7c4b4c046eb78365792d4bb28e9f43e3c6571")

// fixed is a key that stays.
type fixed struct{ key *Key }

func (f fixed) Key() (*Key, error) { return f.key, nil }

// local is an authority without a network between.
type local struct{ *tsa.Authority }

func (l local) Stamp(_ context.Context, sum [sha256.Size]byte) (*tsa.Answer, error) {
	query, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true}).Marshal()
	if err != nil {
		return nil, err
	}
	reply, err := l.Answer(query)
	if err != nil {
		return nil, err
	}
	token, err := tsa.TokenOf(reply)
	if err != nil {
		return nil, err
	}
	stamp, err := tsa.Verify(token, sum, tsa.Options{Roots: poolOf(l.Chain[1])})
	return &tsa.Answer{Response: reply, Token: token, Stamp: stamp}, err
}

type silent struct{}

func (silent) Stamp(context.Context, [sha256.Size]byte) (*tsa.Answer, error) {
	return nil, errors.New("no answer\nat all")
}

func poolOf(certs ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

func newTSA(t testing.TB) local {
	t.Helper()
	a, err := tsa.NewAuthority("Test TSA", clock)
	if err != nil {
		t.Fatal(err)
	}
	return local{a}
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// anonymous is a key without a certificate.
func anonymous(t testing.TB) *Key { t.Helper(); return &Key{Signer: newKey(t, elliptic.P384())} }

func fingerprint(t testing.TB, k *Key) string {
	t.Helper()
	public, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Fingerprint(public)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// certify gives a key a certificate for archive.example from an authority of its own.
func certify(t testing.TB, key *ecdsa.PrivateKey, from, to time.Time) []*x509.Certificate {
	t.Helper()
	rootKey := newKey(t, elliptic.P256())
	root, err := tsa.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "domain root"}, NotBefore: testTime.AddDate(-9, 0, 0), NotAfter: testTime.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}, rootKey.Public(), &x509.Certificate{Subject: pkix.Name{CommonName: "domain root"}}, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tsa.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "archive.example"}, DNSNames: []string{"archive.example"}, NotBefore: from, NotAfter: to}, key.Public(), root, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{cert, root}
}

func identified(t testing.TB) *Key {
	t.Helper()
	key := newKey(t, elliptic.P256())
	return &Key{Signer: key, Chain: certify(t, key, testTime.AddDate(0, 0, -1), testTime.AddDate(0, 0, 80))}
}

func signed(t testing.TB, k *Key, a Stamper) *SignedData {
	t.Helper()
	data, err := (&Signer{Keys: fixed{k}, Software: "test", Authority: a, Now: clock}).Sign(t.Context(), testHash)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// want compares the checks that are not OK with "Name: part of the reason".
func want(t *testing.T, name string, v Verdict, result Result, reasons ...string) {
	t.Helper()
	got := v.With(result)
	if len(got) != len(reasons) {
		t.Errorf("%s: %s: %q, want %q", name, result, got, reasons)
		return
	}
	for i, c := range got {
		if line := c.Name + ": " + c.Reason; !strings.Contains(line, reasons[i]) {
			t.Errorf("%s: %s: %q, want %q", name, result, line, reasons[i])
		}
	}
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	k, other := anonymous(t), anonymous(t)
	data := signed(t, k, nil)
	if sig, err := decode64(data.Signature); err != nil || len(sig) != 96 {
		t.Errorf("a signature of %d bytes, want 96 raw ones of P-384", len(sig))
	}
	m := Material{Package: testHash, SignedData: encoded(t, data)}
	mine, others := []TrustedKey{{Fingerprint: fingerprint(t, k)}}, []TrustedKey{{Fingerprint: fingerprint(t, other)}}
	day := 24 * time.Hour
	window := func(from, to time.Duration) Trust {
		return Trust{Keys: []TrustedKey{{Fingerprint: fingerprint(t, k), NotBefore: testTime.Add(from), NotAfter: testTime.Add(to)}}}
	}
	for name, tc := range map[string]struct {
		m          Material
		trust      Trust
		failed     []string
		notChecked []string
	}{
		"nobody is trusted":      {m, Trust{}, nil, []string{"Signer: identity not vouched for: the key is " + fingerprint(t, k)}},
		"the key is trusted":     {m, Trust{Keys: mine}, nil, nil},
		"another is trusted":     {m, Trust{Keys: others}, []string{"Signer: the key " + fingerprint(t, k) + " is not among the trusted ones"}, nil},
		"no key is trusted":      {m, Trust{Keys: []TrustedKey{}}, []string{"Signer: the key"}, nil},
		"domains are trusted":    {m, Trust{Domains: poolOf()}, []string{"Signer: the key"}, nil},
		"over something else":    {Material{Package: warc.SHA256Of(nil), SignedData: m.SignedData}, Trust{Keys: mine}, []string{"SignedHash: it signs \"" + string(testHash)}, nil},
		"before its time":        {m, window(day, 2*day), []string{"Signer: the key " + fingerprint(t, k) + " is trusted from"}, nil},
		"after its time":         {m, window(-2*day, -day), []string{"Signer: the key " + fingerprint(t, k) + " is trusted until"}, nil},
		"its time is not proven": {m, window(-day, day), nil, []string{"no stamp of a trusted authority proves it"}},
	} {
		v := Verify(tc.m, tc.trust)
		want(t, name, v, Failed, tc.failed...)
		want(t, name, v, NotChecked, tc.notChecked...)
		if v.Signer.Key != fingerprint(t, k) || v.Signer.Vouched != (name == "the key is trusted" || name == "over something else") {
			t.Errorf("%s: %+v", name, v.Signer)
		}
	}
}

func TestDomain(t *testing.T) {
	t.Parallel()
	k, a := identified(t), newTSA(t)
	data := signed(t, k, a)
	m := Material{Package: testHash, SignedData: encoded(t, data)}
	whole := Trust{Names: []string{"archive.example"}, Domains: poolOf(k.Chain[1]), Authorities: poolOf(a.Chain[1])}
	v := Verify(m, whole)
	want(t, "whole", v, Failed)
	want(t, "whole", v, NotChecked)
	if s := v.Signer; s.Domain != "archive.example" || !s.Vouched || !s.Proven.Equal(testTime) || len(s.Stamps) != 1 {
		t.Errorf("%+v", s)
	}
	change := func(f func(d *SignedData)) Material {
		d := *data
		f(&d)
		return Material{Package: testHash, SignedData: encoded(t, d)}
	}
	stranger, late := newTSA(t), newTSA(t)
	late.Now = func() time.Time { return testTime.Add(11 * time.Minute) }
	lateAnswer, err := late.Stamp(t.Context(), stampedSum(data.Signature))
	if err != nil {
		t.Fatal(err)
	}
	otherAnswer, err := a.Stamp(t.Context(), stampedSum("something else"))
	if err != nil {
		t.Fatal(err)
	}
	second := certify(t, k.Signer.(*ecdsa.PrivateKey), testTime.Add(-time.Hour), testTime.Add(time.Hour))
	foreign := certify(t, newKey(t, elliptic.P256()), testTime.Add(-time.Hour), testTime.Add(time.Hour))
	expired := certify(t, k.Signer.(*ecdsa.PrivateKey), testTime.Add(-9*time.Hour), testTime.Add(-time.Hour))
	for name, tc := range map[string]struct {
		m          Material
		trust      Trust
		failed     []string
		notChecked []string
	}{
		"nobody is trusted":      {m, Trust{}, nil, []string{"TimeSignature: CN=Test TSA", "DomainChain: no trusted roots", "Signer: identity not vouched for"}},
		"the key is trusted":     {m, Trust{Keys: []TrustedKey{{Fingerprint: fingerprint(t, k), NotAfter: testTime}}, Authorities: whole.Authorities}, nil, []string{"DomainChain: no trusted roots"}},
		"a foreign root":         {m, Trust{Names: []string{"archive.example"}, Domains: poolOf(foreign[1]), Authorities: whole.Authorities}, []string{"DomainChain: x509", "Signer: the key"}, nil},
		"a foreign authority":    {m, Trust{Names: []string{"archive.example"}, Domains: whole.Domains, Authorities: poolOf(stranger.Chain[1])}, []string{"TimeSignature: timeSignature: the chain ends at none of the given roots"}, []string{"CreatedTime: the signer states", "Signer: a trusted root stands behind archive.example"}},
		"no trusted authority":   {m, Trust{Names: []string{"archive.example"}, Domains: whole.Domains}, nil, []string{"TimeSignature: CN=Test TSA", "Signer: a trusted root stands behind archive.example, but no stamp of a trusted authority proves"}},
		"a stamp over something": {change(func(d *SignedData) { d.TimeSignature = encode64(otherAnswer.Response) }), whole, []string{"the stamp is over something else"}, []string{"CreatedTime", "Signer"}},
		"a token for its answer": {change(func(d *SignedData) {
			d.TimeSignature = encode64(lateAnswer.Token)
			d.TimestampCert = formatChain(late.Chain)
		}), Trust{Names: []string{"archive.example"}, Domains: whole.Domains, Authorities: poolOf(late.Chain[1])}, []string{"CreatedTime: the signer states " + data.Created + ", which is 11m0s off the stamp; at most 10m0s"}, nil},
		"no answer":                  {change(func(d *SignedData) { d.TimeSignature = "AAAA" }), whole, []string{"TimeSignature: timeSignature: it is no time-stamp token"}, []string{"CreatedTime", "Signer"}},
		"the authority's last first": {change(func(d *SignedData) { d.TimestampCert = formatChain(a.Chain[1:]) }), whole, []string{"timestampCert does not begin with the certificate that signed"}, []string{"CreatedTime", "Signer"}},
		"another domain":             {change(func(d *SignedData) { d.Domain = "other.example" }), whole, []string{"Domain: the certificate is for archive.example, not other.example", "Signer: the key"}, nil},
		"another certificate":        {change(func(d *SignedData) { d.DomainCert = formatChain(foreign) }), whole, []string{"Signature: the signature is not of this key"}, nil},
		"an expired certificate":     {change(func(d *SignedData) { d.DomainCert = formatChain(expired) }), Trust{Names: []string{"archive.example"}, Domains: poolOf(expired[1]), Authorities: whole.Authorities}, []string{"DomainChain: the certificate was not valid at", "Signer"}, nil},
		"a second way":               {change(func(d *SignedData) { d.CrossSignedCert = formatChain(second) }), Trust{Names: []string{"archive.example"}, Domains: poolOf(k.Chain[1], second[1]), Authorities: whole.Authorities}, nil, nil},
		"a second way alone":         {change(func(d *SignedData) { d.CrossSignedCert = formatChain(second) }), Trust{Names: []string{"archive.example"}, Domains: poolOf(second[1]), Authorities: whole.Authorities}, []string{"DomainChain: x509"}, nil},
		"no domain is named":         {m, Trust{Domains: whole.Domains, Authorities: whole.Authorities}, nil, []string{"Signer: a trusted root stands behind archive.example, as behind many"}},
		"another domain is named":    {m, Trust{Names: []string{"other.example"}, Domains: whole.Domains, Authorities: whole.Authorities}, []string{"Signer: the domain archive.example is not among the trusted ones"}, nil},
		"a second way of another":    {change(func(d *SignedData) { d.CrossSignedCert = formatChain(foreign) }), whole, []string{"CrossSignedCert: it is for another key than domainCert"}, nil},
	} {
		v := Verify(tc.m, tc.trust)
		want(t, name, v, Failed, tc.failed...)
		want(t, name, v, NotChecked, tc.notChecked...)
	}
}

// TestFormat: exactly two shapes, and one spelling of each value.
func TestFormat(t *testing.T) {
	t.Parallel()
	a := newTSA(t)
	one, two := encoded(t, signed(t, anonymous(t), nil)), encoded(t, signed(t, identified(t), a))
	with := func(raw []byte, name string, value any) []byte {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if m[name] = value; value == "" {
			delete(m, name)
		}
		return encoded(t, m)
	}
	for name, tc := range map[string]struct {
		raw  []byte
		want string // "" when it is good
	}{
		"anonymous":          {one, ""},
		"domain":             {two, ""},
		"no version":         {with(one, "version", ""), ""},
		"null":               {with(two, "crossSignedCert", nil), ""},
		"milliseconds":       {with(one, "created", "2022-10-05T20:40:58.000Z"), ""},
		"both shapes":        {with(two, "publicKey", "AA=="), "it mixes the two shapes: publicKey with domain, domainCert, timeSignature, timestampCert"},
		"anonymous, stamped": {with(one, "timeSignature", "AA=="), "it mixes the two shapes: publicKey with timeSignature"},
		"neither":            {with(one, "publicKey", ""), "it has neither a publicKey nor a domain"},
		"no stamp":           {with(two, "timeSignature", ""), "it has no timeSignature"},
		"no hash":            {with(one, "hash", nil), "it has no hash"},
		"unknown":            {with(one, "authorization", "x"), `it has a property "authorization", which wacz-auth 0.1.0 does not have`},
		"another spelling":   {with(with(one, "hash", ""), "Hash", string(testHash)), "it has no hash"},
		"another version":    {with(one, "version", "0.2.0"), `its version is "0.2.0"`},
		"no time":            {with(one, "created", "yesterday"), `its created "yesterday" is no time`},
		"a number":           {with(one, "software", 7), `its "software" is no string`},
		"twice":              {[]byte(`{"hash":"a","hash":"b"}`), `its "hash" is there twice`},
		"more behind it":     {append(one[:len(one):len(one)], '{'), "something follows it"},
		"a list":             {[]byte(`[]`), "it is no JSON object"},
		"nothing":            {nil, "it is no JSON object"},
		"too large":          {make([]byte, maxSignedData+1), "it has 1048577 bytes, at most"},
	} {
		_, err := ParseSignedData(tc.raw)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil {
			want(t, name, Verify(Material{Package: testHash, SignedData: tc.raw}, Trust{}), Failed, "SignedDataFormat: "+tc.want)
		}
	}
}

// TestBothEncodings: what browsers and what authsign write verifies; other spellings of
// the same signature do not.
func TestBothEncodings(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key := newKey(t, curve)
		sum := sha256.Sum256([]byte(testHash))
		der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		raw, err := toRaw(&key.PublicKey, der)
		if err != nil {
			t.Fatal(err)
		}
		for _, sig := range [][]byte{der, raw} {
			if err := verifyEither(&key.PublicKey, string(testHash), encode64(sig)); err != nil {
				t.Error(err)
			}
		}
		var v ecdsaSignature
		if _, err := asn1.Unmarshal(der, &v); err != nil {
			t.Fatal(err)
		}
		n := curve.Params().N
		more, err := asn1.Marshal(ecdsaSignature{new(big.Int).Add(v.R, n), v.S})
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]string{
			"longer":       encode64(append(der[:len(der):len(der)], 0)),
			"padded":       encode64(append([]byte{0}, raw...)),
			"r above n":    encode64(more),
			"zero":         encode64(make([]byte, len(raw))),
			"a line":       encode64(raw) + "\n",
			"nothing":      "",
			"no base64":    "*",
			"loose base64": encode64(raw[:len(raw)-1]) + "B==",
		} {
			if err := verifyEither(&key.PublicKey, string(testHash), s); err == nil {
				t.Errorf("%s %s verifies", curve.Params().Name, name)
			}
		}
	}
}

// TestBrowser: a signature made with WebCrypto (Node.js) as ArchiveWeb.page makes it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/browser.json")
	if err != nil {
		t.Fatal(err)
	}
	v := Verify(Material{Package: testHash, SignedData: raw}, Trust{})
	want(t, "browser", v, Failed)
	want(t, "browser", v, NotChecked, "Signer: identity not vouched for")
	raw = []byte(strings.Replace(string(raw), "3dd086", "3dd087", 1))
	want(t, "another hash", Verify(Material{Package: testHash, SignedData: raw}, Trust{}), Failed, "SignedHash", "Signature: the signature is not of this key")
}

func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenSSL: keys of OpenSSL sign here, OpenSSL signs what verifies here in the way of
// authsign, and it verifies what is signed here.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	for _, generate := range [][]string{
		{"ecparam", "-name", "prime256v1", "-genkey", "-out", "key.pem"},
		{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "key.pem"},
	} {
		dir := t.TempDir()
		openssl(t, dir, generate...)
		openssl(t, dir, "req", "-x509", "-key", "key.pem", "-subj", "/CN=archive.example", "-days", "2", "-out", "cert.pem")
		k, err := (&KeyFile{Path: filepath.Join(dir, "key.pem"), ChainPath: filepath.Join(dir, "cert.pem")}).Key()
		if err != nil {
			t.Fatal(err)
		}
		a := newTSA(t)
		a.Now = time.Now // the certificate is of this moment
		data, err := (&Signer{Keys: fixed{k}, Software: "test", Authority: a}).Sign(t.Context(), testHash)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := decode64(data.Signature)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "hash", []byte(testHash))
		write(t, dir, "sig", sig)
		openssl(t, dir, "ec", "-in", "key.pem", "-pubout", "-out", "public.pem")
		openssl(t, dir, "dgst", "-sha256", "-verify", "public.pem", "-signature", "sig", "hash")
		response, err := decode64(data.TimeSignature)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "text", []byte(data.Signature))
		write(t, dir, "reply", response)
		write(t, dir, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Chain[1].Raw}))
		openssl(t, dir, "ts", "-verify", "-data", "text", "-in", "reply", "-CAfile", "root.pem")

		openssl(t, dir, "dgst", "-sha256", "-sign", "key.pem", "-out", "theirs", "hash")
		theirs, err := os.ReadFile(filepath.Join(dir, "theirs"))
		if err != nil {
			t.Fatal(err)
		}
		made := *data
		made.Signature, made.Version, made.Software = encode64(theirs), "0.1.0", "authsigner 0.5.0"
		answer, err := a.Stamp(t.Context(), stampedSum(made.Signature))
		if err != nil {
			t.Fatal(err)
		}
		made.TimeSignature = encode64(answer.Response)
		v := Verify(Material{Package: testHash, SignedData: encoded(t, made)}, Trust{Names: []string{"archive.example"}, Domains: poolOf(k.Chain[0]), Authorities: poolOf(a.Chain[1])})
		want(t, "authsign", v, Failed)
		want(t, "authsign", v, NotChecked)
	}
}

// TestSignFailsClosed: whatever is missing, there is no signature at all.
func TestSignFailsClosed(t *testing.T) {
	t.Parallel()
	k, a := identified(t), newTSA(t)
	late := newTSA(t)
	late.Now = func() time.Time { return testTime.Add(11 * time.Minute) }
	old := newKey(t, elliptic.P256())
	for name, tc := range map[string]struct {
		s    Signer
		hash warc.Digest
		want string
	}{
		"no key file":         {Signer{Keys: &KeyFile{Path: filepath.Join(t.TempDir(), "none")}}, testHash, "no such file"},
		"no authority":        {Signer{Keys: fixed{k}}, testHash, "no authority is configured"},
		"a silent authority":  {Signer{Keys: fixed{k}, Authority: silent{}}, testHash, "no answer"},
		"a wrong clock":       {Signer{Keys: fixed{k}, Authority: late}, testHash, "set the clock"},
		"an old certificate":  {Signer{Keys: fixed{&Key{old, certify(t, old, testTime.AddDate(-1, 0, 0), testTime.AddDate(0, 0, -1))}}, Authority: a}, testHash, "is valid from"},
		"a key that lies":     {Signer{Keys: fixed{&Key{Signer: liar{old}}}}, testHash, "not its own"},
		"a hash of something": {Signer{Keys: fixed{k}, Authority: a}, "sha1:abc", "want sha256:"},
	} {
		tc.s.Now = clock
		data, err := tc.s.Sign(t.Context(), tc.hash)
		if data != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, %v, want %q", name, data, err, tc.want)
		}
	}
}
