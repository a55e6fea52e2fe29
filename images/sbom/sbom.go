// Package sbom lists what is in an image, as a CycloneDX 1.6 document
// (https://cyclonedx.org/docs/1.6/json/).
//
// What the list says of Go programs is what the linker left in them; what it says of Debian
// packages is what dpkg has. Nothing is guessed from file names. The same image has the same list: no serial
// number, and the time is that of the image.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"crawlfleet.dev/crawlfleet/images/debian"
)

// List is what an image holds.
type List struct {
	// Image and Version name it, Revision is its commit, Architecture is Go's name of it.
	Image, Version, Revision, Architecture string
	// At is the time that the list says it was made at.
	At time.Time
	// Programs are Go programs by their path in the image.
	Programs map[string]Program
	// Packages are those of Debian.
	Packages []debian.Package
	// Other are components of other kinds.
	Other []cdx.Component
}

// Program is a Go program.
type Program struct {
	Info   *debug.BuildInfo
	Digest string // SHA-256 in hexadecimal
}

// ReadProgram reads what a Go program knows of itself.
func ReadProgram(file string) (Program, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return Program{}, fmt.Errorf("read what %s was built of: %w", file, err)
	}
	f, err := os.Open(file)
	if err != nil {
		return Program{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return Program{}, fmt.Errorf("read %s: %w", file, err)
	}
	return Program{Info: info, Digest: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Modules are those that a program was linked of, without its own.
func (p Program) Modules() []debug.Module {
	modules := make([]debug.Module, 0, len(p.Info.Deps))
	for _, m := range p.Info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != "" && m.Version != "(devel)" {
			modules = append(modules, debug.Module{Path: m.Path, Version: m.Version, Sum: m.Sum})
		}
	}
	return modules
}

// JSON writes the list.
func (l List) JSON() ([]byte, error) {
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(l.document(), cdx.SpecVersion1_6)
	if err != nil {
		return nil, fmt.Errorf("write the list of what %s holds: %w", l.Image, err)
	}
	return out.Bytes(), nil
}

func (l List) document() *cdx.BOM {
	root := cdx.Component{
		BOMRef: l.Image, Type: cdx.ComponentTypeContainer, Name: l.Image, Version: l.Version,
		Licenses:   licenses("Apache-2.0"),
		Properties: &[]cdx.Property{{Name: "crawlfleet:architecture", Value: l.Architecture}},
	}
	g := graph{seen: make(map[string]bool), version: cmp.Or(l.Revision, l.Version)}
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(l.Programs)) {
		parts = append(parts, g.program(path, l.Programs[path]))
	}
	for _, p := range l.Packages {
		parts = append(parts, g.add(pkg(p)))
	}
	for _, c := range l.Other {
		parts = append(parts, g.add(c))
	}
	g.needs(root.BOMRef, parts)
	slices.SortFunc(g.components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	slices.SortFunc(g.dependencies, func(a, b cdx.Dependency) int { return cmp.Compare(a.Ref, b.Ref) })
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: l.At.UTC().Format(time.RFC3339), Component: &root}
	bom.Components, bom.Dependencies = &g.components, &g.dependencies
	return bom
}

// graph collects components, each once, and what needs what.
type graph struct {
	version      string // of this project's own programs
	seen         map[string]bool
	components   []cdx.Component
	dependencies []cdx.Dependency
}

func (g *graph) add(c cdx.Component) string {
	if !g.seen[c.BOMRef] {
		g.seen[c.BOMRef] = true
		g.components = append(g.components, c)
	}
	return c.BOMRef
}

func (g *graph) needs(ref string, parts []string) {
	slices.Sort(parts)
	parts = slices.Compact(parts)
	g.dependencies = append(g.dependencies, cdx.Dependency{Ref: ref, Dependencies: &parts})
}

// program adds a program and the modules in it, the standard library among them.
func (g *graph) program(path string, p Program) string {
	c := cdx.Component{
		BOMRef: path, Type: cdx.ComponentTypeApplication, Name: path, Version: g.version,
		Licenses: licenses("Apache-2.0"), Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.Digest}},
		Properties: &[]cdx.Property{{Name: "crawlfleet:package", Value: p.Info.Path}},
	}
	var parts []string
	for _, m := range p.Modules() {
		parts = append(parts, g.add(module(m)))
	}
	parts = append(parts, g.add(module(debug.Module{Path: "stdlib", Version: strings.TrimPrefix(p.Info.GoVersion, "go")})))
	g.needs(c.BOMRef, parts)
	return g.add(c)
}

// module is a Go module, named as the package-URL specification names it.
func module(m debug.Module) cdx.Component {
	purl := "pkg:golang/" + m.Path + "@" + url.QueryEscape(m.Version)
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl}
}

// pkg is a Debian package.
func pkg(p debian.Package) cdx.Component {
	purl := "pkg:deb/debian/" + p.Name + "@" + url.QueryEscape(p.Version) + "?arch=" + p.Architecture + "&distro=" + debian.Release
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: purl, Licenses: licenses(p.Licenses...),
		Properties: &[]cdx.Property{
			{Name: "crawlfleet:copyright", Value: "/usr/share/doc/" + p.Name + "/copyright"},
			{Name: "crawlfleet:source", Value: p.Source + " " + p.SourceVersion},
		},
	}
}

// NPM is a package of npm's registry.
func NPM(name, version, license string) cdx.Component {
	purl := "pkg:npm/" + name + "@" + version
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl, Licenses: licenses(license)}
}

// licenses are licences by name. (By identifier they would have to be among SPDX's, which
// Debian's short names are not.)
func licenses(names ...string) *cdx.Licenses {
	if len(names) == 0 {
		return nil
	}
	list := make(cdx.Licenses, len(names))
	for i, n := range names {
		list[i] = cdx.LicenseChoice{License: &cdx.License{Name: n}}
	}
	return &list
}
