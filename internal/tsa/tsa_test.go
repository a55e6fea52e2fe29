package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

var (
	// (The library writes the signing time of the machine's clock into a token, and
	// checks it, so that certificates have to be valid today as well.)
	testTime = time.Now().UTC().Truncate(time.Second)
	testSum  = sha256.Sum256([]byte("evidence"))
)

func clock() time.Time { return testTime }

func newAuthority(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority("Test TSA", clock)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *Authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Chain[len(a.Chain)-1])
	return pool
}

// reissue makes an authority with a certificate after a template.
func reissue(t testing.TB, template *x509.Certificate) *Authority {
	t.Helper()
	rootKey, key := newKey(t), newKey(t)
	root, err := Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, NotBefore: testTime.AddDate(-9, 0, 0), NotAfter: testTime.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}, rootKey.Public(), &x509.Certificate{Subject: pkix.Name{CommonName: "root"}}, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Issue(template, key.Public(), root, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{Chain: []*x509.Certificate{cert, root}, Key: key, Now: clock}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func query(t testing.TB, change func(*timestamp.Request)) []byte {
	t.Helper()
	req := timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: testSum[:], Certificates: true, Nonce: big.NewInt(7)}
	if change != nil {
		change(&req)
	}
	der, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// token is a token of the authority over testSum.
func token(t testing.TB, a *Authority) []byte {
	t.Helper()
	reply, err := a.Answer(query(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := timestamp.ParseResponse(reply)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.RawToken
}

func TestStamp(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := httptest.NewServer(a)
	defer server.Close()
	client := &Client{URL: server.URL, Roots: a.roots()}
	answer, err := client.Stamp(t.Context(), testSum)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := Verify(answer.Token, testSum, Options{Roots: a.roots()})
	if err != nil {
		t.Fatal(err)
	}
	if !stamp.Time.Equal(testTime) || stamp.Accuracy != time.Second || stamp.Policy != "2.999.3161" || stamp.Authority != "CN=Test TSA" || !stamp.Vouched || stamp.Serial.Sign() <= 0 {
		t.Errorf("%+v", stamp)
	}
	if len(stamp.Chain) != 2 || !stamp.Chain[0].Equal(a.Chain[0]) || !stamp.Chain[1].Equal(a.Chain[1]) {
		t.Errorf("chain of %d", len(stamp.Chain))
	}
	if stamp, err := Verify(answer.Token, testSum, Options{}); err != nil || stamp.Vouched || len(stamp.Chain) != 2 {
		t.Errorf("without roots: %+v, %v", stamp, err)
	}
}

// TestVerifyRefuses: each with its reason.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	whole := token(t, a)
	other := sha256.Sum256([]byte("something else"))
	good := func() *x509.Certificate { return Template("x", testTime.AddDate(-1, 0, 0), testTime.AddDate(1, 0, 0)) }
	at := func(years int) *Authority {
		a := reissue(t, good())
		a.Now = func() time.Time { return testTime.AddDate(years, 0, 0) }
		return a
	}
	uncritical, twice := good(), good()
	uncritical.ExtraExtensions, uncritical.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
	twice.ExtraExtensions, twice.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageServerAuth}
	none := good()
	none.ExtraExtensions = nil
	cases := map[string]struct {
		token []byte
		sum   [32]byte
		opts  Options
		want  error
	}{
		"over something else":         {whole, other, Options{}, ErrImprint},
		"another request's":           {whole, testSum, Options{Nonce: big.NewInt(8)}, ErrNonce},
		"a foreign root":              {whole, testSum, Options{Roots: newAuthority(t).roots()}, ErrForeign},
		"no roots at all":             {whole, testSum, Options{Roots: x509.NewCertPool()}, ErrForeign},
		"nothing":                     {nil, testSum, Options{}, ErrFormat},
		"more behind it":              {append(bytes.Clone(whole), 0), testSum, Options{}, ErrFormat},
		"cut off":                     {whole[:len(whole)-1], testSum, Options{}, ErrFormat},
		"too large":                   {make([]byte, MaxToken+1), testSum, Options{}, ErrFormat},
		"nested without end":          {bytes.Repeat([]byte{0x30, 0x80}, 10000), testSum, Options{}, ErrFormat},
		"expired at the stamp's time": {token(t, at(2)), testSum, Options{}, ErrExpired},
		"not yet valid then":          {token(t, at(-2)), testSum, Options{}, ErrExpired},
		"a purpose not critical":      {token(t, reissue(t, uncritical)), testSum, Options{}, ErrPurpose},
		"a second purpose":            {token(t, reissue(t, twice)), testSum, Options{}, ErrPurpose},
		"no purpose":                  {token(t, reissue(t, none)), testSum, Options{}, ErrPurpose},
	}
	for name, tc := range cases {
		if stamp, err := Verify(tc.token, tc.sum, tc.opts); !errors.Is(err, tc.want) || stamp != nil {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// TestExpiredRoot: the leaf is valid at the time of the stamp, what is above it is not.
func TestExpiredRoot(t *testing.T) {
	t.Parallel()
	a := reissue(t, Template("x", testTime.AddDate(-1, 0, 0), testTime.AddDate(30, 0, 0)))
	a.Now = func() time.Time { return testTime.AddDate(20, 0, 0) }
	if _, err := Verify(token(t, a), testSum, Options{Roots: a.roots()}); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}

// TestSwappedCertificate: a second certificate for the same key, name and number cannot
// take the place of the one that the signature names.
func TestSwappedCertificate(t *testing.T) {
	t.Parallel()
	rootKey, key := newKey(t), newKey(t)
	issue := func(from time.Time) *x509.Certificate {
		template := Template("x", from, testTime.AddDate(1, 0, 0))
		template.SerialNumber = big.NewInt(5)
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}}, key.Public(), rootKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	first, second := issue(testTime.AddDate(-1, 0, 0)), issue(testTime.AddDate(-2, 0, 0))
	a := &Authority{Chain: []*x509.Certificate{first}, Key: key, Now: clock}
	reply, err := a.Answer(query(t, func(r *timestamp.Request) { r.Certificates = false }))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := timestamp.ParseResponse(reply)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(parsed.RawToken, testSum, Options{Certificates: []*x509.Certificate{first}}); err != nil {
		t.Error(err)
	}
	if _, err := Verify(parsed.RawToken, testSum, Options{Certificates: []*x509.Certificate{second}}); !errors.Is(err, ErrCertificate) {
		t.Error(err)
	}
	if _, err := Verify(parsed.RawToken, testSum, Options{}); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// TestEveryFlippedByte: no byte of a token can change unnoticed, but for those of
// certificates that are not the signer's, which Roots are for.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good := token(t, a)
	if s, err := Verify(good, testSum, Options{Roots: a.roots()}); err != nil || len(s.Loose) > 0 {
		t.Fatal(s, err)
	}
	for i := range good {
		for _, bit := range []byte{0x01, 0x08, 0x20} {
			changed := bytes.Clone(good)
			changed[i] ^= bit
			if s, err := Verify(changed, testSum, Options{Roots: a.roots()}); err == nil && len(s.Loose) == 0 {
				t.Errorf("bit %#x of byte %d: its change is not noticed", bit, i)
			}
		}
	}
}

func TestClientRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	reply := func(der []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", replyType)
			w.Write(der)
		}
	}
	old, err := a.Answer(query(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	rejected, err := a.Answer(query(t, func(r *timestamp.Request) { r.TSAPolicyOID = asn1.ObjectIdentifier{1, 2, 3} }))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		handler http.Handler
		want    string
	}{
		"an old answer":   {reply(old), ErrNonce.Error()},
		"a rejection":     {reply(rejected), "the request is rejected:  (the requested TSA policy is not supported by the TSA)"},
		"a page":          {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>hello")) }), `it answered with "text/html; charset=utf-8", not application/timestamp-reply`},
		"an error":        {http.NotFoundHandler(), "status 404"},
		"a redirection":   {http.RedirectHandler("http://192.0.2.1/", http.StatusTemporaryRedirect), "status 307"},
		"without end":     {reply(make([]byte, MaxToken+10)), "more than 262144 bytes"},
		"no ASN.1":        {reply([]byte("hello")), "the answer is no time-stamp response"},
		"a foreign chain": {newAuthority(t), ErrForeign.Error()},
		"silence":         {http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }), "context deadline exceeded"},
	}
	for name, tc := range cases {
		server := httptest.NewServer(tc.handler)
		timeout := time.Minute
		if name == "silence" {
			timeout = 50 * time.Millisecond
		}
		_, err := (&Client{URL: server.URL, Roots: a.roots(), Timeout: timeout}).Stamp(context.Background(), testSum)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "time stamp of "+server.URL+": ") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		server.CloseClientConnections()
		server.Close()
	}
}

