// Package reference has the JSON Schemas of what crawlfleet writes, as they are published
// beside the pages that explain it.
package reference

import _ "embed" // for the schemas

// Capture is the schema of capture.json (JSON Schema, draft 2020-12).
//
//go:embed capture.schema.json
var Capture []byte
