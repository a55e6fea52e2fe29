package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/workflows"
)

// version is the Worker Deployment Version that the role run is of. Plans and pages have none:
// whoever is there takes them (docs/adr/0028-versions.md).
type version struct {
	deployment, buildID string
}

// validVersion is what Temporal takes, and what may be part of the name of a Kubernetes object.
var validVersion = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

func (v *version) add(f *pflag.FlagSet) {
	f.StringVar(&v.buildID, "build-id", "", "names this build of the program: the role run takes no workflow before Temporal is told that it is the current version, and keeps those that began with it until they continue as new (default: workflows of no version)")
	f.StringVar(&v.deployment, "deployment-name", workflows.Deployment, "the Worker Deployment that --build-id is a version of")
}

func (v version) check() error {
	switch {
	case v.buildID == "":
		return nil
	case !validVersion.MatchString(v.buildID):
		return fmt.Errorf("--build-id %q: use up to 63 letters, digits, - and _", v.buildID)
	case !validVersion.MatchString(v.deployment):
		return errors.New("--deployment-name: use up to 63 letters, digits, - and _")
	}
	return nil
}

// options has workflows stay with this version; none without a build id.
func (v version) options() worker.DeploymentOptions {
	if v.buildID == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: v.deployment, BuildID: v.buildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}
