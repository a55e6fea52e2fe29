package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
)

// signTries is how often a file is tried to be signed, signPause the time between: an
// authority that is away for a moment must not cost a capture.
const (
	signTries = 4
	signPause = 5 * time.Second
)

// signFlags are the flags as they were given.
type signFlags struct {
	key, cert, roots string
	stampURLs        []string
}

// signing signs the file that is being written.
type signing struct {
	signer      evidence.Signer
	stamps      stampers
	authorities []evidence.Authority
	data        *evidence.SignedData // of the file, when it has been signed
}

// complete checks the flags, and by a trial that they serve. It is nil without a key.
func (f signFlags) complete(ctx context.Context) (*signing, error) {
	if f.key == "" {
		if f.cert != "" || len(f.stampURLs) > 0 || f.roots != "" {
			return nil, cli.Usage("--sign-cert, --timestamp-url and --timestamp-roots need --sign-key")
		}
		return nil, nil
	}
	stamps, err := newStampers(f.roots)
	if err != nil {
		return nil, err
	}
	s := &signing{stamps: stamps, signer: evidence.Signer{
		Keys: &evidence.KeyFile{Path: f.key, ChainPath: f.cert}, Software: "crawlctl " + cli.ReadBuild().String(),
	}}
	if s.authorities, err = evidence.ParseAuthorities(f.stampURLs); err != nil {
		return nil, cli.Usage("--timestamp-url %w", err)
	}
	if f.cert != "" {
		if len(s.authorities) == 0 {
			return nil, cli.Usage("--sign-cert needs --timestamp-url: the signature of a domain has a time stamp")
		}
		s.signer.Authority = stamps.of(s.authorities[0])
	}
	if _, err := s.signer.Sign(ctx, warc.SHA256Of(nil)); err != nil {
		return nil, cli.Input("nothing was captured, because it could not be signed: %w", err)
	}
	return s, nil
}

// stampers are the clients of authorities.
type stampers struct{ roots *x509.CertPool }

func newStampers(path string) (stampers, error) {
	roots, err := evidence.ReadRoots(path)
	if err != nil {
		return stampers{}, cli.Usage("--timestamp-roots: %w", err)
	}
	return stampers{roots}, nil
}

func (s stampers) of(a evidence.Authority) evidence.Stamper {
	if _, err := evidence.ParseAuthority(a.URL); err != nil {
		return nil
	}
	return &tsa.Client{URL: a.URL, Roots: s.roots}
}

// hook is the archive's Sign. What was captured is signed also when the capture was
// interrupted.
func (s *signing) hook(ctx context.Context) func(warc.Digest) (any, error) {
	if s == nil {
		return nil
	}
	return func(d warc.Digest) (any, error) {
		data, err := s.signer.Sign(context.WithoutCancel(ctx), d)
		if err != nil {
			return nil, err
		}
		s.data = data
		return data, nil
	}
}

// closeSigned closes a chunk, again when it could not be signed.
func closeSigned(chunk *archive.Chunk) (*archive.File, error) {
	for try := 1; ; try++ {
		file, err := chunk.Close()
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, archive.ErrUnsigned) || try == signTries {
			return nil, errors.Join(err, chunk.Abandon())
		}
		time.Sleep(signPause)
	}
}

// writeSidecar writes the sidecar of a signed file into a folder, with the stamps that can
// be had now. Those that cannot are owed, which is told.
func (s *session) writeSidecar(ctx context.Context, dir string, file *archive.File) (string, error) {
	sign, name := s.job.signing, filepath.Base(s.job.out)
	raw, err := sidecarOf(ctx, s.stderr, sign.signer.Keys, sign.stamps, "crawlctl stamp "+s.job.out+evidence.SidecarSuffix, evidence.Statement{
		Authorities: sign.authorities, Created: time.Now(), Software: sign.signer.Software,
		Subject: evidence.Subject{Name: name, SHA256: warc.SHA256Hex(file.SHA256), Package: sign.data.Hash, Signature: sign.data.Signature},
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name+evidence.SidecarSuffix)
	return path, writeNew(path, raw)
}

// sidecarOf makes a sidecar with the stamps that can be had now; later says how to fetch the others.
func sidecarOf(ctx context.Context, stderr io.Writer, keys evidence.Keys, stamps stampers, later string, st evidence.Statement) ([]byte, error) {
	sidecar, err := evidence.NewSidecar(keys, st)
	if err != nil {
		return nil, err
	}
	sidecar, owed := sidecar.Fetch(context.WithoutCancel(ctx), stamps.of)
	if sidecar == nil {
		return nil, owed
	}
	if owed != nil {
		fmt.Fprintf(stderr, "time stamps are owed: %s\nfetch them later: %s\n", cli.OneLine(owed.Error()), later)
	}
	return sidecar.Marshal()
}

// checkFree finds out before the work that a file would be in the way.
func checkFree(path string, force bool) error {
	_, err := os.Lstat(path)
	if err == nil && !force {
		return cli.Usage("%s exists: choose another --out, or replace it with --force", path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cli.Usage("--out: %w", err)
	}
	return nil
}
