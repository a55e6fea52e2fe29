// Package e2e tests the whole line on real parts: a CrawlJob is applied with kubectl, and what lies in the archive
// bucket at the end is compared with what an independent walk of the site finds and with the site's own log.
package e2e
