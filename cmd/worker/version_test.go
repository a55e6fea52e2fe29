package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	versioned := func(name, build string) worker.DeploymentOptions {
		return worker.DeploymentOptions{
			UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: build},
			DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
		}
	}
	for name, tc := range map[string]struct {
		reason, args, wrong string
		want                worker.DeploymentOptions
	}{
		"None":       {reason: "workflows are of no version"},
		"Build":      {reason: "they stay with it", args: "--build-id 0a1b2c", want: versioned("crawlfleet", "0a1b2c")},
		"Deployment": {reason: "another fleet of the namespace", args: "--build-id v2 --deployment-name other", want: versioned("other", "v2")},
		"Dots":       {reason: "Temporal divides versions by them", args: "--build-id v1.2", wrong: "--build-id"},
		"Long":       {reason: "it is part of the name of a pod", args: "--build-id " + strings.Repeat("a", 64), wrong: "--build-id"},
		"Name":       {reason: "the same of the other half", args: "--build-id v2 --deployment-name a:b", wrong: "--deployment-name"},
	} {
		var v version
		f := pflag.NewFlagSet("worker", pflag.ContinueOnError)
		v.add(f)
		if err := f.Parse(strings.Fields(tc.args)); err != nil {
			t.Fatal(err)
		}
		err := v.check()
		if (err != nil) != (tc.wrong != "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
		if err != nil {
			continue
		}
		if diff := cmp.Diff(tc.want, v.options()); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
	}
}
