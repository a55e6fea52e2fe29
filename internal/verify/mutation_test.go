package verify_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// flips is how many random bits are flipped in the mutation suite, one at a time.
const flips = 3000

// checkRun checks a run by what an office is trusted with. A file that cannot be read is refused,
// too.
func checkRun(fsys fstest.MapFS, trust evidence.Trust) verify.Report {
	v := verify.Verifier{Trust: trust}
	r, err := v.Run(context.Background(), fsys, "run")
	if err != nil {
		return verify.Report{Verdict: verify.Fails}
	}
	return r
}

// with is a folder in which one file has other content; nil removes it.
func with(fsys fstest.MapFS, name string, data []byte) fstest.MapFS {
	changed := maps.Clone(fsys)
	if data == nil {
		delete(changed, name)
		return changed
	}
	changed[name] = &fstest.MapFile{Data: data}
	return changed
}

// TestMutationsOfASignedRun: the whole holds. Whatever happens to any file of it, it does not any more.
func TestMutationsOfASignedRun(t *testing.T) {
	t.Parallel()
	o := verifytest.NewOffice(t)
	trust := o.Trust(t)
	good := verifytest.NewSignedRun(t, o, 2)
	if r := checkRun(good, trust); r.Verdict != verify.Holds {
		t.Fatalf("a good run does not hold: %+v\n%+v", r.Checks, r.Parts)
	}
	var n int
	mutate := func(what string, changed fstest.MapFS) {
		t.Helper()
		n++
		if r := checkRun(changed, trust); r.Verdict == verify.Holds {
			t.Errorf("%s: is not noticed", what)
		}
	}
	names := slices.Sorted(maps.Keys(good))
	for _, name := range names {
		data := good[name].Data
		mutate(name+" missing", with(good, name, nil))
		mutate(name+" empty", with(good, name, []byte{}))
		mutate(name+" longer", with(good, name, append(bytes.Clone(data), 0)))
		mutate(name+" with a space", with(good, name, append(bytes.Clone(data), ' ')))
		mutate(name+" doubled", with(good, name, append(bytes.Clone(data), data...)))
		for _, size := range []int{1, len(data) / 3, len(data) / 2, len(data) - 1} {
			mutate(fmt.Sprintf("%s cut to %d", name, size), with(good, name, data[:size]))
		}
		for _, other := range names {
			if other != name && !bytes.Equal(good[other].Data, data) {
				mutate(name+" is "+other, with(good, name, good[other].Data))
			}
		}
	}
	t.Logf("%d mutations of whole files", n)
	flip(t, good, trust)
}

