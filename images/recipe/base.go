package recipe

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"crawlfleet.dev/crawlfleet/images/debian"
	"crawlfleet.dev/crawlfleet/images/layer"
	"crawlfleet.dev/crawlfleet/images/sbom"
)

// about is the folder of an image in which it says what it holds and under which licences.
const about = "usr/share/doc/crawlfleet"

// SBOMPath is where the list of an image's contents lies in it.
const SBOMPath = about + "/sbom.cdx.json"

// The files of Debian's package ca-certificates on the machine that builds. Those of the
// package alone are taken: what somebody has added to this machine is not for others to trust.
const (
	authorities        = "/usr/share/ca-certificates/mozilla"
	authoritiesLicense = "/usr/share/doc/ca-certificates/copyright"
)

// base are the files of an image without a distribution: who root and nonroot are, whom TLS trusts, and a
// folder for temporary files.
func base(ctx context.Context) ([]layer.File, debian.Package, error) {
	pem, err := certificates(authorities)
	if err != nil {
		return nil, debian.Package{}, err
	}
	pkg, err := installed(ctx, "ca-certificates")
	if err != nil {
		return nil, debian.Package{}, err
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/:/sbin/nologin\n", nonroot, nonroot)
	return []layer.File{
		{Path: "etc/passwd", Data: []byte(passwd)},
		{Path: "etc/group", Data: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonroot)},
		{Path: "etc/ssl/certs/ca-certificates.crt", Data: pem},
		{Path: strings.TrimPrefix(authoritiesLicense, "/"), Source: authoritiesLicense},
		{Path: "tmp", Folder: true, Mode: 0o1777},
	}, pkg, nil
}

// certificates joins the authorities' certificates in the order of their names, as
// update-ca-certificates(8) does.
func certificates(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.crt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no certificates of authorities in %s: install Debian's package ca-certificates", dir)
	}
	slices.Sort(files)
	var pem bytes.Buffer
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read an authority's certificate: %w", err)
		}
		pem.Write(append(bytes.TrimRight(data, "\n"), '\n'))
	}
	return pem.Bytes(), nil
}

// installed asks dpkg for a package of the machine that builds.
func installed(ctx context.Context, name string) (debian.Package, error) {
	cmd := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=Package: ${Package}\nStatus: ${Status}\nVersion: ${Version}\nArchitecture: ${Architecture}\n", name)
	out, err := cmd.Output()
	if err != nil {
		return debian.Package{}, fmt.Errorf("ask dpkg for the version of %s: %w", name, err)
	}
	packages, err := debian.Status(bytes.NewReader(out))
	if err != nil {
		return debian.Package{}, err
	}
	if len(packages) != 1 {
		return debian.Package{}, fmt.Errorf("the package %s is not installed: apt-get install %s", name, name)
	}
	return packages[0], nil
}

// documents are an image's list of contents and the licences of its Go programs. (Those of Debian's
// packages are where Debian has them.)
func documents(list []byte, root string, programs []sbom.Program, cache string) ([]layer.File, error) {
	files := []layer.File{
		{Path: SBOMPath, Data: list},
		{Path: about + "/LICENSE", Source: filepath.Join(root, "LICENSE")},
	}
	seen := make(map[string]bool)
	for _, p := range programs {
		for _, m := range p.Modules() {
			id := m.Path + "@" + m.Version
			if seen[id] {
				continue
			}
			seen[id] = true
			found, err := licenses(cache, module.Version{Path: m.Path, Version: m.Version})
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// licensePrefixes are how files begin that say under which conditions a module may be handed on.
var licensePrefixes = []string{"licen", "copying", "notice", "patents", "unlicense"}

// licenses are the licence files of a module, from the module cache.
func licenses(cache string, m module.Version) ([]layer.File, error) {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return nil, err
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, filepath.FromSlash(path)+"@"+version)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("find the licence of %s: %w", m, err)
	}
	var files []layer.File
	for _, e := range entries {
		if isLicense(e) {
			files = append(files, layer.File{Path: about + "/modules/" + m.Path + "@" + m.Version + "/" + e.Name(), Source: filepath.Join(dir, e.Name())})
		}
	}
	return files, nil
}

func isLicense(e fs.DirEntry) bool {
	name := strings.ToLower(e.Name())
	return e.Type().IsRegular() && !strings.HasSuffix(name, ".go") &&
		slices.ContainsFunc(licensePrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
