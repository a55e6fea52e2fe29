package order

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestReadEntry: what is not there as text is told apart, with what to do about it.
func TestReadEntry(t *testing.T) {
	t.Parallel()
	reader := fake.NewClientBuilder().WithObjects(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"},
		Data:       map[string]string{"urls": "https://example.org/", "none": ""}, BinaryData: map[string][]byte{"utf16": {0xff, 0xfe}},
	}).Build()
	for name, tc := range map[string]struct {
		entry      Entry
		text, mend string
	}{
		"There":  {Entry{FieldSeeds, "ads", "urls"}, "https://example.org/", ""},
		"Empty":  {Entry{FieldSeeds, "ads", "none"}, "", ""},
		"NoKey":  {Entry{FieldSeeds, "ads", "other"}, "", "Add it"},
		"Binary": {Entry{FieldSeeds, "ads", "utf16"}, "", "Save the text as UTF-8 and store it again, in data"},
		"NoSuch": {Entry{FieldScripts, "own", "click.js"}, "", "Create it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := readEntry(t.Context(), reader, "research", tc.entry)
			var missing *Missing
			if errors.As(err, &missing) != (tc.mend != "") || missing != nil && missing.Mend != tc.mend || missing == nil && err != nil {
				t.Errorf("error %v, want %q", err, tc.mend)
			}
			if text != tc.text {
				t.Errorf("it holds %q, want %q", text, tc.text)
			}
		})
	}
}
