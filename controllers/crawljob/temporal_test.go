package crawljob

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// server answers as a Temporal server does. Methods that are not overridden panic.
type server struct {
	temporal.Client

	described *workflowservice.DescribeWorkflowExecutionResponse
	err       error // of every call
	queueErr  error // of questions for pollers
	answer    *workflows.Report
	polled    map[string]time.Time
	asked     int // for pollers
	ended     handle

	options temporal.StartWorkflowOptions
	input   workflows.RunInput
	update  temporal.UpdateWorkflowOptions
}

// handle is a workflow that was started.
type handle struct {
	temporal.WorkflowRun
	id, run string
	result  *workflows.RunResult
	err     error
}

func (h handle) Get(_ context.Context, into any) error {
	if h.err != nil {
		return h.err
	}
	*into.(*workflows.RunResult) = *h.result
	return nil
}

func (s *server) GetWorkflow(context.Context, string, string) temporal.WorkflowRun { return s.ended }

func (h handle) GetID() string    { return h.id }
func (h handle) GetRunID() string { return h.run }

// value is an answer to a query or an update.
type value struct{ report *workflows.Report }

func (v value) HasValue() bool { return v.report != nil }
func (v value) Get(into any) error {
	raw, err := json.Marshal(v.report)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

type updated struct {
	temporal.WorkflowUpdateHandle
	value
}

func (u updated) Get(_ context.Context, into any) error { return u.value.Get(into) }

func (s *server) ExecuteWorkflow(_ context.Context, options temporal.StartWorkflowOptions, _ any, args ...any) (temporal.WorkflowRun, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.options, s.input = options, args[0].(workflows.RunInput)
	return handle{id: options.ID, run: "r1"}, nil
}

func (s *server) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return s.described, s.err
}

func (s *server) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	if s.answer == nil {
		return nil, context.DeadlineExceeded
	}
	return value{s.answer}, nil
}

func (s *server) UpdateWorkflow(_ context.Context, options temporal.UpdateWorkflowOptions) (temporal.WorkflowUpdateHandle, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.update = options
	return updated{value: value{s.answer}}, nil
}

func (s *server) WorkflowService() workflowservice.WorkflowServiceClient { return service{server: s} }

// service is what the SDK has no words for.
type service struct {
	workflowservice.WorkflowServiceClient
	server *server
}

func (s service) ListTaskQueuePartitions(_ context.Context, in *workflowservice.ListTaskQueuePartitionsRequest, _ ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	return partitionsOf(in.GetTaskQueue().GetName()), nil
}

func (s service) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	s.server.asked++
	if s.server.queueErr != nil {
		return nil, s.server.queueErr
	}
	if in.GetNamespace() != "fleet" {
		return nil, errors.New("asked about another namespace")
	}
	at, ok := s.server.polled[in.GetTaskQueue().GetName()]
	if !ok {
		return &workflowservice.DescribeTaskQueueResponse{}, nil
	}
	return &workflowservice.DescribeTaskQueueResponse{
		Pollers: []*taskqueuepb.PollerInfo{{LastAccessTime: timestamppb.New(at)}},
	}, nil
}

func (s *server) CheckHealth(context.Context, *temporal.CheckHealthRequest) (*temporal.CheckHealthResponse, error) {
	return &temporal.CheckHealthResponse{}, s.err
}

func clock() time.Time { return noon }

