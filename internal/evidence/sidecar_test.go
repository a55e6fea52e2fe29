package evidence

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

var (
	first  = Authority{Name: "first", URL: "http://first.test/"}
	second = Authority{Name: "second", URL: "http://second.test/"}
	third  = Authority{Name: "third", URL: "http://third.test/"}
)

const testFile = warc.Digest("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")

func statement(data *SignedData) Statement {
	return Statement{
		Authorization: `case "17" <ä> & more`, Created: testTime, Software: "test",
		Subject: Subject{Name: "capture.wacz", Path: "runs/1/capture.wacz", SHA256: testFile, Package: data.Hash, Signature: data.Signature},
	}
}

func newSidecar(t testing.TB, k *Key, data *SignedData, authorities ...Authority) *Sidecar {
	t.Helper()
	st := statement(data)
	st.Authorities = authorities
	sc, err := NewSidecar(fixed{k}, st)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// schema is the published schema of sidecars, which lets nothing else pass.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("../../docs/reference/evidence.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("evidence.json", parsed); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("evidence.json")
}

// written is a sidecar as it is written, which has to keep to its schema and to be read
// as what it was.
func written(t *testing.T, sc *Sidecar) []byte {
	t.Helper()
	raw, err := sc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(value); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
	back, err := ParseSidecar(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if diff := cmp.Diff(sc, back); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	return raw
}

// TestStampsAreOwedAndFetched: with none reachable they are owed; each that comes stays.
func TestStampsAreOwedAndFetched(t *testing.T) {
	t.Parallel()
	k, a, b := anonymous(t), newTSA(t), newTSA(t)
	data := signed(t, k, nil)
	sc := newSidecar(t, k, data, first, second, third)
	written(t, sc)
	if diff := cmp.Diff([]Authority{first, second, third}, sc.Owed()); diff != "" {
		t.Error(diff)
	}
	before := written(t, sc)
	reach := func(reachable ...Authority) func(Authority) Stamper {
		return func(asked Authority) Stamper {
			for _, r := range reachable {
				switch {
				case r == asked && r == second:
					return b
				case r == asked:
					return a
				}
			}
			if asked == third {
				return nil
			}
			return silent{}
		}
	}
	one, err := sc.Fetch(t.Context(), reach(first))
	if err == nil || !strings.Contains(err.Error(), "second: no answer") {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(before, written(t, sc)) {
		t.Error("the sidecar before was changed")
	}
	if diff := cmp.Diff(&Owed{Since: testTime, Tries: 1, LastError: "no answer at all"}, one.Stamps[1].Owed); diff != "" || one.Stamps[0].Owed != nil {
		t.Error(diff)
	}
	got := written(t, one)
	m := Material{Package: testHash, SignedData: encoded(t, data), Sidecar: one, File: testFile}
	trust := Trust{Keys: []TrustedKey{{Fingerprint: fingerprint(t, k), NotAfter: testTime}}, Authorities: poolOf(a.Chain[1], b.Chain[1])}
	v := Verify(m, trust)
	want(t, "one", v, Failed)
	want(t, "one", v, NotChecked, "Stamp: the stamp of second is owed since", "Stamp: the stamp of third is owed since")
	if !v.Signer.Vouched || !v.Signer.Proven.Equal(testTime) {
		t.Errorf("%+v", v.Signer)
	}
	// Nothing is lost when nobody answers any more, nor asked for again.
	none, err := one.Fetch(t.Context(), reach())
	if err == nil || !cmp.Equal(one.Stamps[0], none.Stamps[0]) || none.Stamps[1].Owed.Tries != 2 {
		t.Errorf("%v: %+v", err, none)
	}
	all, err := none.Fetch(t.Context(), reach(second))
	if err == nil || !strings.Contains(err.Error(), "third: this authority is not configured") {
		t.Error(err)
	}
	if !cmp.Equal(one.Stamps[0], all.Stamps[0]) || len(all.Owed()) != 1 {
		t.Errorf("%+v", all)
	}
	if bytes.Equal(got, written(t, all)) {
		t.Error("the second stamp is not written")
	}
	v = Verify(Material{Package: testHash, SignedData: m.SignedData, Sidecar: all, File: testFile}, trust)
	want(t, "two", v, Failed)
	if len(v.Signer.Stamps) != 2 {
		t.Errorf("%d stamps", len(v.Signer.Stamps))
	}
}

// TestOneAuthorityIsOneWitness: a stamp in the place of another authority's proves nothing more.
func TestOneAuthorityIsOneWitness(t *testing.T) {
	t.Parallel()
	k, a := anonymous(t), newTSA(t)
	data := signed(t, k, nil)
	sc, err := newSidecar(t, k, data, first, second).Fetch(t.Context(), func(Authority) Stamper { return a })
	if err != nil {
		t.Fatal(err)
	}
	sc.Stamps[1].Token = sc.Stamps[0].Token
	v := Verify(Material{Package: testHash, SignedData: encoded(t, data), Sidecar: sc, File: testFile}, Trust{Keys: []TrustedKey{{Fingerprint: fingerprint(t, k)}}, Authorities: poolOf(a.Chain[1])})
	want(t, "twice", v, Failed)
	want(t, "twice", v, NotChecked, "Stamp: second: the stamp is of the same authority as another one")
}

// TestFetchOverHTTP: the client of package tsa is a Stamper.
func TestFetchOverHTTP(t *testing.T) {
	t.Parallel()
	k, a := anonymous(t), newTSA(t)
	server := httptest.NewServer(a)
	defer server.Close()
	sc := newSidecar(t, k, signed(t, k, nil), Authority{Name: "local", URL: server.URL})
	got, err := sc.Fetch(t.Context(), func(x Authority) Stamper { return &tsa.Client{URL: x.URL, Roots: poolOf(a.Chain[1])} })
	if err != nil || len(got.Owed()) != 0 {
		t.Errorf("%v: %+v", err, got)
	}
}

// TestSidecarVerdicts: what does not belong together is told apart.
func TestSidecarVerdicts(t *testing.T) {
	t.Parallel()
	k, other, a := anonymous(t), &Key{Signer: newKey(t, elliptic.P256())}, newTSA(t)
	data, foreign := signed(t, k, nil), signed(t, other, nil)
	fetch := func(sc *Sidecar) *Sidecar {
		t.Helper()
		out, err := sc.Fetch(t.Context(), func(Authority) Stamper { return a })
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	whole := fetch(newSidecar(t, k, data, first))
	change := func(f func(sc *Sidecar)) *Sidecar {
		sc := whole.clone()
		f(sc)
		return sc
	}
	mine := []TrustedKey{{Fingerprint: fingerprint(t, k)}}
	both := append(mine, TrustedKey{Fingerprint: fingerprint(t, other)})
	roots := poolOf(a.Chain[1])
	for name, tc := range map[string]struct {
		sidecar    *Sidecar
		file       warc.Digest
		trust      Trust
		failed     []string
		notChecked []string
	}{
		"whole":                {whole, testFile, Trust{Keys: mine, Authorities: roots}, nil, nil},
		"nobody is trusted":    {whole, "", Trust{}, nil, []string{"Stamp: CN=Test TSA stamped the signature at", "Signer: identity", "SidecarFile: the SHA-256"}},
		"a foreign authority":  {whole, testFile, Trust{Keys: mine, Authorities: poolOf(newTSA(t).Chain[1])}, []string{"Stamp: first: the chain ends at none"}, nil},
		"another file":         {whole, testHash, Trust{Keys: mine, Authorities: roots}, []string{"SidecarFile: the file is " + string(testHash)}, nil},
		"another's":            {fetch(newSidecar(t, other, foreign, first)), testFile, Trust{Keys: both, Authorities: roots}, []string{"Stamp: first: the stamp is over something else", "SidecarSubject: it is about another signature"}, nil},
		"by another key":       {fetch(newSidecar(t, other, data, first)), testFile, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSigner: the key " + fingerprint(t, other)}, nil},
		"by a trusted key":     {fetch(newSidecar(t, other, data, first)), testFile, Trust{Keys: both, Authorities: roots}, nil, nil},
		"by whom":              {newSidecar(t, other, data), testFile, Trust{}, []string{"SidecarSigner: it is of the key"}, []string{"Signer: identity"}},
		"another case":         {change(func(sc *Sidecar) { sc.Statement.Authorization = "case 18" }), testFile, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSignature: the signature is not of this key"}, nil},
		"another package":      {change(func(sc *Sidecar) { sc.Statement.Subject.Package = testFile }), testFile, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSubject: it is about a datapackage.json of", "SidecarSignature"}, nil},
		"a stamp for a stamp":  {change(func(sc *Sidecar) { sc.Stamps[0].Token = []byte{0x30, 0} }), testFile, Trust{Keys: mine, Authorities: roots}, []string{"Stamp: first: it is no time-stamp token"}, nil},
		"another key's public": {change(func(sc *Sidecar) { sc.Signature.PublicKey = whole.Signature.PublicKey[4:] }), testFile, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSignature: the public key"}, nil},
	} {
		v := Verify(Material{Package: testHash, SignedData: encoded(t, data), Sidecar: tc.sidecar, File: tc.file}, tc.trust)
		want(t, name, v, Failed, tc.failed...)
		want(t, name, v, NotChecked, tc.notChecked...)
	}
}

// TestSidecarIsReadStrictly: each text has one meaning.
func TestSidecarIsReadStrictly(t *testing.T) {
	t.Parallel()
	k := anonymous(t)
	good := string(written(t, newSidecar(t, k, signed(t, k, nil), first)))
	replace := func(old, with string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in\n%s", old, good)
		}
		return strings.Replace(good, old, with, 1)
	}
	for name, raw := range map[string]string{
		"unknown":             replace(`"version": 1`, `"version": 1, "note": "x"`),
		"unknown deep inside": replace(`"tries": 0`, `"tries": 0, "note": "x"`),
		"twice":               replace(`"version": 1`, `"version": 1, "version": 1`),
		"another case":        replace(`"version": 1`, `"Version": 1`),
		"another version":     replace(`"version": 1`, `"version": 2`),
		"another format":      replace(`crawlfleet-evidence`, `other`),
		"null":                replace(`"tries": 0`, `"tries": 0, "lastError": null`),
		"more behind it":      good + "{}",
		"nothing":             "",
		"no hash":             replace(string(testFile), "sha1:abc"),
		"negative tries":      replace(`"tries": 0`, `"tries": -1`),
		"both":                replace(`"owed"`, `"token": "AAAA", "owed"`),
		"another authority":   strings.Replace(good, `"name": "first"`, `"name": "fiist"`, 1),
		"its stamp is not of": good[:strings.LastIndex(good, `"first"`)] + `"second"` + good[strings.LastIndex(good, `"first"`)+len(`"first"`):],
		"signature alone":     replace(`"package": "`+string(testHash)+`",`, ""),
		"a second line":       replace(`"software": "test"`, `"software": "te\nst"`),
		"no UTF-8":            replace(`"software": "test"`, "\"software\": \"\xff\""),
		"too long":            replace(`"software": "test"`, `"software": "`+strings.Repeat("x", maxText+1)+`"`),
		"nested without end":  strings.Repeat("[", 100000),
		"too large":           strings.Repeat(" ", maxSidecar+1),
		"no stamps":           `{"format":"crawlfleet-evidence","version":1}`,
	} {
		if _, err := ParseSidecar([]byte(raw)); err == nil || !strings.HasPrefix(err.Error(), "sidecar: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyFile: the sidecar of a file that has no signature in itself.
func TestVerifyFile(t *testing.T) {
	t.Parallel()
	k, a := anonymous(t), newTSA(t)
	sc, err := NewSidecar(fixed{k}, Statement{Authorities: []Authority{first}, Created: testTime, Software: "test", Subject: Subject{Name: "run.json", SHA256: testFile}})
	if err != nil {
		t.Fatal(err)
	}
	if sc, err = sc.Fetch(t.Context(), func(Authority) Stamper { return a }); err != nil {
		t.Fatal(err)
	}
	written(t, sc)
	changed := sc.clone()
	changed.Statement.Software = "other"
	mine, roots := []TrustedKey{{Fingerprint: fingerprint(t, k), NotAfter: testTime}}, poolOf(a.Chain[1])
	for name, tc := range map[string]struct {
		name               string
		sum                warc.Digest
		sidecar            *Sidecar
		trust              Trust
		failed, notChecked []string
	}{
		"whole":          {"run.json", testFile, sc, Trust{Keys: mine, Authorities: roots}, nil, nil},
		"nobody":         {"run.json", testFile, sc, Trust{}, nil, []string{"Stamp: CN=Test TSA", "SidecarSigner: identity not vouched for"}},
		"another name":   {"x.json", testFile, sc, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSubject: it is about a file of the name"}, nil},
		"another file":   {"run.json", testHash, sc, Trust{Keys: mine, Authorities: roots}, []string{"SidecarFile: the file is"}, nil},
		"another key":    {"run.json", testFile, sc, Trust{Keys: []TrustedKey{}, Authorities: roots}, []string{"SidecarSigner: the key"}, nil},
		"changed":        {"run.json", testFile, changed, Trust{Keys: mine, Authorities: roots}, []string{"SidecarSignature: the signature is not of this key"}, nil},
		"that of a WACZ": {"capture.wacz", testFile, newSidecar(t, k, signed(t, k, nil)), Trust{Keys: mine[:1:1]}, []string{"SidecarSubject: it is about a WACZ"}, []string{"SidecarSigner: the key"}},
	} {
		v := VerifyFile(tc.name, tc.sum, tc.sidecar, tc.trust)
		want(t, name, v, Failed, tc.failed...)
		want(t, name, v, NotChecked, tc.notChecked...)
	}
}

// TestSidecarFailsClosed: nothing is written half.
func TestSidecarFailsClosed(t *testing.T) {
	t.Parallel()
	k := anonymous(t)
	data := signed(t, k, nil)
	for name, f := range map[string]func(s *Statement) Keys{
		"no key":           func(*Statement) Keys { return &KeyFile{Path: "/none"} },
		"a lying key":      func(*Statement) Keys { return fixed{&Key{Signer: liar{newKey(t, elliptic.P256())}}} },
		"not signed":       func(s *Statement) Keys { s.Subject.Signature = ""; return fixed{k} },
		"no file":          func(s *Statement) Keys { s.Subject.SHA256 = ""; return fixed{k} },
		"no package":       func(s *Statement) Keys { s.Subject.Package = "x"; return fixed{k} },
		"a broken case":    func(s *Statement) Keys { s.Authorization = "a\u2028b"; return fixed{k} },
		"without software": func(s *Statement) Keys { s.Software = ""; return fixed{k} },
	} {
		s := statement(data)
		keys := f(&s)
		s.Authorities = []Authority{first}
		if sc, err := NewSidecar(keys, s); sc != nil || err == nil {
			t.Errorf("%s: %v, %v", name, sc, err)
		}
	}
}

// TestOpenSSLVerifiesSidecars: with the recipe of docs/reference/signing.md.
func TestOpenSSLVerifiesSidecars(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, a := anonymous(t), newTSA(t)
	sc, err := newSidecar(t, k, signed(t, k, nil), first).Fetch(t.Context(), func(Authority) Stamper { return a })
	if err != nil {
		t.Fatal(err)
	}
	// (A reader without this package: what is signed is built from the file alone, by
	// a sorted and compact encoding.)
	var raw struct {
		Format    any
		Version   any
		Statement any
	}
	if err := json.Unmarshal(written(t, sc), &raw); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"format": raw.Format, "version": raw.Version, "statement": raw.Statement}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "text", bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	for name, encoded := range map[string]string{"key.der": sc.Signature.PublicKey, "sig": sc.Signature.Signature} {
		b, err := decode64(encoded)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, b)
	}
	openssl(t, dir, "pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-out", "key.pem")
	openssl(t, dir, "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "text")
	write(t, dir, "signature", []byte(sc.Statement.Subject.Signature))
	write(t, dir, "token", sc.Stamps[0].Token)
	write(t, dir, "root.pem", pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: a.Chain[1].Raw}))
	openssl(t, dir, "ts", "-verify", "-data", "signature", "-token_in", "-in", "token", "-CAfile", "root.pem")
}

func FuzzParseSidecar(f *testing.F) {
	k := anonymous(f)
	raw, err := newSidecar(f, k, signed(f, k, nil), first).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		sc, err := ParseSidecar(b)
		if err != nil {
			return
		}
		again, err := sc.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSidecar(again); err != nil {
			t.Errorf("%v\n%s", err, again)
		}
	})
}

func FuzzSignedData(f *testing.F) {
	f.Add(encoded(f, signed(f, anonymous(f), nil)))
	f.Add(encoded(f, signed(f, identified(f), newTSA(f))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := Verify(Material{Package: testHash, SignedData: b}, Trust{Keys: []TrustedKey{}, Domains: poolOf(), Authorities: poolOf()}); len(v.With(Failed)) == 0 {
			t.Errorf("nobody is trusted, and nothing failed: %s", b)
		}
	})
}
