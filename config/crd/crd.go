// Package crd holds the definitions of the project's resources, as make generate writes
// them.
package crd

import _ "embed" // for the definitions

// CrawlJobs is the CustomResourceDefinition of CrawlJob in YAML.
//
//go:embed bases/crawlfleet.dev_crawljobs.yaml
var CrawlJobs []byte
