package portal

import (
	_ "embed" // for the description
	"net/http"
)

// openAPIDocument describes the API for programs (OpenAPI 3.1.1). It is written by hand: the tests
// hold it to the routes, and its schemas to the types that are answered with.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI answers with the description of the API, which holds nothing of the archive.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPIDocument) // the visitor may have gone
}
