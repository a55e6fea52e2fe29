package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// maxNote is how many bytes the note of an event may have (events.k8s.io/v1, Event.note).
const maxNote = 1024

// Events is a recorder whose events the API server takes: it refuses those whose note is too long,
// and nobody hears of them.
type Events struct{ events.EventRecorder }

// Eventf implements events.EventRecorder. A note that is too long is cut.
func (e Events) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	e.EventRecorder.Eventf(regarding, related, kind, reason, action, "%s", cut(fmt.Sprintf(note, args...)))
}

func cut(note string) string {
	const more = " …"
	if len(note) <= maxNote {
		return note
	}
	return Clip(note, maxNote-len(more)) + more
}
