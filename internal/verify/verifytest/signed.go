package verifytest

import (
	"context"
	"crypto/x509"
	"net/http/httptest"
	"path"
	"testing"
	"testing/fstest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Office signs, and has its signatures stamped.
type Office struct {
	// Key signs, Authority stamps; Now is the time of both.
	Key       *evidence.Key
	Authority *tsa.Authority
	Now       time.Time
	url       string // of the authority
}

// keys is one key.
type keys struct{ key *evidence.Key }

// Key implements evidence.Keys.
func (k keys) Key() (*evidence.Key, error) { return k.key, nil }

// NewOffice makes one with keys of its own, which signs when the samples are captured.
func NewOffice(t testing.TB) *Office {
	t.Helper()
	pem, err := evidence.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &Office{Key: key, Now: When.Add(time.Minute)}
	if o.Authority, err = tsa.NewAuthority("Test TSA", func() time.Time { return o.Now }); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(o.Authority)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// Trust trusts the office and its authority.
func (o *Office) Trust(t testing.TB) evidence.Trust {
	t.Helper()
	public, err := o.Key.Public()
	if err != nil {
		t.Fatal(err)
	}
	name, err := evidence.Fingerprint(public)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(o.Authority.Chain[len(o.Authority.Chain)-1])
	return evidence.Trust{Keys: []evidence.TrustedKey{{Fingerprint: name}}, Authorities: roots}
}

// Sign is the hook of a WACZ.
func (o *Office) Sign(d warc.Digest) (any, error) {
	s := evidence.Signer{Keys: keys{o.Key}, Software: "test", Now: func() time.Time { return o.Now }}
	return s.Sign(context.Background(), d)
}

// Sidecar puts the sidecar of a file beside it, with a stamp; data is the signature in it, nil for
// what is no WACZ.
func (o *Office) Sidecar(t testing.TB, fsys fstest.MapFS, name string, data *evidence.SignedData) {
	t.Helper()
	st := evidence.Statement{
		Authorities: []evidence.Authority{{Name: "test", URL: "http://tsa.example/"}}, Created: o.Now, Software: "test",
		Subject: evidence.Subject{Name: path.Base(name), SHA256: warc.SHA256Of(fsys[name].Data)},
	}
	if data != nil {
		st.Subject.Package, st.Subject.Signature = data.Hash, data.Signature
	}
	sc, err := evidence.NewSidecar(keys{o.Key}, st)
	if err == nil {
		sc, err = sc.Fetch(t.Context(), func(evidence.Authority) evidence.Stamper { return &tsa.Client{URL: o.url} })
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	fsys[name+evidence.SidecarSuffix] = &fstest.MapFile{Data: raw}
}

// SignedData is that of a WACZ.
func SignedData(t testing.TB, raw []byte) *evidence.SignedData {
	t.Helper()
	z, err := wacz.Open(readerAt(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := z.PackageDigest()
	if err != nil {
		t.Fatal(err)
	}
	data, err := evidence.ParseSignedData(d.SignedData)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// NewSignedRun is a run of n pages that an office signed, whole.
func NewSignedRun(t testing.TB, o *Office, n int) fstest.MapFS {
	t.Helper()
	var chunks [][]byte
	for i := range n {
		s := NewSample(i + 1)
		s.Sign = o.Sign
		chunks = append(chunks, s.Pack(t))
	}
	fsys, st := NewRun(t, chunks...)
	for name := range fsys {
		if path.Ext(name) == ".wacz" {
			o.Sidecar(t, fsys, name, SignedData(t, fsys[name].Data))
		}
	}
	State(t, fsys, st)
	o.Sidecar(t, fsys, "run.json", nil)
	return fsys
}
