package recipe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"crawlfleet.dev/crawlfleet/images/layer"
	"crawlfleet.dev/crawlfleet/images/sbom"
)

// compile builds the image's Go programs.
func (b build) compile(ctx context.Context, list *sbom.List) ([]layer.File, error) {
	files := make([]layer.File, 0, len(b.programs))
	for _, p := range b.programs {
		out := b.temp(path.Base(p.at))
		b.Log.Info("compiling", "program", p.pkg, "platform", b.platform.String())
		if err := b.goBuild(ctx, p, out); err != nil {
			return nil, err
		}
		known, err := sbom.ReadProgram(out)
		if err != nil {
			return nil, err
		}
		list.Programs["/"+p.at] = known
		files = append(files, layer.File{Path: p.at, Mode: 0o755, Source: out})
	}
	return files, nil
}

// identity is how a program knows its version and commit. Git's own account (-buildvcs) is not in every
// copy of the same sources.
func (b build) identity() string {
	const pkg = " -X crawlfleet.dev/crawlfleet/internal/cli."
	flags := pkg + "linkedVersion=" + b.Tag
	if b.Revision != "" {
		flags += pkg + "linkedRevision=" + b.Revision
	}
	return flags
}

// goBuild builds one program, static and without a trace of the folder that it is built in. The flags
// are those of the Makefile; what else the environment has for go does not count.
func (b build) goBuild(ctx context.Context, p program, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w"+b.identity(), "-o", out, p.pkg)
	cmd.Dir = filepath.Join(b.Root, p.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0",
		"GOOS="+b.platform.OS, "GOARCH="+b.platform.Architecture)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", p.pkg, err, text)
	}
	return nil
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	if err != nil {
		return "", fmt.Errorf("ask go for %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}
