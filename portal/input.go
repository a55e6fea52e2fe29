package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxJSON bounds what a program sends, in bytes.
const maxJSON = 1 << 20

// readForm reads a form of at most so many bytes. It can be called again.
func readForm(r *http.Request, most int64) error {
	if r.PostForm == nil {
		r.Body = http.MaxBytesReader(nil, r.Body, most)
	}
	if err := r.ParseForm(); err != nil {
		return problem{Status: http.StatusBadRequest, Text: "The form cannot be read.", Hint: "Load the page again and send it once more."}
	}
	return nil
}

// readJSON reads what a program sends, and leaves it to be read again. Members that nobody knows are
// refused, as they would be lost.
func readJSON(r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	if err != nil {
		return badInput{"the body", err.Error(), "JSON of at most 1 MiB"}
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badInput{"the body", err.Error(), "JSON as /api/v1/openapi.json has it"}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badInput{"the body", "more than one value", "one JSON object"}
	}
	return nil
}
