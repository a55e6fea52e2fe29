// Package charts holds the Helm charts, which have no code. What in them follows from config and
// from the kinds is generated: the definitions and roles of crawlfleet-crds, the rights and policies
// in crawlfleet/files, and crawlfleet/values.schema.json.
package charts

//go:generate go run ./generate ../config .
