package kube

import (
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/client-go/tools/events"
)

// TestNotesFit: the API server refuses an event whose note has more than 1024 bytes.
func TestNotesFit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ note, want string }{
		"Short": {"100 % of it", "100 % of it"},
		"Full":  {strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		"Long":  {strings.Repeat("a", 1025), strings.Repeat("a", 1020) + " …"},
		"Rune":  {strings.Repeat("é", 600), strings.Repeat("é", 510) + " …"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := events.NewFakeRecorder(1)
			Events{recorder}.Eventf(nil, nil, "Normal", "Reason", "Action", "%s", tc.note)
			got := strings.TrimPrefix(<-recorder.Events, "Normal Reason ")
			if got != tc.want || len(got) > 1024 || !utf8.ValidString(got) {
				t.Errorf("%d bytes, want %d: …%s", len(got), len(tc.want), got[max(0, len(got)-20):])
			}
		})
	}
}