func TestStart(t *testing.T) {
	t.Parallel()
	s := &server{}
	job := jobWith(func(job *v1alpha1.CrawlJob) {
		job.Spec.Priority = 2
		job.Spec.Shards = 4
		job.Spec.Capture.Behaviors = v1alpha1.Behaviors{Expand: v1alpha1.Disabled, Scripts: []v1alpha1.BehaviorScript{{Name: "own", Key: "gallery.js", Hosts: []v1alpha1.HostPattern{"*.example.org"}}}}
		job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Depth: new(int32(0)), Include: []v1alpha1.Pattern{"x"}}
		job.Spec.Storage = &v1alpha1.Storage{Prefix: "p"}
	})
	got, err := NewTemporal(s, "fleet", clock).Start(t.Context(), runInput(job, SeedList{Packed: []byte("z")}, ScriptList{Packed: []byte("s"), Digests: []string{"d"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1", StartedAt: noon}, got); diff != "" {
		t.Errorf("reference (-want +got):\n%s", diff)
	}
	if s.options.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE || s.options.WorkflowExecutionErrorWhenAlreadyStarted {
		t.Error("a second start would start a second crawl, or be an error")
	}
	if s.options.Priority.PriorityKey != 2 || s.options.TaskQueue != workflows.TaskQueueRun {
		t.Errorf("started with priority %d on %s", s.options.Priority.PriorityKey, s.options.TaskQueue)
	}
	want := workflows.RunInput{
		FormatVersion: workflows.FormatVersion, Run: string(uid), Namespace: "research", Name: "board", Generation: 1,
		SeedList: []byte("z"), Scripts: []byte("s"), State: workflows.StateActive,
		Spec: workflows.Spec{
			Seeds:      workflows.Seeds{URLs: []string{"https://example.org/"}},
			Scope:      workflows.Scope{Type: "Custom", Depth: new(0), Include: []string{"x"}},
			Limits:     workflows.Limits{Pages: 10000, Bytes: 10_000_000_000, Duration: 24 * time.Hour},
			Politeness: workflows.Politeness{Delay: 2 * time.Second},
			Browser:    workflows.Browser{Width: 1280, Height: 800, PageTimeout: time.Minute},
			Capture: workflows.Capture{Screenshot: "FullPage", Text: true, Behaviors: &workflows.Behaviors{
				Scroll: true, Media: true, Consent: true, Scripts: []workflows.Script{{Name: "own/gallery.js", Hosts: []string{"*.example.org"}, SHA256: "d"}},
			}, BodyBytes: 1e9, PageBytes: 2e9, BadCertificates: "Refuse", Recorder: "Wire", Images: "Keep", ScriptPosts: "SameSite"},
			Storage: workflows.Storage{Prefix: "p"},
			Authorization: workflows.Authorization{
				Reference: "DPIA-1", Purpose: "Test", Basis: "consent", RequestedBy: "desk", NotAfter: noon.Add(24 * time.Hour),
			},
			Shards:    4,
			Priority:  2,
			Retention: workflows.Retention{Screening: 72 * time.Hour},
		},
	}
	if diff := cmp.Diff(want, s.input); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestStartTooLarge(t *testing.T) {
	t.Parallel()
	in := runInput(jobWith(), SeedList{Packed: make([]byte, order.MaxInput)}, ScriptList{}, nil)
	_, err := NewTemporal(&server{}, "fleet", clock).Start(t.Context(), in)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason != workflows.ReasonInvalidSeeds || !strings.Contains(refusal.Message, "divide the seeds") {
		t.Errorf("got %v, want a refusal that says to divide the seeds", err)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	running := &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "crawl-" + string(uid), RunId: "r2"}, FirstRunId: "r1",
		ExecutionTime: timestamppb.New(noon), Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}}
	ended := func(status enumspb.WorkflowExecutionStatus) *workflowservice.DescribeWorkflowExecutionResponse {
		d := proto.CloneOf(running)
		d.WorkflowExecutionInfo.Status = status
		return d
	}
	reference := RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1", StartedAt: noon}
	everywhere := map[string]time.Time{
		workflows.TaskQueueRun: noon, workflows.TaskQueuePlan: noon.Add(-time.Minute), workflows.TaskQueueBrowser: noon,
	}
	tests := map[string]struct {
		reason string
		server *server
		want   Run
		err    bool
	}{
		"Missing": {
			reason: "A workflow that there is not is a state.",
			server: &server{err: serviceerror.NewNotFound("workflow not found")},
			want:   Run{},
		},
		"Down": {
			reason: "A server that does not answer is an error.",
			server: &server{err: serviceerror.NewUnavailable("connection refused")},
			err:    true,
		},
		"NamespaceMissing": {
			reason: "A namespace that is missing is no workflow that is missing.",
			server: &server{err: serviceerror.NewNamespaceNotFound("crawlfleet")},
			err:    true,
		},
		"Running": {
			reason: "Workers poll and answer.",
			server: &server{described: running, answer: crawling(), polled: everywhere},
			want:   Run{Known: true, Reference: reference, Answer: crawling()},
		},
		"Completed": {
			reason: "The result of the workflow is the verdict.",
			server: &server{described: ended(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED), ended: handle{result: completed()}},
			want:   Run{Known: true, Reference: reference, Ended: completed()},
		},
		"Terminated": {
			reason: "A workflow that was ended from outside has no verdict, which is a failure.",
			server: &server{described: ended(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED), ended: handle{err: &sdk.WorkflowExecutionError{}}},
			want: Run{Known: true, Reference: reference, Ended: &workflows.RunResult{
				Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost,
				Message: "Workflow crawl-" + string(uid) + " ended as Terminated without a verdict, so it was not sealed. What was archived is stored and complete. See its history in Temporal for the cause; create a new CrawlJob to crawl again.",
			}},
		},
		"TerminatedSays": {
			reason: "What it has been doing can still be asked for, while a worker is there.",
			server: &server{
				described: ended(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED), ended: handle{err: &sdk.WorkflowExecutionError{}}, answer: crawling(), polled: everywhere,
			},
			want: Run{Known: true, Reference: reference, Answer: crawling(), Ended: &workflows.RunResult{
				Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost,
				Message: "Workflow crawl-" + string(uid) + " ended as Terminated without a verdict, so it was not sealed. What was archived is stored and complete. See its history in Temporal for the cause; create a new CrawlJob to crawl again.",
			}},
		},
		"TerminatedUnpolled": {
			reason: "That it was terminated is known, whoever polls; what it has been doing is asked for all the same.",
			server: &server{
				described: ended(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED), ended: handle{err: &sdk.WorkflowExecutionError{}}, answer: crawling(),
				queueErr: serviceerror.NewUnavailable("connection refused"),
			},
			want: Run{Known: true, Reference: reference, Answer: crawling(), Ended: &workflows.RunResult{
				Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost,
				Message: "Workflow crawl-" + string(uid) + " ended as Terminated without a verdict, so it was not sealed. What was archived is stored and complete. See its history in Temporal for the cause; create a new CrawlJob to crawl again.",
			}},
		},
		"RunningUnpolled": {
			reason: "Of a crawl that runs it has to be known.",
			server: &server{described: running, answer: crawling(), queueErr: serviceerror.NewUnavailable("connection refused")},
			err:    true,
		},
		"KilledWorkers": {
			reason: "Temporal lists pollers for five minutes, which does not make them alive.",
			server: &server{described: running, polled: map[string]time.Time{
				workflows.TaskQueueRun: noon, workflows.TaskQueuePlan: noon, workflows.TaskQueueBrowser: noon.Add(-2 * time.Minute),
			}},
			want: Run{Known: true, Reference: reference, Idle: []string{workflows.TaskQueueBrowser}},
		},
		"OtherPartition": {
			reason: "A worker asks one partition of a queue at a time, and the others do not know of it.",
			server: &server{described: running, answer: crawling(), polled: map[string]time.Time{
				workflows.TaskQueueRun: noon, workflows.TaskQueuePlan: noon, workflows.TaskQueueBrowser: noon.Add(-2 * time.Minute), "/_sys/" + workflows.TaskQueueBrowser + "/1": noon,
			}},
			want: Run{Known: true, Reference: reference, Answer: crawling()},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look := NewTemporal(tc.server, "fleet", clock)
			got, err := look.Look(t.Context(), uid)
			if (err != nil) != tc.err {
				t.Fatalf("%s\nerror %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); err == nil && diff != "" {
				t.Errorf("%s\nrun (-want +got):\n%s", tc.reason, diff)
			}
			before := tc.server.asked
			if _, err := look.Look(t.Context(), uid); err == nil && tc.server.queueErr == nil && tc.server.asked != before {
				t.Error("asked for pollers again within seconds")
			}
		})
	}
}

func TestSetState(t *testing.T) {
	t.Parallel()
	s := &server{answer: crawling()}
	got, err := NewTemporal(s, "fleet", clock).SetState(t.Context(), uid, v1alpha1.StateSuspended)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(crawling(), got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{workflows.SetState{State: workflows.StateSuspended}}, s.update.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}

	s.err = serviceerror.NewNotFound("workflow execution already completed")
	if got, err := NewTemporal(s, "fleet", clock).SetState(t.Context(), uid, v1alpha1.StateCancelled); got != nil || err != nil {
		t.Errorf("a crawl that is over: %v, %v, want nothing", got, err)
	}
	s.err = temporal.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded)
	if _, err := NewTemporal(s, "fleet", clock).SetState(t.Context(), uid, v1alpha1.StateCancelled); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("no worker: %v, want ErrNoAnswer", err)
	}
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	s := &server{}
	other := jobWith(over)
	other.Name = "over"
	m := &Monitor{
		Checker: s, Client: fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(jobWith(), other).Build(),
		Reports: NewReports(clock), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	down := serviceerror.NewUnavailable("dial tcp 127.0.0.1:7233: connect: connection refused")
	for i, step := range []struct {
		err     error
		changed bool
		want    string
	}{
		{nil, false, ""},
		{down, false, ""}, // one failure is not believed
		{down, true, "connection refused or lost"},
		{down, false, "connection refused or lost"},
		{nil, true, ""},
		{nil, false, ""},
	} {
		s.err = step.err
		if changed := m.check(t.Context()); changed != step.changed {
			t.Errorf("check %d: changed is %v, want %v", i, changed, step.changed)
		}
		got := ""
		if err := m.Err(); err != nil {
			got = err.Error()
		}
		if got != step.want {
			t.Errorf("check %d: error %q, want %q", i, got, step.want)
		}
	}
	if err := m.wake(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(m.Reports.visits) != 1 {
		t.Errorf("%d jobs are visited, want the one that is not over", len(m.Reports.visits))
	}
}

// TestAmendIsRefused: what a crawl will never take is told from what it may take later.
func TestAmendIsRefused(t *testing.T) {
	t.Parallel()
	for reason, final := range map[workflows.Reason]bool{
		workflows.ReasonInvalidSeeds: true, "errorString": true, "Ended": true,
		workflows.ReasonStoreUnreachable: false, "NotBegun": false,
	} {
		s := &server{err: sdk.NewApplicationError("made for a test", string(reason))}
		_, err := NewTemporal(s, "fleet", clock).Amend(t.Context(), uid, workflows.Amend{})
		var refusal *Refusal
		if got := errors.As(err, &refusal); got != final || !final && !errors.Is(err, ErrNotYet) {
			t.Errorf("%s: %v, want final %t", reason, err, final)
		}
	}
}

// TestEnd: the workflow is told the reason, and one that is over is in no need of it.
func TestEnd(t *testing.T) {
	t.Parallel()
	s := &server{answer: crawling()}
	got, err := NewTemporal(s, "fleet", clock).End(t.Context(), uid, workflows.ReasonApprovalWithdrawn)
	if err != nil || got == nil {
		t.Fatalf("%v, %v", got, err)
	}
	want := []any{workflows.SetState{State: workflows.StateCancelled, Reason: workflows.ReasonApprovalWithdrawn}}
	if diff := cmp.Diff(want, s.update.Args); diff != "" || s.update.UpdateName != workflows.UpdateSetState {
		t.Errorf("%s is sent (-want +got):\n%s", s.update.UpdateName, diff)
	}
	s.err = serviceerror.NewNotFound("made for a test")
	if got, err := NewTemporal(s, "fleet", clock).End(t.Context(), uid, workflows.ReasonApprovalWithdrawn); got != nil || err != nil {
		t.Errorf("of a crawl that is over: %v, %v", got, err)
	}
}
