package browser

import (
	"strings"
)

// The events of a busy page are most of what Chrome sends. These types name
// only the fields that the ledger needs, so that the rest (headers, stacks,
// timings) is skipped rather than decoded; cdproto's full types cost several
// times as much. See the Network and Page domains of the DevTools protocol.

type wireRequest struct {
	URL    string `json:"url"`
	Method string `json:"method"`
}

type wireResponse struct {
	URL               string            `json:"url"`
	Status            int               `json:"status"`
	MIME              string            `json:"mimeType"`
	FromDiskCache     bool              `json:"fromDiskCache"`
	FromServiceWorker bool              `json:"fromServiceWorker"`
	FromPrefetchCache bool              `json:"fromPrefetchCache"`
	Protocol          string            `json:"protocol"`
	Headers           map[string]string `json:"headers"`
}

// header looks up a header without regard to case.
func (r *wireResponse) header(name string) string {
	for k, v := range r.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

type wireInitiator struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type requestWillBeSent struct {
	RequestID        string        `json:"requestId"`
	LoaderID         string        `json:"loaderId"`
	FrameID          string        `json:"frameId"`
	Type             string        `json:"type"`
	Request          wireRequest   `json:"request"`
	Initiator        wireInitiator `json:"initiator"`
	RedirectResponse *wireResponse `json:"redirectResponse"`
}

type responseReceived struct {
	RequestID string       `json:"requestId"`
	Type      string       `json:"type"`
	Response  wireResponse `json:"response"`
}

type requestEnded struct {
	RequestID     string `json:"requestId"`
	ErrorText     string `json:"errorText"`
	Canceled      bool   `json:"canceled"`
	BlockedReason string `json:"blockedReason"`
	Type          string `json:"type"`
}

type webSocketCreated struct {
	RequestID string        `json:"requestId"`
	URL       string        `json:"url"`
	Initiator wireInitiator `json:"initiator"`
}

type webSocketEvent struct {
	RequestID string `json:"requestId"`
	Response  struct {
		Status int `json:"status"`
	} `json:"response"`
	ErrorMessage string `json:"errorMessage"`
}

type wireFrame struct {
	ID       string `json:"id"`
	ParentID string `json:"parentId"`
	LoaderID string `json:"loaderId"`
	URL      string `json:"url"`
	Fragment string `json:"urlFragment"`
}

type frameEvent struct {
	FrameID  string    `json:"frameId"`
	ParentID string    `json:"parentFrameId"`
	URL      string    `json:"url"`
	Reason   string    `json:"reason"`
	Frame    wireFrame `json:"frame"`
}

type dialogOpening struct {
	Type string `json:"type"`
}

type requestPaused struct {
	RequestID string      `json:"requestId"`
	NetworkID string      `json:"networkId"`
	FrameID   string      `json:"frameId"`
	Type      string      `json:"resourceType"`
	Request   wireRequest `json:"request"`
}

type targetEvent struct {
	SessionID  string `json:"sessionId"`
	TargetID   string `json:"targetId"`
	Status     string `json:"status"`
	Waiting    bool   `json:"waitingForDebugger"`
	TargetInfo struct {
		TargetID  string `json:"targetId"`
		Type      string `json:"type"`
		URL       string `json:"url"`
		OpenerID  string `json:"openerId"`
		ContextID string `json:"browserContextId"`
	} `json:"targetInfo"`
}

type downloadEvent struct {
	FrameID string `json:"frameId"`
	GUID    string `json:"guid"`
	URL     string `json:"url"`
	State   string `json:"state"`
}
