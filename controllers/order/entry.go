package order

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// Missing is the error of an Entry that is not there as text. No crawl begins without it.
type Missing struct {
	// Found says which entry that is, and what is there in its place, without a stop.
	Found string
	// Mend says what to do about it, without a stop.
	Mend string
}

// Error implements error.
func (m *Missing) Error() string { return m.Found + ". " + m.Mend }

// Read reads an order, and its spec as the API server holds it: see [Digest]. Its error is the API
// server's, unless the order cannot be decoded.
func Read(ctx context.Context, reader client.Reader, key client.ObjectKey) (*v1alpha1.CrawlJob, map[string]any, error) {
	var held unstructured.Unstructured
	held.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("CrawlJob"))
	if err := reader.Get(ctx, key, &held); err != nil {
		return nil, nil, err
	}
	return decode(&held)
}

// ReadTexts reads what the Entries of an order hold, by NAME/KEY, each once. Its error is a *Missing
// when one is not there as text, else the API server's.
func ReadTexts(ctx context.Context, reader client.Reader, job *v1alpha1.CrawlJob) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range Entries(&job.Spec) {
		if _, ok := texts[e.String()]; ok {
			continue
		}
		text, err := readEntry(ctx, reader, job.Namespace, e)
		if err != nil {
			return nil, err
		}
		texts[e.String()] = text
	}
	return texts, nil
}

func readEntry(ctx context.Context, reader client.Reader, namespace string, e Entry) (string, error) {
	var config corev1.ConfigMap
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: e.Name}, &config)
	if apierrors.IsNotFound(err) {
		return "", &Missing{
			Found: fmt.Sprintf("%s names ConfigMap %q, which is not in namespace %q", e.Field, e.Name, namespace),
			Mend:  "Create it",
		}
	}
	if err != nil {
		return "", fmt.Errorf("read ConfigMap %q: %w", e.Name, err)
	}
	if text, ok := config.Data[e.Key]; ok {
		return text, nil
	}
	if _, binary := config.BinaryData[e.Key]; binary {
		return "", &Missing{
			Found: fmt.Sprintf("%s names key %q of ConfigMap %q, which has it in binaryData, as kubectl does with what is not UTF-8", e.Field, e.Key, e.Name),
			Mend:  "Save the text as UTF-8 and store it again, in data",
		}
	}
	return "", &Missing{
		Found: fmt.Sprintf("%s names key %q of ConfigMap %q, which has no such key", e.Field, e.Key, e.Name),
		Mend:  "Add it",
	}
}
