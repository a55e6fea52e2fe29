package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every resource kind of the project.
const GroupName = "crawlfleet.dev"

// GroupVersion is the group and version of the kinds in this package. The
// generated apply configurations know it as SchemeGroupVersion.
var (
	GroupVersion       = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}
	SchemeGroupVersion = GroupVersion
)

// AddToScheme registers the kinds of this package with a runtime scheme, which
// lets a Kubernetes client encode and decode them.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &CrawlJob{}, &CrawlJobList{}, &BrowserProfile{}, &BrowserProfileList{},
		&CrawlSchedule{}, &CrawlScheduleList{}, &CrawlFleet{}, &CrawlFleetList{}, &CrawlApproval{}, &CrawlApprovalList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
