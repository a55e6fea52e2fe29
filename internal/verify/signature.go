package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// The checks of who vouches for a file; each says in its reason which of those of package
// evidence it was.
const (
	CheckSignature = "Signature" // the file is signed, and by a key that is trusted
	CheckStamp     = "Stamp"     // an authority that is trusted has seen the signature at a time
	CheckSidecar   = "Sidecar"   // the sidecar is about this very file, and of who signed it
)

// SidecarSuffix is what the name of a file gets to name its sidecar.
const SidecarSuffix = evidence.SidecarSuffix

// maxSidecar is the size in bytes that a sidecar may have.
const maxSidecar = 8 << 20

// Signer says who vouches for a file, as far as that is known.
type Signer struct {
	// Key is the fingerprint of the key, Domain that of its certificate, if any.
	Key    string `json:"key,omitempty"`
	Domain string `json:"domain,omitempty"`
	// Vouched is set when the key or domain is one that is trusted.
	Vouched bool `json:"vouched"`
	// Signed is the time that the signer states, Proven the earliest that a stamp proves.
	Signed time.Time `json:"signed,omitzero"`
	Proven time.Time `json:"proven,omitzero"`
}

// Signature checks the signature of a file that has none in itself, such as run.json: that of
// the sidecar beside it. The error is for what kept it from checking.
func (v *Verifier) Signature(r *Report, fsys fs.FS, name string) error {
	_, err := v.SignedBy(r, fsys, name)
	return err
}

// SignedBy is Signature, and says who signed the file; nil when nobody did.
func (v *Verifier) SignedBy(r *Report, fsys fs.FS, name string) (*Signer, error) {
	sc, err := v.sidecar(r, fsys, name)
	if err != nil {
		return nil, err
	}
	if sc == nil {
		r.Add(CheckSignature, name, Unchecked, "is not signed: nobody vouches for it")
		return nil, nil
	}
	sum, _, err := Sum(fsys, name)
	if err != nil {
		return nil, err
	}
	verdict := evidence.VerifyFile(path.Base(name), warc.SHA256Hex(sum), sc, v.Trust)
	r.vouch(name, verdict)
	return signerOf(verdict), nil
}

// signed checks the signature of a WACZ, and its sidecar when there is one. The name is that of the
// file in fsys, which may be nil where nothing lies beside it; sum is its SHA-256 in hex, empty when
// that is not known.
func (v *Verifier) signed(r *Report, z *wacz.Reader, fsys fs.FS, name, sum string) error {
	d, err := z.PackageDigest()
	if err != nil {
		return nil // told by the check Digest
	}
	var sc *evidence.Sidecar
	m := evidence.Material{Package: d.Hash, SignedData: d.SignedData}
	if fsys != nil {
		if sc, err = v.sidecar(r, fsys, name); err != nil {
			return err
		}
	}
	if len(d.SignedData) == 0 {
		r.Add(CheckSignature, wacz.PackageDigestPath, Unchecked, "the file is not signed: nobody vouches for it")
		if sc != nil {
			r.Add(CheckSidecar, name+SidecarSuffix, Fails, "is the sidecar of a signature that the file has not")
		}
		return nil
	}
	if sc == nil && fsys != nil {
		r.Add(CheckSidecar, name, Unchecked, "has no sidecar: the signature is over datapackage.json, and nothing is over the bytes beside it")
	}
	if sc != nil {
		m.Sidecar = sc
		if sum == "" {
			if sum, _, err = Sum(fsys, name); err != nil {
				return err
			}
		}
		m.File = warc.SHA256Hex(sum)
	}
	verdict := evidence.Verify(m, v.Trust)
	r.vouch(wacz.PackageDigestPath, verdict)
	r.Signer = signerOf(verdict)
	return nil
}

// sidecar reads the sidecar of a file, nil when there is none. One that is not as it should be
// fails.
func (v *Verifier) sidecar(r *Report, fsys fs.FS, name string) (*evidence.Sidecar, error) {
	f, size, err := Open(fsys, name+SidecarSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	if size > maxSidecar {
		r.Add(CheckSidecar, name+SidecarSuffix, Fails, fmt.Sprintf("has %d bytes; a sidecar has at most %d", size, maxSidecar))
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSidecar))
	if err != nil {
		return nil, err
	}
	sc, err := evidence.ParseSidecar(raw)
	if err == nil {
		err = sameBytes(raw, sc)
	}
	if err != nil {
		r.Add(CheckSidecar, name+SidecarSuffix, Fails, err.Error())
		return nil, nil
	}
	return sc, nil
}

// sameBytes checks that a sidecar is written as it would be written: no byte of it can change
// and mean the same.
func sameBytes(raw []byte, sc *evidence.Sidecar) error {
	again, err := sc.Marshal()
	if err == nil && string(again) != string(raw) {
		err = errors.New("is not written as sidecars are")
	}
	return err
}

// vouch takes down what package evidence found. Its checks are told under three names.
func (r *Report) vouch(name string, v evidence.Verdict) {
	names := map[string]string{
		evidence.CheckTimeSignature: CheckStamp, evidence.CheckCreated: CheckStamp, evidence.CheckStamp: CheckStamp,
		evidence.CheckSidecarSubject: CheckSidecar, evidence.CheckSidecarFile: CheckSidecar, evidence.CheckSidecarSignature: CheckSidecar,
	}
	verdicts := map[evidence.Result]Verdict{evidence.OK: Holds, evidence.Failed: Fails, evidence.NotChecked: Unchecked}
	for _, c := range v.Checks {
		check := names[c.Name]
		if check == "" {
			check = CheckSignature
		}
		r.Add(check, name, verdicts[c.Result], c.Name+": "+c.Reason)
	}
	if len(v.Signer.Stamps) == 0 {
		r.Add(CheckStamp, name, Unchecked, "no time-stamp authority has seen the signature: when it was made, the signer alone says")
	}
}

func signerOf(v evidence.Verdict) *Signer {
	s := v.Signer
	return &Signer{Key: s.Key, Domain: s.Domain, Vouched: s.Vouched, Signed: s.Created, Proven: s.Proven}
}

// Sum is the SHA-256 in hex of a file, and its size in bytes.
func Sum(fsys fs.FS, name string) (sum string, size int64, err error) {
	f, size, err := Open(fsys, name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
