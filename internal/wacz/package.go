package wacz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Version of the WACZ specification that is written.
const Version = "1.1.1"

// Names of the files that every WACZ has.
const (
	PackagePath       = "datapackage.json"
	PackageDigestPath = "datapackage-digest.json"
	PagesPath         = "pages/pages.jsonl"
	ExtraPagesPath    = "pages/extraPages.jsonl"
)

const (
	archiveDir = "archive/"
	indexesDir = "indexes/"
	pagesDir   = "pages/"
	profile    = "data-package"
)

// Package is datapackage.json, a Frictionless data package.
type Package struct {
	Profile      string     `json:"profile"`
	Version      string     `json:"wacz_version"`
	Title        string     `json:"title"`
	Description  string     `json:"description"`
	Software     string     `json:"software"`
	Created      time.Time  `json:"created"`
	Modified     time.Time  `json:"modified"`
	MainPageURL  string     `json:"mainPageUrl"`
	MainPageDate string     `json:"mainPageDate"`
	Resources    []Resource `json:"resources"`
}

// Resource is a file of a WACZ.
type Resource struct {
	// Name is the last part of Path.
	Name string `json:"name"`
	Path string `json:"path"`
	// Hash is the SHA-256 of the file, "sha256:…".
	Hash  warc.Digest `json:"hash"`
	Bytes int64       `json:"bytes"`
}

// PackageDigest is datapackage-digest.json.
type PackageDigest struct {
	// Path is that of datapackage.json.
	Path string      `json:"path"`
	Hash warc.Digest `json:"hash"`
	// SignedData is the signature (wacz-auth 0.1.0), if there is one.
	SignedData json.RawMessage `json:"signedData,omitempty"`
}

// packageJSON writes datapackage.json.
func packageJSON(c Contents, resources []Resource) ([]byte, error) {
	created := c.Created.UTC().Format(time.RFC3339)
	o := object{{"profile", profile}, {"wacz_version", Version}}
	add := func(name, value string) {
		if value != "" {
			o = append(o, member{name, value})
		}
	}
	add("title", c.Title)
	add("description", c.Description)
	add("software", c.Software)
	add("created", created)
	add("modified", created)
	add("mainPageUrl", c.MainPageURL)
	if !c.MainPageTime.IsZero() {
		add("mainPageDate", c.MainPageTime.UTC().Format(pageTime))
	}
	o, err := o.with(c.Extra, "profile", "wacz_version", "title", "description", "software", "created",
		"modified", "mainPageUrl", "mainPageDate", "resources")
	if err != nil {
		return nil, err
	}
	return indented(append(o, member{"resources", resources}))
}

// packageDigestJSON writes datapackage-digest.json for a datapackage.json.
func packageDigestJSON(pkg []byte, sign func(warc.Digest) (any, error)) ([]byte, error) {
	hash := warc.SHA256Of(pkg)
	o := object{{"path", PackagePath}, {"hash", hash}}
	if sign != nil {
		signed, err := sign(hash)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", hash, err)
		}
		o = append(o, member{"signedData", signed})
	}
	return indented(o)
}

func indented(o object) ([]byte, error) {
	b, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// checkPath checks the path of a file within a WACZ: relative, without dots, in
// characters that every tool agrees about.
func checkPath(p string) error {
	if p == "" || p != path.Clean(p) || path.IsAbs(p) || strings.HasPrefix(p, "..") || p == "." {
		return fmt.Errorf("path %q is not a clean relative path", p)
	}
	if i := strings.IndexFunc(p, isUnsafe); i >= 0 {
		return fmt.Errorf("path %q has %q; only ASCII letters, digits and . - _ / are written", p, p[i:i+1])
	}
	return nil
}

func isUnsafe(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_/", r)
}

// checkWARCPath checks the path of a record file.
func checkWARCPath(p string) error {
	if err := checkPath(p); err != nil {
		return err
	}
	name, ok := strings.CutPrefix(p, archiveDir)
	if !ok || strings.Contains(name, "/") || !isWARC(name) {
		return fmt.Errorf("path %q is not archive/NAME.warc.gz or archive/NAME.warc", p)
	}
	return nil
}

func isWARC(name string) bool {
	return strings.HasSuffix(name, ".warc.gz") || strings.HasSuffix(name, ".warc")
}

// checkOtherPath checks the path of a file that WACZ knows nothing of.
func checkOtherPath(p string) error {
	if err := checkPath(p); err != nil {
		return err
	}
	for _, dir := range []string{archiveDir, indexesDir, pagesDir} {
		if strings.HasPrefix(p+"/", dir) {
			return fmt.Errorf("path %q lies in %s, which is for the format's own files", p, dir)
		}
	}
	if p == PackagePath || p == PackageDigestPath {
		return fmt.Errorf("path %q is the format's own", p)
	}
	return nil
}
