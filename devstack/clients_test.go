package devstack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// What the tests leave in a stack in order to find it again.
const (
	namespaceName = "harbour"
	workflowID    = "crawl-1"
	searchName    = "CrawlName"
	searchValue   = "harbour/board"
	objectKey     = "harbour/board/chunk-1.wacz"
)

var objectBody = bytes.Repeat([]byte("evidence "), 1000)

// clients talk to a stack as crawlfleet does.
type clients struct {
	kube     *kubernetes.Clientset
	temporal client.Client
	s3       *minio.Client
	state    *stack.State
}

func connect(t *testing.T, s *stack.State) *clients {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // as fast as the server answers
	c := &clients{state: s}
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	c.temporal, err = client.DialContext(t.Context(), client.Options{
		HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.temporal.Close)
	endpoint, err := url.Parse(s.S3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c.s3, err = minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.S3.AccessKey, s.S3.SecretKey, ""), Region: s.S3.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// put leaves a namespace, a running workflow and an object.
func (c *clients) put(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceName}}
	if _, err := c.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: "crawlfleet-run",
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(searchName).ValueSet(searchValue)),
	}, "CrawlRun")
	if err != nil {
		t.Fatalf("start a workflow: %v", err)
	}
	if err := c.putObject(t); err != nil {
		t.Fatalf("put an object: %v", err)
	}
	err = c.putObject(t)
	if got := minio.ToErrorResponse(err).StatusCode; got != http.StatusPreconditionFailed {
		t.Errorf("second PUT with If-None-Match: got %v, status %d; want status 412", err, got)
	}
}

// putObject stores the object unless it is there.
func (c *clients) putObject(t *testing.T) error {
	opts := minio.PutObjectOptions{DisableMultipart: true}
	opts.SetMatchETagExcept("*")
	_, err := c.s3.PutObject(t.Context(), c.state.S3.ArchiveBucket, objectKey, bytes.NewReader(objectBody), int64(len(objectBody)), opts)
	return err
}

// find tells whether all that put left is there.
func (c *clients) find(t *testing.T) error {
	ctx := t.Context()
	if _, err := c.kube.CoreV1().Namespaces().Get(ctx, namespaceName, metav1.GetOptions{}); err != nil {
		return fmt.Errorf("get the namespace: %w", err)
	}
	w, err := c.temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return fmt.Errorf("describe the workflow: %w", err)
	}
	if got := w.GetWorkflowExecutionInfo().GetStatus(); got != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return fmt.Errorf("the workflow is %s, not running", got)
	}
	if _, ok := w.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[searchName]; !ok {
		return fmt.Errorf("the workflow has no search attribute %s", searchName)
	}
	o, err := c.s3.GetObject(ctx, c.state.S3.ArchiveBucket, objectKey, minio.GetObjectOptions{})
	if err != nil {
		return fmt.Errorf("get the object: %w", err)
	}
	defer o.Close()
	body, err := io.ReadAll(o)
	if err != nil {
		return fmt.Errorf("read the object: %w", err)
	}
	if !bytes.Equal(body, objectBody) {
		return errors.New("the object has changed")
	}
	err = c.putObject(t)
	if got := minio.ToErrorResponse(err).StatusCode; got != http.StatusPreconditionFailed {
		return fmt.Errorf("put over the object with If-None-Match: got %w, want status 412", err)
	}
	found, err := c.s3.BucketExists(ctx, c.state.S3.FrontierBucket)
	if err != nil || !found {
		return fmt.Errorf("the frontier bucket is missing: %w", err)
	}
	return nil
}

// writer returns a function that makes the thing with a number in a part.
func (c *clients) writer(part string) func(ctx context.Context, i int) error {
	return map[string]func(ctx context.Context, i int) error{
		stack.Kube: func(ctx context.Context, i int) error {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: numbered(i)}}
			_, err := c.kube.CoreV1().ConfigMaps("default").Create(ctx, cm, metav1.CreateOptions{})
			return err
		},
		stack.Temporal: func(ctx context.Context, i int) error {
			_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: numbered(i), TaskQueue: "crawlfleet-run"}, "CrawlRun")
			return err
		},
		stack.S3: func(ctx context.Context, i int) error {
			_, err := c.s3.PutObject(ctx, c.state.S3.FrontierBucket, numbered(i), bytes.NewReader(objectBody), int64(len(objectBody)), minio.PutObjectOptions{})
			return err
		},
	}[part]
}

// reader returns a function that looks for the thing with a number in a part.
func (c *clients) reader(part string) func(ctx context.Context, i int) error {
	return map[string]func(ctx context.Context, i int) error{
		stack.Kube: func(ctx context.Context, i int) error {
			_, err := c.kube.CoreV1().ConfigMaps("default").Get(ctx, numbered(i), metav1.GetOptions{})
			return err
		},
		stack.Temporal: func(ctx context.Context, i int) error {
			_, err := c.temporal.DescribeWorkflowExecution(ctx, numbered(i), "")
			return err
		},
		stack.S3: func(ctx context.Context, i int) error {
			info, err := c.s3.StatObject(ctx, c.state.S3.FrontierBucket, numbered(i), minio.StatObjectOptions{})
			if err == nil && info.Size != int64(len(objectBody)) {
				err = fmt.Errorf("it has %d bytes, not %d", info.Size, len(objectBody))
			}
			return err
		},
	}[part]
}

func numbered(i int) string { return fmt.Sprintf("thing-%d", i) }

// wantForbidden checks that err is the API server's refusal.
func wantForbidden(t *testing.T, what string, err error) {
	t.Helper()
	if !apierrors.IsForbidden(err) {
		t.Errorf("%s: got %v, want a refusal (403)", what, err)
	}
}
