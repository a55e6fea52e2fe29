package browserprofile

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workflows"
)

// ReasonUsable is the reason of a profile that crawls can use.
const ReasonUsable workflows.Reason = "Usable"

// lookAgain is when a Secret is read again: the operator may not watch Secrets.
const lookAgain = time.Minute

// Use is what a CrawlJob says of its profile.
type Use struct {
	// CrawlJob is the job's name, StartedAt when it began with the profile.
	CrawlJob  string
	StartedAt *metav1.Time
	// SHA256 is the checksum of the state that it visits pages with.
	SHA256 string
	// Expired is since when it waits because that state's log-in is over; nil when it does
	// not.
	Expired *metav1.Time
}

// Observation is all that a decision rests on. It holds no value of the state.
type Observation struct {
	// Now is the time of the visit.
	Now time.Time
	// Profile is the resource as the cache has it.
	Profile *v1alpha1.BrowserProfile
	// Problem is why the state could not be read; nil when it could.
	Problem *Problem
	// SHA256 and Summary are of the state, Hosts are those that it is for.
	SHA256  string
	Summary profile.Summary
	Hosts   []string
	// Uses are the CrawlJobs that use the profile.
	Uses []Use
}

// Decision is how a profile stands.
type Decision struct {
	Status  metav1.ConditionStatus
	Reason  workflows.Reason
	Message string
	// Expired is the last log-in that was found to be over, nil for none.
	Expired *v1alpha1.ExpiredLogin
	// Again is when to look again.
	Again time.Duration
}

// decide judges a profile. It is pure.
func decide(o Observation) Decision {
	d := Decision{Status: metav1.ConditionFalse, Again: lookAgain, Expired: expired(o)}
	problem := o.Problem
	if problem == nil {
		judged := o.Profile.DeepCopy()
		judged.Status.Expired = d.Expired
		problem = Expired(judged, o.SHA256, o.Summary)
	}
	if problem != nil {
		d.Reason, d.Message = problem.Reason, problem.Message
		return d
	}
	d.Status, d.Reason, d.Message = metav1.ConditionTrue, ReasonUsable, usable(o)
	if next := o.Summary.Earliest; !next.IsZero() {
		d.Again = min(d.Again, max(next.Sub(o.Now), 0)+time.Second)
	}
	return d
}

// expired is the newest news of a log-in that is over.
func expired(o Observation) *v1alpha1.ExpiredLogin {
	last := o.Profile.Status.Expired
	for _, u := range o.Uses {
		if u.Expired == nil || u.SHA256 == "" || (last != nil && last.SHA256 == u.SHA256) {
			continue // nothing new: the first that found it stays
		}
		if last == nil || u.SHA256 == o.SHA256 || (last.SHA256 != o.SHA256 && last.FoundAt.Before(u.Expired)) {
			last = &v1alpha1.ExpiredLogin{SHA256: u.SHA256, CrawlJob: u.CrawlJob, FoundAt: u.Expired}
		}
	}
	return last
}

func usable(o Observation) string {
	s := o.Summary
	text := fmt.Sprintf("%d cookies and the storage of %d origins are used at %s.", s.Cookies, s.Origins, list(o.Hosts))
	if s.Expired > 0 {
		text += fmt.Sprintf(" %d of the cookies have ended and are left out.", s.Expired)
	}
	if !s.Earliest.IsZero() {
		text += fmt.Sprintf(" The next one ends at %s; the site may end the log-in earlier.", stamp(s.Earliest))
	}
	return text
}

// list names a few hosts.
func list(hosts []string) string {
	const most = 5
	text := ""
	for i, h := range hosts {
		switch {
		case i == most:
			return fmt.Sprintf("%s and %d more hosts", text, len(hosts)-most)
		case i > 0:
			text += ", "
		}
		text += h
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
