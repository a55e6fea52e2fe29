// Package recipe says what is in the images of crawlfleet, and makes them.
package recipe

import (
	"fmt"
	"maps"
	"slices"

	"github.com/CycloneDX/cyclonedx-go"

	"crawlfleet.dev/crawlfleet/images/debian"
	"crawlfleet.dev/crawlfleet/images/layer"
	"crawlfleet.dev/crawlfleet/images/oci"
	"crawlfleet.dev/crawlfleet/images/sbom"
)

// The users of the images. The first is the one that images without a distribution
// usually have, the second the one whose user namespaces Chromium's sandbox is made of.
const (
	nonroot    = 65532
	crawlfleet = 1000
)

// scratch is the folder that the worker writes to.
const scratch = "scratch"

// program is a Go program of an image.
type program struct {
	module string // folder of the Go module in the project
	pkg    string
	at     string // path in the image
}

// recipe is what one image is made of.
type recipe struct {
	about    string
	programs []program
	// packages are Debian's, of its root file system; without any it has none but the programs.
	packages []string
	// more are further files, and what they are.
	more     func(Options) ([]layer.File, []cyclonedx.Component, error)
	settings oci.Settings
	license  string
}

var recipes = map[string]recipe{
	"operator": {
		about:    "crawlfleet's operator: reconciles crawl orders into Temporal workflows",
		programs: []program{{".", "./cmd/operator", "operator"}},
		settings: oci.Settings{Entrypoint: []string{"/operator"}, User: user(nonroot)},
		license:  "Apache-2.0",
	},
	"portal": {
		about: "crawlfleet's portal: find, see, replay, compare, verify and hand over snapshots",
		programs: []program{
			{".", "./cmd/portal", "portal"},
			// (The portal puts the verifier that lies beside it into dossiers.)
			{".", "./cmd/verify", "verify"},
		},
		more: replay,
		settings: oci.Settings{
			Entrypoint: []string{"/portal"}, User: user(nonroot), Env: []string{"CRAWLFLEET_REPLAY_DIR=/replay"},
		},
		license: "Apache-2.0 AND AGPL-3.0-or-later",
	},
	"worker": {
		about:    "crawlfleet's worker: runs the workflows, plans, and visits pages with Debian's Chromium in its sandbox",
		programs: []program{{".", "./cmd/worker", "usr/local/bin/worker"}},
		packages: []string{
			"ca-certificates", "chromium", "chromium-headless-shell", "chromium-sandbox", "tini",
			"fonts-liberation", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji",
		},
		settings: oci.Settings{
			// Process 1 reaps what a crashed browser leaves behind.
			Entrypoint: []string{"/usr/bin/tini", "--", "/usr/local/bin/worker"}, Cmd: []string{"--dir=/" + scratch},
			User: user(crawlfleet), Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/" + scratch}, Volumes: []string{"/" + scratch},
		},
	},
	"services": {
		about:    "Temporal and an S3 store for an installation on a single node",
		programs: []program{{"devstack", "./cmd/services", "services"}},
		settings: oci.Settings{
			Entrypoint: []string{"/services"}, Cmd: []string{"--dir=/data"}, User: user(nonroot),
			Volumes: []string{"/data"}, Ports: []string{"7233/tcp", "7070/tcp"},
		},
		license: "Apache-2.0 AND MIT",
	},
}

// Names are the images that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(recipes)) }

func user(id int) string { return fmt.Sprintf("%d:%d", id, id) }

// account is the user of an image with a root file system.
var account = debian.Account{Name: "crawlfleet", ID: crawlfleet, Home: "/" + scratch}

// replay is ReplayWeb.page, as npm has it.
func replay(o Options) ([]layer.File, []cyclonedx.Component, error) {
	files := make([]layer.File, 0, 3)
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		files = append(files, layer.File{Path: "replay/" + name, Source: o.Replay + "/" + name})
	}
	return files, []cyclonedx.Component{sbom.NPM("replaywebpage", o.ReplayVersion, "AGPL-3.0-or-later")}, nil
}
