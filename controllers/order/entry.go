package order

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// ReadEntry reads what an entry holds of an order in a namespace. Its error is a *Missing when the
// ConfigMap is not there, or has no such text, else the API server's.
func ReadEntry(ctx context.Context, reader client.Reader, namespace string, e Entry) (string, error) {
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