// flip flips random bits, several files at a time in parallel.
func flip(t *testing.T, good fstest.MapFS, trust evidence.Trust) {
	t.Helper()
	names := slices.Sorted(maps.Keys(good))
	var workers sync.WaitGroup
	share := flips / runtime.GOMAXPROCS(0)
	for w := range runtime.GOMAXPROCS(0) {
		random := rand.New(rand.NewPCG(17, uint64(w)))
		workers.Go(func() {
			for range share {
				name := names[random.IntN(len(names))]
				data := bytes.Clone(good[name].Data)
				at, bit := random.IntN(len(data)), byte(1)<<random.IntN(8)
				data[at] ^= bit
				if r := checkRun(with(good, name, data), trust); r.Verdict == verify.Holds {
					t.Errorf("%s: bit %#x of byte %d is flipped, and it is not noticed", name, bit, at)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d flipped bits", share*runtime.GOMAXPROCS(0))
}

// TestForgeries: who makes everything anew, with every hash as it should be, but has not the key.
func TestForgeries(t *testing.T) {
	t.Parallel()
	o, other := verifytest.NewOffice(t), verifytest.NewOffice(t)
	trust := o.Trust(t)
	good := verifytest.NewSignedRun(t, o, 2)
	const chunk, statement = "chunks/b0.wacz", "run.json"
	// forged is the run with another first chunk, which the statement names.
	forged := func(sign func(*verifytest.Sample), sidecar *verifytest.Office, change func(*verifytest.Sample)) fstest.MapFS {
		s := verifytest.NewSample(1)
		change(s)
		sign(s)
		fsys := with(good, chunk, s.Pack(t))
		delete(fsys, chunk+verify.SidecarSuffix)
		if sidecar != nil {
			sidecar.Sidecar(t, fsys, chunk, verifytest.SignedData(t, fsys[chunk].Data))
		}
		return restate(t, fsys, other)
	}
	nothing := func(*verifytest.Sample) {}
	for name, tc := range map[string]struct {
		reason string
		fsys   fstest.MapFS
		trust  evidence.Trust
		want   verify.Verdict
		check  string
	}{
		"Unsigned": {"the signature is taken away, so nobody vouches for the file", forged(nothing, nil, nothing), trust, verify.Fails, "Signature"},
		"WrongKey": {"it is validly signed by somebody else", forged(func(s *verifytest.Sample) { s.Sign = other.Sign }, other, nothing), trust, verify.Fails, "Signature"},
		"RecordRemoved": {"a record is left out, everything is counted anew and signed by somebody else",
			forged(func(s *verifytest.Sample) { s.Sign = other.Sign }, other, func(s *verifytest.Sample) { s.RemoveRecord(1) }), trust, verify.Fails, "Signature"},
		"StatementForged":  {"the statement is made anew by somebody else", restate(t, maps.Clone(good), other), trust, verify.Fails, "Signature"},
		"SidecarOfAnother": {"the sidecar is that of another chunk", with(good, chunk+verify.SidecarSuffix, good["chunks/b1.wacz"+verify.SidecarSuffix].Data), trust, verify.Fails, "Sidecar"},
		"StampOfAnother":   {"the stamp is over another signature", swapStamps(t, good, chunk, "chunks/b1.wacz"), trust, verify.Fails, "Stamp"},
		"ForeignAuthority": {"the stamp is of an authority that is not trusted", good, evidence.Trust{Keys: trust.Keys, Authorities: x509.NewCertPool()}, verify.Fails, "Stamp"},
		"KeyExpired": {"the key was trusted until the day before", good, evidence.Trust{Authorities: trust.Authorities,
			Keys: []evidence.TrustedKey{{Fingerprint: trust.Keys[0].Fingerprint, NotAfter: o.Now.Add(-24 * time.Hour)}}}, verify.Fails, "Signature"},
		"KeyRotated": {"the key was trusted until later, and a stamp proves that the signature is older", good, evidence.Trust{Authorities: trust.Authorities,
			Keys: []evidence.TrustedKey{{Fingerprint: trust.Keys[0].Fingerprint, NotAfter: o.Now.Add(24 * time.Hour)}}}, verify.Holds, ""},
		"NobodyTrusted":        {"nobody said whom to trust", good, evidence.Trust{}, verify.Unchecked, ""},
		"NoStatementSignature": {"the statement is not signed", with(good, statement+verify.SidecarSuffix, nil), trust, verify.Unchecked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := checkRun(tc.fsys, tc.trust)
			if r.Verdict != tc.want {
				t.Errorf("%s: %s, want %s\n%+v", tc.reason, r.Verdict, tc.want, r)
			}
			if tc.check != "" && !slices.Contains(failing(r), tc.check) {
				t.Errorf("%s: what fails is %v, want %s", tc.reason, failing(r), tc.check)
			}
		})
	}
}

// restate makes the statement anew, with the chunks as they are, signed by an office.
func restate(t *testing.T, fsys fstest.MapFS, o *verifytest.Office) fstest.MapFS {
	t.Helper()
	var chunks [][]byte
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		if path.Ext(name) == ".wacz" {
			chunks = append(chunks, fsys[name].Data)
		}
	}
	_, st := verifytest.NewRun(t, chunks...)
	verifytest.State(t, fsys, st)
	o.Sidecar(t, fsys, "run.json", nil)
	return fsys
}

// swapStamps gives the sidecar of one file the stamps of another's.
func swapStamps(t *testing.T, good fstest.MapFS, to, from string) fstest.MapFS {
	t.Helper()
	read := func(name string) *evidence.Sidecar {
		sc, err := evidence.ParseSidecar(good[name+verify.SidecarSuffix].Data)
		if err != nil {
			t.Fatal(err)
		}
		return sc
	}
	sc := read(to)
	sc.Stamps = read(from).Stamps
	raw, err := sc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return with(good, to+verify.SidecarSuffix, raw)
}

// TestReportIsJSON: what programs read has the names that are documented.
func TestReportIsJSON(t *testing.T) {
	t.Parallel()
	o := verifytest.NewOffice(t)
	r := checkRun(verifytest.NewSignedRun(t, o, 1), o.Trust(t))
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`"subject":"run"`, `"kind":"Run"`, `"verdict":"holds"`, `"checks":[{"name":"Statement"`, `"parts":[{`, `"signer":{"key":"sha256:`, `"facts":{`} {
		if !strings.Contains(string(b), s) {
			t.Errorf("it has no %s: %s", s, b)
		}
	}
}

// TestNothingIsPassedOver: a run whose statement is taken away is no heap of good files, and what
// is not looked into is told.
func TestNothingIsPassedOver(t *testing.T) {
	t.Parallel()
	o := verifytest.NewOffice(t)
	for name, change := range map[string]func(fstest.MapFS){
		"StatementMissing": func(f fstest.MapFS) { delete(f, "run.json"); delete(f, "chunks/b1.wacz") },
		"Dossier":          func(f fstest.MapFS) { f["d/bagit.txt"] = &fstest.MapFile{} },
		"NoDeclaration":    func(f fstest.MapFS) { f["d/tagmanifest-sha256.txt.evidence.json"] = &fstest.MapFile{} },
		"Packed":           func(f fstest.MapFS) { f["d.zip"] = &fstest.MapFile{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, fsys := t.TempDir(), verifytest.NewSignedRun(t, o, 2)
			change(fsys)
			if err := os.CopyFS(dir, fsys); err != nil {
				t.Fatal(err)
			}
			v := verify.Verifier{Trust: o.Trust(t)}
			reports, err := v.Path(t.Context(), dir)
			if err != nil || verify.Overall(reports) != verify.Unchecked {
				t.Errorf("%s, %v: %+v", verify.Overall(reports), err, reports)
			}
		})
	}
}
