// Package v1alpha1 holds the Kubernetes resource kinds of crawlfleet, group
// crawlfleet.dev, version v1alpha1.
//
// A CrawlJob is one order to crawl: where to start (seeds), how far to go
// (scope), where to stop (limits), how gently (politeness), what to keep of a
// page (capture), where it is stored (storage) and under which authorisation it
// is done. An order is part of the evidence that it produces, so it cannot be
// changed once it exists, but for spec.state, which suspends, resumes or
// cancels it. What came of it is told in status: conditions for people and for
// kubectl wait, counters that balance.
//
// A CrawlSchedule gives the same order again and again, each time as a CrawlJob of its
// own. A CrawlFleet says what orders an instance takes at all, and a CrawlApproval is one
// person's approval of one order.
//
// The rules that a resource must meet are in the types as markers. They become
// the OpenAPI schema and the CEL rules of the CustomResourceDefinition
// (config/crd/bases), which the API server itself enforces: there is no
// webhook. The package imports k8s.io/apimachinery only, so that a client can use
// the types without pulling in the rest of the project.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=applyconfiguration
// +groupName=crawlfleet.dev
package v1alpha1

//go:generate ../../bin/controller-gen object crd applyconfiguration paths=. output:crd:dir=../../config/crd/bases
