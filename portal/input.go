package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
)

// maxJSON bounds what a program sends, in bytes.
const maxJSON = 1 << 20

// keptBeyond is how many times the bytes that a form may have are read of one that has more: so that what was typed is
// in the page that refuses it.
const keptBeyond = 4

// formRead is the body of a request whose form was read.
type formRead struct {
	io.ReadCloser
	err error
}

// readForm reads a form of at most so many bytes. It can be called again, and says the same. What could be read
// of a form that is refused is in r.PostForm all the same.
func readForm(r *http.Request, most int64) error {
	if read, ok := r.Body.(formRead); ok {
		return read.err
	}
	err := parseForm(r, most)
	r.Body = formRead{r.Body, err}
	return err
}

// parseForm reads a form by the one encoding that pages of ours send (https://url.spec.whatwg.org/#urlencoded-parsing).
// [http.Request.ParseForm] takes any other for a form without fields.
func parseForm(r *http.Request, most int64) error {
	sent, err := io.ReadAll(io.LimitReader(r.Body, keptBeyond*most))
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = io.NopCloser(bytes.NewReader(wholeEscapes(sent)))
	invalid := r.ParseForm()
	if invalid != nil {
		r.PostForm, _ = url.ParseQuery(literally(sent)) // what is wrong with it stays said
	}
	switch {
	case len(sent) > 0 && kind != "application/x-www-form-urlencoded":
		return problem{Status: http.StatusUnsupportedMediaType, Text: "This is not sent as a form is.", Hint: "Nothing was written down. Send it as application/x-www-form-urlencoded, as the portal's own pages do."}
	case int64(len(sent)) > most:
		return problem{Status: http.StatusRequestEntityTooLarge, Text: "This is too large.", Hint: "Nothing was written down. Make it shorter, and send it again."}
	case err != nil, invalid != nil:
		return problem{Status: http.StatusBadRequest, Text: "The form cannot be read.", Hint: "Nothing was written down. Load the page again and send it once more."}
	}
	return nil
}

// wholeEscapes leaves out an escape at the end that was cut: the field that it is in is read then.
func wholeEscapes(b []byte) []byte {
	if i := bytes.LastIndexByte(b, '%'); i >= 0 && i > len(b)-3 {
		return b[:i]
	}
	return b
}

// noEscape is what begins no escape, or separates no fields, and is no part of a form that a browser escapes.
var noEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}|[%;]`)

// literally is a form in which what begins no escape stands for itself, as the specification has it.
func literally(b []byte) string {
	return noEscape.ReplaceAllStringFunc(string(wholeEscapes(b)), func(s string) string {
		if len(s) > 1 {
			return s
		}
		return url.QueryEscape(s)
	})
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
