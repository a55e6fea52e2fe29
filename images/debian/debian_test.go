package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var user = Account{Name: "crawlfleet", ID: 1000, Home: "/scratch"}

// entry is an entry of a root file system.
type entry struct {
	name, content, link string
	kind                byte
	mode                int64
}

// TestFilter: what of a root file system gets into an image.
func TestFilter(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		in     entry
		want   string // name mode content; empty: nothing
	}{
		"Program":   {"as it is", entry{name: "./usr/bin/ls", mode: 0o755, content: "x"}, "usr/bin/ls 755 x"},
		"Folder":    {"stays", entry{name: "./var/log/", kind: tar.TypeDir, mode: 0o755}, "var/log/ 755 "},
		"Log":       {"tells of the build", entry{name: "./var/log/dpkg.log", content: "x"}, ""},
		"MachineID": {"an image is no machine", entry{name: "./etc/machine-id"}, ""},
		"Lists":     {"out of date at once", entry{name: "./var/lib/apt/lists/a_Packages", content: "x"}, ""},
		"Device":    {"the runtime makes them", entry{name: "./dev/null", kind: tar.TypeChar}, ""},
		"Copyright": {"licences stay", entry{name: "./usr/share/doc/tini/copyright", mode: 0o644, content: "MIT"}, "usr/share/doc/tini/copyright 644 MIT"},
		"Shared":    {"a folder of documents may be another's", entry{name: "./usr/share/doc/b", kind: tar.TypeSymlink, link: "a", mode: 0o777}, "usr/share/doc/b 777 >a"},
		"Changelog": {"for people", entry{name: "./usr/share/doc/tini/changelog.gz", content: "x"}, ""},
		"Manual":    {"for people", entry{name: "./usr/share/man/man1/ls.1.gz", content: "x"}, ""},
		"Setuid":    {"nobody becomes root", entry{name: "./usr/bin/su", mode: 0o4755, content: "x"}, "usr/bin/su 755 x"},
		"Sandbox":   {"but for Chromium's own", entry{name: "./usr/lib/chromium/chrome-sandbox", mode: 0o4755, content: "x"}, "usr/lib/chromium/chrome-sandbox 4755 x"},
		"Passwd":    {"has the user", entry{name: "./etc/passwd", mode: 0o644, content: "root\n"}, "etc/passwd 644 root\ncrawlfleet:x:1000:1000::/scratch:/usr/sbin/nologin\n"},
		"Group":     {"has the group", entry{name: "./etc/group", mode: 0o644, content: "root\n"}, "etc/group 644 root\ncrawlfleet:x:1000:\n"},
		"Hardlink":  {"its target loses the dot, too", entry{name: "./usr/bin/perl5", kind: tar.TypeLink, link: "./usr/bin/perl", mode: 0o755}, "usr/bin/perl5 755 >usr/bin/perl"},
		"Status":    {"what is installed is known", entry{name: "./var/lib/dpkg/status", mode: 0o644, content: "x"}, "var/lib/dpkg/status 644 x"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Filter(&out, root(t, c.in), user); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, strings.Join(list(t, &out), "|")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// TestFilterIsOfTheContentAlone: who made a root file system, and when, does not show.
func TestFilterIsOfTheContentAlone(t *testing.T) {
	made := func(at time.Time, owner string) []byte {
		var in, out bytes.Buffer
		tw := tar.NewWriter(&in)
		h := &tar.Header{Name: "./a", Mode: 0o644, ModTime: at, AccessTime: at, ChangeTime: at, Uname: owner, Format: tar.FormatPAX}
		if err := errors.Join(tw.WriteHeader(h), tw.Close(), Filter(&out, &in, user)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(made(Epoch.Add(time.Hour+time.Nanosecond), "root"), made(Epoch.AddDate(1, 0, 0), "someone")) {
		t.Error("the layers differ")
	}
}

const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Version: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: a
Status: install ok installed
Architecture: all
Source: b (2)
Version: 1:3
`

func TestRead(t *testing.T) {
	in := root(
		t,
		entry{name: "./usr/share/doc/a/copyright", content: "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n text\n\nLicense: Apache-2.0\n"},
		entry{name: "./usr/share/doc/libc6", kind: tar.TypeSymlink, link: "a"},
		entry{name: "./usr/share/doc/other/copyright", content: "Free text\nLicense: none\n"},
		entry{name: "./var/lib/dpkg/status", content: status},
	)
	got, err := Read(in)
	if err != nil {
		t.Fatal(err)
	}
	licenses := []string{"Apache-2.0", "MIT"}
	want := []Package{
		{Name: "a", Version: "1:3", Architecture: "all", Source: "b", SourceVersion: "2", Licenses: licenses},
		{Name: "libc6", Version: "2.36-9+deb12u10", Architecture: "amd64", Source: "glibc", SourceVersion: "2.36-9+deb12u10", Licenses: licenses},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("packages (-want +got):\n" + diff)
	}
	if diff := cmp.Diff([]string{"a=1:3", "libc6=2.36-9+deb12u10"}, Of(got)); diff != "" {
		t.Error("list (-want +got):\n" + diff)
	}
	if _, err := Read(root(t, entry{name: "./a"})); err == nil {
		t.Error("a root file system without packages is no error")
	}
}

func TestSimulated(t *testing.T) {
	out := "NOTE: This is only a simulation!\nInst tini (0.19.0-1+b3 Debian:12.15/oldstable [amd64])\nInst base-files (12.4 Debian:12 [amd64]) []\nConf tini (0.19.0-1+b3 Debian:12 [amd64])\n"
	if diff := cmp.Diff([]string{"base-files=12.4", "tini=0.19.0-1+b3"}, simulated([]byte(out))); diff != "" {
		t.Error("packages (-want +got):\n" + diff)
	}
}

func TestSources(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string // the last line
	}{
		"Default":  {Options{}, "deb http://deb.debian.org/debian-security bookworm-security main"},
		"Mirror":   {Options{Security: "https://mirror.example/security"}, "deb https://mirror.example/security bookworm-security main"},
		"Snapshot": {Options{Snapshot: "20261101T000000Z"}, "deb [check-valid-until=no] http://snapshot.debian.org/archive/debian-security/20261101T000000Z bookworm-security main"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.o.sources()
			if diff := cmp.Diff(c.want, got[len(got)-1]); diff != "" {
				t.Error("security (-want +got):\n" + diff)
			}
		})
	}
}

// root is a root file system with the entries.
func root(t *testing.T, entries ...entry) io.Reader {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.content)), ModTime: time.Now()}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

// list reads a tar file as "name mode content".
func list(t *testing.T, r io.Reader) []string {
	t.Helper()
	var lines []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.After(Epoch) {
			t.Errorf("%s is of %s", h.Name, h.ModTime)
		}
		content := string(data)
		if h.Linkname != "" {
			content = ">" + h.Linkname
		}
		lines = append(lines, fmt.Sprintf("%s %o %s", h.Name, h.Mode, content))
	}
}
