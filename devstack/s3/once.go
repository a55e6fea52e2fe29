package s3

import (
	"context"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// once keeps some users from overwriting anything: what they put has to say that nothing may be
// there (If-None-Match: *). That a policy may demand that, with the condition s3:if-none-match, the
// gateway does not know.
type once struct {
	backend.Backend
	keys map[string]bool // by access key
}

// accountKey is under what the gateway keeps in the context of a request who asks.
const accountKey = "account"

// binds tells whether a request is of one of them. One of which it cannot be told is.
func (o *once) binds(ctx context.Context) bool {
	account, ok := ctx.Value(accountKey).(auth.Account)
	return !ok || o.keys[account.Access]
}

// PutObject implements backend.Backend.
func (o *once) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if o.binds(ctx) && (in.IfNoneMatch == nil || *in.IfNoneMatch != "*") {
		return s3response.PutObjectOutput{}, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return o.Backend.PutObject(ctx, in)
}

// CopyObject implements backend.Backend: a copy has no such condition.
func (o *once) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	if o.binds(ctx) {
		return s3response.CopyObjectOutput{}, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return o.Backend.CopyObject(ctx, in)
}

// CreateMultipartUpload implements backend.Backend: nobody of them puts in parts.
func (o *once) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	if o.binds(ctx) {
		return s3response.InitiateMultipartUploadResult{}, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return o.Backend.CreateMultipartUpload(ctx, in)
}
