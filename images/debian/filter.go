package debian

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// What of a root file system is left out. All of it is of the machine that it was made on, of the
// moment, or for people at a terminal.
var (
	// emptied are folders that stay, without what is in them.
	emptied = []string{
		"dev", "proc", "sys", "run", "tmp", "boot", "var/tmp", "var/log", "var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/cache/ldconfig",
		"usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug",
	}
	// removed are files and folders that do not stay.
	removed = []string{
		"etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf",
		"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
		"var/lib/dpkg/status-old", "var/lib/dpkg/available-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old",
	}
	// setuid keep their set-user-id bits: Chromium's second sandbox, for where there are no
	// user namespaces.
	setuid = []string{"usr/lib/chromium/chrome-sandbox"}
)

// documents is the folder of which the licences alone stay.
const documents = "usr/share/doc"

// setIDs are the bits of tar's modes for set-user-id and set-group-id.
const setIDs = 0o6000

// Account is a user, and a group of the same name and number.
type Account struct {
	Name string
	ID   int
	Home string
}

// Filter copies a root file system from a tar file, without what does not belong into an image, and
// with an account more. The packages' copyright files stay, and so does the list of the packages.
func Filter(w io.Writer, root io.Reader, user Account) error {
	tr, tw := tar.NewReader(root), tar.NewWriter(w)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tw.Close()
		}
		if err != nil {
			return err
		}
		if err := user.copy(tw, tr, h); err != nil {
			return fmt.Errorf("copy %q: %w", h.Name, err)
		}
	}
}

// copy copies an entry, if it is to be copied.
func (a Account) copy(tw *tar.Writer, content io.Reader, h *tar.Header) error {
	name := path.Clean(strings.TrimPrefix(h.Name, "./"))
	if name == "." || !kept(name, h.Typeflag) {
		return nil
	}
	clean := normal(h, name)
	line := a.line(name)
	clean.Size += int64(len(line))
	if err := tw.WriteHeader(clean); err != nil {
		return err
	}
	if _, err := io.Copy(tw, content); err != nil {
		return err
	}
	_, err := io.WriteString(tw, line)
	return err
}

// line is what the account adds to a file.
func (a Account) line(name string) string {
	switch name {
	case "etc/passwd":
		return fmt.Sprintf("%s:x:%d:%d::%s:/usr/sbin/nologin\n", a.Name, a.ID, a.ID, a.Home)
	case "etc/group":
		return fmt.Sprintf("%s:x:%d:\n", a.Name, a.ID)
	default:
		return ""
	}
}

// kept says whether an entry stays.
func kept(name string, kind byte) bool {
	for _, dir := range emptied {
		if within(name, dir) {
			return false
		}
	}
	for _, r := range removed {
		if name == r || within(name, r) {
			return false
		}
	}
	if within(name, documents) && kind == tar.TypeReg {
		return path.Base(name) == "copyright"
	}
	return kind == tar.TypeReg || kind == tar.TypeDir || kind == tar.TypeSymlink || kind == tar.TypeLink
}

func within(name, dir string) bool { return strings.HasPrefix(name, dir+"/") }

// normal is an entry without what depends on who made it, and when.
func normal(h *tar.Header, name string) *tar.Header {
	n := &tar.Header{
		Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid,
		ModTime: earlier(h.ModTime, Epoch).Truncate(time.Second), PAXRecords: attributes(h), Format: tar.FormatPAX,
	}
	if h.Typeflag == tar.TypeDir {
		n.Name += "/"
	}
	if h.Typeflag == tar.TypeLink {
		n.Linkname = path.Clean(strings.TrimPrefix(h.Linkname, "./"))
	}
	if h.Typeflag == tar.TypeReg && !slices.Contains(setuid, name) {
		n.Mode &^= setIDs
	}
	return n
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// attributes are the extended ones, such as a program's capabilities.
func attributes(h *tar.Header) map[string]string {
	kept := make(map[string]string)
	for k, v := range h.PAXRecords {
		if strings.HasPrefix(k, "SCHILY.xattr.") {
			kept[k] = v
		}
	}
	return kept
}

// Rules is a text that changes when Filter does: what it made earlier is not to be used then.
func Rules() string {
	return fmt.Sprint("1 ", emptied, removed, setuid, documents, Epoch.Unix())
}