func TestAuthorityRejects(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	version := query(t, nil)
	version[bytes.Index(version, []byte{2, 1, 1})+2] = 2
	cases := map[string]struct {
		query []byte
		want  timestamp.FailureInfo
	}{
		"no request":      {[]byte("hello"), timestamp.BadDataFormat},
		"another version": {version, timestamp.BadDataFormat},
		"more behind it":  {append(query(t, nil), 0), timestamp.BadDataFormat},
		"a sum too short": {query(t, func(r *timestamp.Request) { r.HashedMessage = r.HashedMessage[1:] }), timestamp.BadDataFormat},
		"SHA-1":           {query(t, func(r *timestamp.Request) { r.HashAlgorithm, r.HashedMessage = crypto.SHA1, make([]byte, 20) }), timestamp.BadAlgorithm},
		"another policy":  {query(t, func(r *timestamp.Request) { r.TSAPolicyOID = asn1.ObjectIdentifier{1, 2, 3} }), timestamp.UnacceptedPolicy},
		"what it cannot do": {query(t, func(r *timestamp.Request) {
			r.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
		}), timestamp.UnacceptedExtension},
	}
	for name, tc := range cases {
		reply, err := a.Answer(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := timestamp.ParseResponse(reply); err == nil || !strings.Contains(err.Error(), tc.want.String()) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	for _, tc := range []struct {
		method, contentType, body string
		want                      int
	}{
		{http.MethodGet, queryType, "", http.StatusMethodNotAllowed},
		{http.MethodPost, "text/plain", "", http.StatusUnsupportedMediaType},
		{http.MethodPost, queryType, strings.Repeat("x", maxQuery+1), http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, "/", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.contentType)
		if a.ServeHTTP(w, r); w.Code != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.method, tc.contentType, w.Code, tc.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	a := newAuthority(f)
	f.Add(token(f, a))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if stamp, err := Verify(b, testSum, Options{Roots: a.roots()}); (stamp == nil) == (err == nil) {
			t.Errorf("%v, %v", stamp, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	a := newAuthority(f)
	f.Add(query(f, nil))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, err := a.Answer(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkDER(reply, 0); err != nil {
			t.Error(err)
		}
	})
}
