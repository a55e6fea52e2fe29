package workflows

import (
	"flag"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/jsonshape"
)

var updateShapes = flag.Bool("update-shapes", false, "take what is new in payloads into testdata/payloads")

// payloads are what programs of two builds send each other through Temporal: workflows of one build
// run beside plans, pages and an operator of another one, and what a workflow continues with is read
// by the next build, or by the one before.
var payloads = []any{
	// of workflows
	RunInput{}, RunResult{}, ShardInput{}, RetainInput{}, StampInput{}, StampOutput{}, FiringInput{}, FiringState{},
	// of activities
	PreflightInput{}, PreflightOutput{}, SeedInput{}, SeedOutput{}, PlanInput{}, PlanOutput{}, BundleInput{}, BundleOutput{}, BundleProgress{},
	SweepInput{}, SweepOutput{}, SealInput{}, SealOutput{}, EraseInput{}, EraseOutput{}, StoreProfileInput{}, AmendInput{}, AmendOutput{}, RestoreInput{}, RestoreOutput{},
	Report{}, RetentionReport{}, Firing{}, StoreVerdict{},
	// of signals and updates
	ShardReport{}, ShardControl{}, SetState{}, SetProfile{}, Amend{},
}

// TestPayloadsStayReadable: no member of a payload is renamed, removed or made something else.
func TestPayloadsStayReadable(t *testing.T) {
	t.Parallel()
	jsonshape.Check(t, "testdata/payloads", *updateShapes, payloads...)
	jsonshape.Covers(t, ".", payloads...)
}
