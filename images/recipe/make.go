package recipe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	registry "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"crawlfleet.dev/crawlfleet/images/debian"
	"crawlfleet.dev/crawlfleet/images/layer"
	"crawlfleet.dev/crawlfleet/images/oci"
	"crawlfleet.dev/crawlfleet/images/sbom"
)

// Options say how images are made.
type Options struct {
	// Root is the project's folder, and Out the one that archives are written to.
	Root, Out string
	// Replay is the folder with ReplayWeb.page, of version ReplayVersion.
	Replay, ReplayVersion string
	// Repository is what the images' names begin with, and Tag what they end with.
	Repository, Tag string
	// Revision is the commit that they are made of, and At its time.
	Revision string
	At       time.Time
	// Platforms to make them for.
	Platforms []v1.Platform
	// Debian is where packages come from. Its Packages, if there are any, take the place of the
	// recipe's: the list that an earlier build left.
	Debian debian.Options
	// Log tells what takes long.
	Log *slog.Logger
}

// Result is an image that was made.
type Result struct {
	Name   oci.Name
	File   string
	Digest v1.Hash
	// Platforms are the digests for each.
	Platforms map[string]v1.Hash
}

// Make makes an image: its archive, the lists of what is in it, and a file with its digest.
func Make(ctx context.Context, name string, o Options) (Result, error) {
	r, ok := recipes[name]
	if !ok {
		return Result{}, fmt.Errorf("there is no image %q, but %s", name, strings.Join(Names(), ", "))
	}
	called := oci.Name{Repository: o.Repository + "/" + name, Tag: o.Tag}
	if _, err := registry.NewTag(called.String(), registry.StrictValidation); err != nil {
		return Result{}, fmt.Errorf("name the image: %w", err)
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp(o.Out, ".make-*")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)
	result := Result{
		Name: called, File: filepath.Join(o.Out, name+".tar"), Platforms: make(map[string]v1.Hash),
	}
	images := make([]v1.Image, 0, len(o.Platforms))
	for _, platform := range o.Platforms {
		b := build{Options: o, recipe: r, name: name, platform: platform, work: work}
		img, err := b.image(ctx)
		if err != nil {
			return Result{}, fmt.Errorf("make the image %s for %s: %w", name, platform, err)
		}
		if result.Platforms[platform.String()], err = img.Digest(); err != nil {
			return Result{}, err
		}
		images = append(images, img)
	}
	index, err := oci.Index(images)
	if err != nil {
		return Result{}, err
	}
	if result.Digest, err = index.Digest(); err != nil {
		return Result{}, err
	}
	if err := oci.Write(result.File, index, result.Name, o.At); err != nil {
		return Result{}, err
	}
	return result, os.WriteFile(filepath.Join(o.Out, name+".digest"), []byte(result.Name.Pinned(result.Digest)+"\n"), 0o644)
}

// build is one image for one platform.
type build struct {
	Options
	recipe
	name     string
	platform v1.Platform
	work     string
}

func (b build) image(ctx context.Context) (v1.Image, error) {
	var layers []v1.Layer
	list := sbom.List{
		Image: b.Repository + "/" + b.name, Version: b.Tag, Revision: b.Revision, Architecture: b.platform.Architecture, At: b.At, Programs: make(map[string]sbom.Program),
	}
	files, err := b.ground(ctx, &list, &layers)
	if err != nil {
		return nil, err
	}
	built, err := b.compile(ctx, &list)
	if err != nil {
		return nil, err
	}
	files = append(files, built...)
	if b.more != nil {
		more, components, err := b.more(b.Options)
		if err != nil {
			return nil, err
		}
		files, list.Other = append(files, more...), append(list.Other, components...)
	}
	described, err := b.describe(ctx, list)
	if err != nil {
		return nil, err
	}
	b.Log.Info("packing the programs", "platform", b.platform.String())
	own, err := layer.Pack(b.temp("own.tar.gz"), func(w io.Writer) error { return layer.Write(w, append(files, described...), b.At) })
	if err != nil {
		return nil, err
	}
	settings := b.settings
	settings.Created, settings.Labels = b.At, b.labels()
	return oci.Image(b.platform, settings, append(layers, own)...)
}

// ground is what the image's programs stand on: a root file system as a layer of its own, or a few files.
func (b build) ground(ctx context.Context, list *sbom.List, layers *[]v1.Layer) ([]layer.File, error) {
	if len(b.packages) == 0 {
		files, pkg, err := base(ctx)
		list.Packages = append(list.Packages, pkg)
		for _, v := range b.settings.Volumes {
			files = append(files, layer.File{Path: strings.TrimPrefix(v, "/"), Folder: true, Mode: 0o700, Owner: nonroot})
		}
		return files, err
	}
	root, packages, err := b.rootFS(ctx)
	if err != nil {
		return nil, err
	}
	*layers = append(*layers, root)
	list.Packages = packages
	return []layer.File{{Path: scratch, Folder: true, Mode: 0o700, Owner: crawlfleet}}, nil
}

// describe writes the list of what is in the image, beside the archive and into the image.
func (b build) describe(ctx context.Context, list sbom.List) ([]layer.File, error) {
	data, err := list.JSON()
	if err != nil {
		return nil, err
	}
	beside := filepath.Join(b.Out, b.name+"."+b.platform.Architecture+".cdx.json")
	if err := os.WriteFile(beside, data, 0o644); err != nil {
		return nil, err
	}
	cache, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	programs := make([]sbom.Program, 0, len(list.Programs))
	for _, p := range b.programs {
		programs = append(programs, list.Programs["/"+p.at])
	}
	return documents(data, b.Root, programs, cache)
}

// labels are the annotations that the image specification defines.
func (b build) labels() map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":       "crawlfleet " + b.name,
		"org.opencontainers.image.description": b.about,
		"org.opencontainers.image.version":     b.Tag,
		"org.opencontainers.image.created":     b.At.UTC().Format(time.RFC3339),
		"dev.crawlfleet.sbom":                  "/" + SBOMPath,
	}
	if b.Revision != "" {
		l["org.opencontainers.image.revision"] = b.Revision
	}
	if b.license != "" {
		l["org.opencontainers.image.licenses"] = b.license
	}
	return l
}

func (b build) temp(name string) string {
	return filepath.Join(b.work, b.name+"-"+b.platform.Architecture+"-"+name)
}
