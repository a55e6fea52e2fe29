package browser

// The events that the browser recorder reads beyond what the ledger does (see wire.go):
// here the headers are what matters. See the Fetch and Network domains of the DevTools
// protocol.

// fields are a head's fields by name. Chrome tells them sorted, with the values of a name
// that came more than once put together, divided by newlines.
type fields map[string]string

type pairOfFields struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type postEntry struct {
	Bytes []byte `json:"bytes"` // base64; missing of a file
}

type takenRequest struct {
	URL             string      `json:"url"`
	Method          string      `json:"method"`
	Headers         fields      `json:"headers"`
	HasPostData     bool        `json:"hasPostData"`
	PostDataEntries []postEntry `json:"postDataEntries"`
}

type takenResponse struct {
	URL               string           `json:"url"`
	Status            int              `json:"status"`
	StatusText        string           `json:"statusText"`
	Headers           fields           `json:"headers"`
	HeadersText       string           `json:"headersText"`
	RequestHeaders    fields           `json:"requestHeaders"`
	RequestText       string           `json:"requestHeadersText"`
	FromDiskCache     bool             `json:"fromDiskCache"`
	FromServiceWorker bool             `json:"fromServiceWorker"`
	FromPrefetchCache bool             `json:"fromPrefetchCache"`
	ConnectionID      float64          `json:"connectionId"`
	Protocol          string           `json:"protocol"`
	SecurityDetails   *securityDetails `json:"securityDetails"`
}

// securityDetails are what Chrome says of a TLS connection.
type securityDetails struct {
	Protocol    string `json:"protocol"`
	KeyExchange string `json:"keyExchange"`
	Cipher      string `json:"cipher"`
	MAC         string `json:"mac"`
}

type takenWillBeSent struct {
	RequestID        string         `json:"requestId"`
	Type             string         `json:"type"`
	Request          takenRequest   `json:"request"`
	RedirectResponse *takenResponse `json:"redirectResponse"`
	RedirectHasExtra bool           `json:"redirectHasExtraInfo"`
}

type takenReceived struct {
	RequestID string        `json:"requestId"`
	HasExtra  bool          `json:"hasExtraInfo"`
	Response  takenResponse `json:"response"`
}

// takenExtra is what the network service itself tells of a request or an answer.
type takenExtra struct {
	RequestID   string `json:"requestId"`
	Headers     fields `json:"headers"`
	HeadersText string `json:"headersText"`
	StatusCode  int    `json:"statusCode"`
}

type takenData struct {
	RequestID string `json:"requestId"`
	Data      []byte `json:"data"` // base64; only of what is being streamed
}

type takenPause struct {
	RequestID    string         `json:"requestId"`
	NetworkID    string         `json:"networkId"`
	ResourceType string         `json:"resourceType"`
	FrameID      string         `json:"frameId"`
	Request      takenRequest   `json:"request"`
	Status       int            `json:"responseStatusCode"`
	StatusText   string         `json:"responseStatusText"`
	ErrorReason  string         `json:"responseErrorReason"`
	Headers      []pairOfFields `json:"responseHeaders"`
}

// atResponse reports whether the request has been answered, or has failed.
func (p *takenPause) atResponse() bool { return p.Status != 0 || p.ErrorReason != "" }

type takenSocket struct {
	RequestID string        `json:"requestId"`
	URL       string        `json:"url"`
	Request   takenRequest  `json:"request"`
	Response  takenResponse `json:"response"`
	Error     string        `json:"errorMessage"`
}

type takenFrame struct {
	RequestID string `json:"requestId"`
	Response  struct {
		Opcode  float64 `json:"opcode"`
		Payload string  `json:"payloadData"` // text, or base64 of all but text
	} `json:"response"`
}
