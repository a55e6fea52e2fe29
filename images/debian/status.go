package debian

import (
	"archive/tar"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Package is an installed package.
type Package struct {
	Name, Version, Architecture string
	// Source and SourceVersion are what it was built from.
	Source, SourceVersion string
	// Licenses are the short names that its copyright file gives, where that has the form
	// that a machine can read. The files themselves are in the image.
	Licenses []string
}

func (p Package) String() string { return p.Name + "=" + p.Version }

// maxStatus bounds the files that Read takes into memory.
const maxStatus = 64 << 20

// Read reads a root file system's list of packages (deb-control(5), /var/lib/dpkg/status) and their
// copyright files, from a tar file. The packages are sorted by name.
func Read(root io.Reader) ([]Package, error) {
	var packages []Package
	licenses := make(map[string][]string)
	links := make(map[string]string)
	for tr := tar.NewReader(root); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "./"))
		dir, file := path.Split(name)
		switch {
		case name == "var/lib/dpkg/status":
			if packages, err = Status(io.LimitReader(tr, maxStatus)); err != nil {
				return nil, err
			}
		case file == "copyright" && path.Dir(path.Clean(dir)) == documents && h.Typeflag == tar.TypeReg:
			licenses[path.Base(dir)] = shortNames(io.LimitReader(tr, maxStatus))
		case path.Clean(dir) == documents && h.Typeflag == tar.TypeSymlink:
			// (A package may share the folder of another, of the same source.)
			links[file] = path.Base(h.Linkname)
		}
	}
	if len(packages) == 0 {
		return nil, errors.New("the root file system has no list of packages")
	}
	for i, p := range packages {
		packages[i].Licenses = licenses[cmp.Or(links[p.Name], p.Name)]
	}
	return packages, nil
}

// Status reads dpkg's list of packages. What is not installed is left out.
func Status(r io.Reader) ([]Package, error) {
	var packages []Package
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	fields := make(map[string]string)
	flush := func() {
		if strings.HasSuffix(fields["Status"], " installed") {
			packages = append(packages, stanza(fields))
		}
		clear(fields)
	}
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			flush()
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if ok && !strings.HasPrefix(line, " ") {
			fields[name] = strings.TrimSpace(value)
		}
	}
	flush()
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the list of packages: %w", err)
	}
	slices.SortFunc(packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture))
	})
	return packages, nil
}

// stanza makes a package of its fields. Source is "NAME" or "NAME (VERSION)", and absent when both
// are the package's own.
func stanza(fields map[string]string) Package {
	p := Package{Name: fields["Package"], Version: fields["Version"], Architecture: fields["Architecture"]}
	source, version, _ := strings.Cut(fields["Source"], " ")
	p.Source = cmp.Or(source, p.Name)
	p.SourceVersion = cmp.Or(strings.Trim(version, "()"), p.Version)
	return p
}

// shortNames are the licences of a copyright file in the machine-readable format 1.0, sorted; none
// for other files.
func shortNames(r io.Reader) []string {
	var names []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if first && name != "Format" && name != "Format-Specification" {
			return nil
		}
		if value = strings.TrimSpace(value); name == "License" && value != "" {
			names = append(names, value)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of are the packages as Resolve writes them, sorted.
func Of(packages []Package) []string {
	list := make([]string, len(packages))
	for i, p := range packages {
		list[i] = p.String()
	}
	slices.Sort(list)
	return list
}
