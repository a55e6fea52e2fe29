// Package debian makes root file systems of Debian packages, and layers of them.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Release is what the images are made of.
const Release = "bookworm"

// Epoch is the time that nothing in a root file system is younger than: the release of
// Debian 12. It does not depend on the build, so that a layer depends on its packages alone, and a node
// keeps the layer that it has from one release of crawlfleet to the next.
var Epoch = time.Date(2023, 6, 10, 0, 0, 0, 0, time.UTC)

// Options say which packages to take, and from where.
type Options struct {
	// Packages are names, or name=version for one version.
	Packages []string
	// Architecture is Debian's name of it, which for those that are served is Go's, too.
	Architecture string
	// Mirror and Security are the archives. Empty: deb.debian.org.
	Mirror, Security string
	// Snapshot is the time, such as 20261101T000000Z, of a state of snapshot.debian.org to take
	// instead of what the archives have today.
	Snapshot string
}

// sources are the lines of sources.list.
func (o Options) sources() []string {
	mirror, security, options := o.Mirror, o.Security, ""
	if o.Snapshot != "" {
		mirror = "http://snapshot.debian.org/archive/debian/" + o.Snapshot
		security = "http://snapshot.debian.org/archive/debian-security/" + o.Snapshot
		options = "[check-valid-until=no] " // a state of the past is out of date by nature
	}
	if mirror == "" {
		mirror = "http://deb.debian.org/debian"
	}
	if security == "" {
		security = "http://deb.debian.org/debian-security"
	}
	return []string{
		"deb " + options + mirror + " " + Release + " main",
		"deb " + options + mirror + " " + Release + "-updates main",
		"deb " + options + security + " " + Release + "-security main",
	}
}

// args are mmdebstrap's.
func (o Options) args(target string) []string {
	args := []string{
		"--variant=minbase", "--format=tar", "--quiet",
		"--architectures=" + o.Architecture,
		"--include=" + strings.Join(o.Packages, ","),
	}
	return append(append(args, Release, target), o.sources()...)
}

// Bootstrap installs the packages and all that they depend on, and writes the root file system as
// a tar file. It needs mmdebstrap, and root or user namespaces.
func Bootstrap(ctx context.Context, o Options, file string) error {
	if err := runnable("/", o.Architecture); err != nil {
		return err
	}
	_, err := run(ctx, "mmdebstrap", o.args(file)...)
	return err
}

// run runs one of Debian's programs and returns what it prints.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// mmdebstrap, and the packages' scripts, take it as the latest time of a file.
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(Epoch.Unix(), 10), "LC_ALL=C.UTF-8", "TZ=UTC")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", name, err, last(stderr.String(), 2000))
	}
	return stdout.Bytes(), nil
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }
