// Command images makes the container images of crawlfleet, as files, without a container runtime
// and without a registry:
//
//	images --root .. --out ../build/images operator portal
//
// docs/images.md says what is in them. `make images` runs it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"crawlfleet.dev/crawlfleet/images/recipe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o := recipe.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	var platforms, packages string
	f := flag.NewFlagSet("images", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "images [flags] NAME...   makes images; NAMEs: %s\n", strings.Join(recipe.Names(), ", "))
		f.PrintDefaults()
	}
	f.StringVar(&o.Root, "root", ".", "the project's `FOLDER`")
	f.StringVar(&o.Out, "out", "build/images", "`FOLDER` for the archives")
	f.StringVar(&o.Replay, "replay", "build/replay", "`FOLDER` with ReplayWeb.page")
	f.StringVar(&o.ReplayVersion, "replay-version", "", "`VERSION` of ReplayWeb.page")
	f.StringVar(&o.Repository, "repository", "docker.io/crawlfleet", "what the images' names begin with")
	f.StringVar(&o.Tag, "tag", "dev", "`VERSION` that the images' names end with")
	f.StringVar(&platforms, "platforms", "linux/amd64", "`PLATFORMS` to make them for, with a comma between: "+strings.Join(known, ", "))
	f.StringVar(&o.Debian.Mirror, "mirror", "", "`URL` of the Debian archive (default deb.debian.org)")
	f.StringVar(&o.Debian.Security, "mirror-security", "", "`URL` of Debian's security archive")
	f.StringVar(&o.Debian.Snapshot, "snapshot", "", "`TIME`, such as 20261101T000000Z, of a state of snapshot.debian.org to take packages from")
	f.StringVar(&packages, "packages", "", "`FILE` with the packages to install, NAME=VERSION a line, as an earlier build left it")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		f.Usage()
		return fmt.Errorf("no image was named")
	}
	if err := complete(ctx, &o, platforms, packages); err != nil {
		return err
	}
	for _, name := range f.Args() {
		began := time.Now()
		r, err := recipe.Make(ctx, name, o)
		if err != nil {
			return err
		}
		tell(out, r, time.Since(began))
	}
	return nil
}

// tell prints what was made, and its digests.
func tell(out io.Writer, r recipe.Result, took time.Duration) {
	size := int64(0)
	if info, err := os.Stat(r.File); err == nil {
		size = info.Size()
	}
	fmt.Fprintf(out, "%s  %d MB, %.0f s\n  %s\n", r.File, size/1_000_000, took.Seconds(), r.Name.Pinned(r.Digest))
	for _, p := range slices.Sorted(maps.Keys(r.Platforms)) {
		fmt.Fprintf(out, "    %-12s %s\n", p, r.Platforms[p])
	}
}

// complete reads what the flags name, and asks git for the commit. Folders are made absolute: go
// builds in others.
func complete(ctx context.Context, o *recipe.Options, platforms, packages string) (err error) {
	for _, dir := range []*string{&o.Root, &o.Out, &o.Replay} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	if o.Platforms, err = parsePlatforms(platforms); err != nil {
		return err
	}
	if packages != "" {
		data, err := os.ReadFile(packages)
		if err != nil {
			return fmt.Errorf("--packages: %w", err)
		}
		o.Debian.Packages = strings.Fields(string(data))
	}
	if o.Revision, err = revision(ctx, o.Root); err != nil {
		return err
	}
	o.At, err = commitTime(ctx, o.Root)
	return err
}

// known are the platforms that images are made for.
var known = []string{"linux/amd64", "linux/arm64"}

// parsePlatforms reads platforms with commas between.
func parsePlatforms(list string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for p := range strings.SplitSeq(list, ",") {
		p = strings.TrimSpace(p)
		if !slices.Contains(known, p) {
			return nil, fmt.Errorf("--platforms: no image is made for %q: use %s, with a comma between", p, strings.Join(known, " or "))
		}
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			return nil, fmt.Errorf("--platforms: %w", err)
		}
		if slices.ContainsFunc(platforms, platform.Equals) {
			return nil, fmt.Errorf("--platforms: %s is there twice", p)
		}
		platforms = append(platforms, *platform)
	}
	return platforms, nil
}

// revision is the commit that a folder is at, with "+dirty" where there is more: files that git does not know, too, are
// compiled. Outside of a clone there is none.
func revision(ctx context.Context, root string) (string, error) {
	commit, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil || commit == "" {
		return "", err
	}
	changes, err := git(ctx, root, "status", "--porcelain")
	if err != nil {
		return "", err
	}
	if changes != "" {
		commit += "+dirty"
	}
	return commit, nil
}

// commitTime is what the images say they were made at: $SOURCE_DATE_EPOCH
// (reproducible-builds.org/specs/source-date-epoch), or the time of the commit.
func commitTime(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = git(ctx, root, "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, err
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the images' time is neither in $SOURCE_DATE_EPOCH nor to be had from git, as %s is no clone: %w", root, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// git asks git; where it knows nothing, as outside of a clone, the answer is empty. That it will not say, as of a clone of
// another user, is an error: the image would not tell what it is made of.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) || strings.Contains(problem.String(), "not a git repository") {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask git about %s: %w: %s", root, err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
