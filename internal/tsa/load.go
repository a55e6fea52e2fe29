package tsa

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// RootFile is the name of the root certificate in the folder of an authority.
const RootFile = "root.pem"

const authorityFile = "authority.pem" // the key and the chain

// LoadAuthority makes an Authority that stays the same: its key and certificates are in a
// folder, and made there when there are none.
func LoadAuthority(dir, name string, now func() time.Time) (*Authority, error) {
	path := filepath.Join(dir, authorityFile)
	file, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createAuthority(dir, name, now)
	}
	if err != nil {
		return nil, err
	}
	a, err := parseAuthority(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if now().After(a.Chain[0].NotAfter) {
		return nil, fmt.Errorf("%s: its certificate has expired: remove %s to have another made", path, dir)
	}
	a.Now = now
	return a, nil
}

func createAuthority(dir, name string, now func() time.Time) (*Authority, error) {
	a, err := NewAuthority(name, now)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	file.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	for _, c := range a.Chain {
		file.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Chain[len(a.Chain)-1].Raw})
	if err := os.WriteFile(filepath.Join(dir, RootFile), root, 0o644); err != nil {
		return nil, err
	}
	return a, os.WriteFile(filepath.Join(dir, authorityFile), file.Bytes(), 0o600)
}

func parseAuthority(file []byte) (*Authority, error) {
	var a Authority
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			a.Chain = append(a.Chain, cert)
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("its key cannot be read")
		}
		a.Key, _ = key.(crypto.Signer)
	}
	if a.Key == nil || len(a.Chain) == 0 {
		return nil, errors.New("it lacks a key or certificates")
	}
	public, ok := a.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(a.Chain[0].PublicKey) {
		return nil, errors.New("its certificate is for another key")
	}
	return &a, nil
}
