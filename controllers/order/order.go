// Package order turns a CrawlJob into what the workers are told, without asking anybody but, in
// Read and ReadTexts, for it and the ConfigMaps that it names: the operator hands it over, and crawlctl shows
// beforehand what will become of it.
package order

import (
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// bytesPerMegabyte is the unit of spec.limits.megabytes and of the capture's limits.
const bytesPerMegabyte = 1_000_000

// Spec says in the words of package workflows what a CrawlJob orders, but for what lies in
// ConfigMaps and Secrets.
func Spec(s *v1alpha1.CrawlJobSpec) workflows.Spec {
	spec := workflows.Spec{
		Seeds: workflows.Seeds{
			URLs: Strings(s.Seeds.URLs), Sitemaps: Strings(s.Seeds.Sitemaps), RobotsSitemaps: s.Seeds.RobotsSitemaps == v1alpha1.Enabled,
		},
		Scope: workflows.Scope{
			Type:    string(s.Scope.Type),
			Include: Strings(s.Scope.Include),
			Exclude: Strings(s.Scope.Exclude),
		},
		Limits: workflows.Limits{
			Pages:        int64(s.Limits.Pages),
			Bytes:        int64(s.Limits.Megabytes) * bytesPerMegabyte,
			Duration:     time.Duration(s.Limits.DurationSeconds) * time.Second,
			PagesPerHost: int64(s.Limits.PagesPerHost), PagesPerPattern: int64(s.Limits.PagesPerPattern),
		},
		Browser: workflows.Browser{
			Width:       int(s.Browser.Viewport.Width),
			Height:      int(s.Browser.Viewport.Height),
			PageTimeout: time.Duration(s.Browser.PageTimeoutSeconds) * time.Second,
			Engine:      string(s.Browser.Engine),
			Isolation:   string(s.Browser.Isolation),
		},
		Capture: workflows.Capture{
			Screenshot:      string(s.Capture.Screenshot),
			Text:            s.Capture.Text == v1alpha1.Enabled,
			BodyBytes:       int64(s.Capture.Limits.BodyMegabytes) * bytesPerMegabyte,
			PageBytes:       int64(s.Capture.Limits.PageMegabytes) * bytesPerMegabyte,
			BadCertificates: string(s.Capture.BadCertificates),
			Recorder:        string(s.Capture.Recorder),
			Images:          string(s.Capture.Images),
			ScriptPosts:     string(s.Capture.ScriptPosts),
		},
		Authorization: workflows.Authorization{
			Reference:   s.Authorization.Reference,
			Purpose:     s.Authorization.Purpose,
			Basis:       s.Authorization.Basis,
			RequestedBy: s.Authorization.RequestedBy,
			NotAfter:    s.Authorization.NotAfter.UTC(),
		},
		Retention: workflows.Retention{Screening: time.Duration(s.Retention.ScreeningSeconds) * time.Second},
		Shards:    int(s.Shards),
		Priority:  int(s.Priority),
	}
	if s.Scope.Depth != nil {
		spec.Scope.Depth = new(int(*s.Scope.Depth))
	}
	if s.Scope.ExtraHops != nil {
		spec.Scope.ExtraHops = int(*s.Scope.ExtraHops)
	}
	spec.Politeness.Scope = string(s.Politeness.Scope)
	if s.Politeness.DelaySeconds != nil {
		spec.Politeness.Delay = time.Duration(*s.Politeness.DelaySeconds) * time.Second
	}
	if s.Storage != nil {
		spec.Storage = workflows.Storage{Bucket: s.Storage.Bucket, Prefix: s.Storage.Prefix}
	}
	if s.Authorization.NotBefore != nil {
		spec.Authorization.NotBefore = s.Authorization.NotBefore.UTC()
	}
	return spec
}

// Strings turns a list of a string type into strings.
func Strings[T ~string](list []T) []string {
	if len(list) == 0 {
		return nil
	}
	plain := make([]string, len(list))
	for i, s := range list {
		plain[i] = string(s)
	}
	return plain
}
