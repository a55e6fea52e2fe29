package payload

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// While nothing can be encoded a workflow must neither end nor go on as if what it wanted had failed:
// its history would say so for ever. It panics, and with the policy that workers have unless told
// otherwise (worker.BlockWorkflow) that fails its task alone, which the server hands out again until
// there are keys. What a workflow does not send does not matter then: it is replayed.

// blocking keeps the workflows of a client's workers from ending while nothing can be encoded.
type blocking struct {
	interceptor.InterceptorBase
	keys *Keys
}

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (b *blocking) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &blockingWorkflow{interceptor.WorkflowInboundInterceptorBase{Next: next}, b.keys}
}

type blockingWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	keys *Keys
}

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor. The SDK encodes the result, or the
// failure, once it has returned.
func (b *blockingWorkflow) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	out, err := b.Next.ExecuteWorkflow(ctx, in)
	if missing := b.keys.Ready(); missing != nil {
		panic(missing)
	}
	return out, err
}

// payloads encodes payloads, and those of workflows strictly: the SDK tells a workflow of a child or a
// signal that could not be encoded as of one that failed, and a workflow may go on without it.
type payloads struct {
	converter.DataConverter
	strict bool
}

var _ converter.ContextAware = payloads{}

// WithWorkflowContext implements converter.ContextAware.
func (p payloads) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return payloads{p.DataConverter, true}
}

// WithContext implements converter.ContextAware.
func (p payloads) WithContext(context.Context) converter.DataConverter { return p }

// ToPayload implements converter.DataConverter.
func (p payloads) ToPayload(value any) (*commonpb.Payload, error) {
	out, err := p.DataConverter.ToPayload(value)
	p.check(err)
	return out, err
}

// ToPayloads implements converter.DataConverter.
func (p payloads) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	out, err := p.DataConverter.ToPayloads(values...)
	p.check(err)
	return out, err
}

func (p payloads) check(err error) {
	if p.strict && errors.Is(err, ErrKeys) {
		panic(err)
	}
}
