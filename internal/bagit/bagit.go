// Package bagit writes and checks bags: folders that list every file in them with its SHA-256
// (The BagIt File Packaging Format 1.0, RFC 8493).
//
//	bagit.txt               the version of the format
//	bag-info.txt            what the bag is
//	manifest-sha256.txt     the SHA-256 of every file below data/
//	tagmanifest-sha256.txt  the SHA-256 of the three above, and of other files beside data/
//	data/                   the payload
//
// The same files give the same bag, byte for byte. Who signs tagmanifest-sha256.txt has signed
// everything. More than the RFC asks, [Validate] accepts no file that is not listed.
package bagit

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// The files of a bag beside its payload.
const (
	Declaration = "bagit.txt"
	Info        = "bag-info.txt"
	Manifest    = "manifest-sha256.txt"
	TagManifest = "tagmanifest-sha256.txt"
	payloadDir  = "data/"
)

// declaration is all that bagit.txt has (section 2.1.1).
const declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

// Label is a line of bag-info.txt (section 2.2.2), such as Source-Organization.
type Label struct{ Name, Value string }

// check says what keeps a label from being written as one line.
func (l Label) check() error {
	if l.Name == "" || strings.ContainsAny(l.Name, ":\r\n") || strings.TrimSpace(l.Name) != l.Name {
		return fmt.Errorf("label %q: must be a word without a colon", l.Name)
	}
	if strings.ContainsAny(l.Value, "\r\n") || !utf8.ValidString(l.Value) {
		return fmt.Errorf("label %s: its value must be one line of UTF-8", l.Name)
	}
	return nil
}

// checkPath says what is wrong with the path of a file in a bag: what no system takes for
// another file, or for none.
func checkPath(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("path %q is not a clean relative path", name)
	case !utf8.ValidString(name), strings.ContainsAny(name, "\\:*?\"<>|~"), strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("path %q has a character that not every system takes", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || strings.HasPrefix(part, " ") {
			return fmt.Errorf("path %q has a part that not every system keeps as it is", name)
		}
	}
	return nil
}

// encodePath writes a path as in a manifest (section 2.1.3).
func encodePath(name string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(name)
}

var errEscape = errors.New("a % that stands for nothing")

// decodePath is encodePath's inverse.
func decodePath(line string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(line, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if len(after) < 2 {
			return "", errEscape
		}
		switch strings.ToUpper(after[:2]) {
		case "25":
			b.WriteByte('%')
		case "0D":
			b.WriteByte('\r')
		case "0A":
			b.WriteByte('\n')
		default:
			return "", errEscape
		}
		line = after[2:]
	}
}

// IsTagFile reports whether a name is one of the files beside the payload that make a folder a bag,
// or of what is attached to the last of them, such as its signature.
func IsTagFile(name string) bool {
	return name == Declaration || name == Info || name == Manifest || strings.HasPrefix(name, TagManifest)
}

// isPayload reports whether a file is part of the payload.
func isPayload(name string) bool { return strings.HasPrefix(path.Clean(name)+"/", payloadDir) }
