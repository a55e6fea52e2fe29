package workflows

import "go.temporal.io/sdk/workflow"

// A workflow stays with the version of the workers that it began on (docs/adr/0028-versions.md),
// so that a change of this package needs no care for what is in the middle of something. It goes
// over to the version that is current by continuing as new, at the next place where all that it
// knows fits into its input. Workers without a version never have anything to go over to.

// outdated tells whether another version has become current. Temporal says it in the event that
// begins a workflow task, so that it is the same in a replay.
func outdated(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetTargetWorkerDeploymentVersionChanged()
}

// continueAs begins the next run of a workflow, with the version that is current now.
func continueAs(ctx workflow.Context, name string, in any) error {
	return workflow.NewContinueAsNewErrorWithOptions(ctx, workflow.ContinueAsNewErrorOptions{
		InitialVersioningBehavior: workflow.ContinueAsNewVersioningBehaviorAutoUpgrade,
	}, name, in)
}

// versionNews is the channel of SignalVersion, which every workflow that may wait for long has to
// take in: it finds out by that alone that another version is current.
func versionNews(ctx workflow.Context) workflow.ReceiveChannel {
	return workflow.GetSignalChannel(ctx, SignalVersion)
}

// heed takes in what is in a channel that only wakes.
func heed(c workflow.ReceiveChannel) {
	for c.ReceiveAsync(nil) { // the occasion is now
	}
}
