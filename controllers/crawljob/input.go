package crawljob

import (
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// bytesPerMegabyte is the unit of spec.limits.megabytes and of the capture's limits.
const bytesPerMegabyte = 1_000_000

// runInput says in the words of package workflows what a CrawlJob orders.
func runInput(job *v1alpha1.CrawlJob, seeds SeedList, scripts ScriptList, profile *workflows.SealedProfile) workflows.RunInput {
	in := workflows.RunInput{
		FormatVersion: workflows.FormatVersion,
		Run:           string(job.UID),
		Namespace:     job.Namespace,
		Name:          job.Name,
		Generation:    job.Generation,
		Spec:          runSpec(&job.Spec),
		SeedList:      seeds.Packed,
		Scripts:       scripts.Packed,
		Profile:       profile,
		State:         workflows.State(job.Spec.State),
	}
	in.Spec.Capture.Behaviors = behaviors(&job.Spec.Capture.Behaviors, scripts)
	return in
}

func runSpec(s *v1alpha1.CrawlJobSpec) workflows.Spec {
	spec := workflows.Spec{
		Seeds: workflows.Seeds{URLs: plainStrings(s.Seeds.URLs), Sitemaps: plainStrings(s.Seeds.Sitemaps)},
		Scope: workflows.Scope{
			Type:    string(s.Scope.Type),
			Include: plainStrings(s.Scope.Include),
			Exclude: plainStrings(s.Scope.Exclude),
		},
		Limits: workflows.Limits{
			Pages:        int64(s.Limits.Pages),
			Bytes:        int64(s.Limits.Megabytes) * bytesPerMegabyte,
			Duration:     time.Duration(s.Limits.DurationSeconds) * time.Second,
			PagesPerHost: int64(s.Limits.PagesPerHost),
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
		},
		Authorization: workflows.Authorization{
			Reference:   s.Authorization.Reference,
			Purpose:     s.Authorization.Purpose,
			Basis:       s.Authorization.Basis,
			RequestedBy: s.Authorization.RequestedBy,
			NotAfter:    s.Authorization.NotAfter.UTC(),
		},
		Priority: int(s.Priority),
	}
	if s.Scope.Depth != nil {
		spec.Scope.Depth = new(int(*s.Scope.Depth))
	}
	if s.Scope.ExtraHops != nil {
		spec.Scope.ExtraHops = int(*s.Scope.ExtraHops)
	}
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

// plainStrings turns a list of a string type into strings.
func plainStrings[T ~string](list []T) []string {
	if len(list) == 0 {
		return nil
	}
	plain := make([]string, len(list))
	for i, s := range list {
		plain[i] = string(s)
	}
	return plain
}
