package browser

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// TestMatch gives the requests that the browser told of what the recorder has of the same address.
func TestMatch(t *testing.T) {
	answered := func(id int, status string) recorder.Exchange {
		return recorder.Exchange{ID: id, Method: "GET", URL: "http://board.test/next", Response: &recorder.Message{Head: []byte("HTTP/1.1 " + status + "\r\n\r\n")}}
	}
	failed := func(id int) recorder.Exchange {
		return recorder.Exchange{ID: id, Method: "GET", URL: "http://board.test/next", Failure: recorder.ReasonConnectionReset, Substituted: true}
	}
	line := func(outcome LineOutcome, status int) Line {
		return Line{URL: "http://board.test/next#part", Method: "GET", Outcome: outcome, Status: status}
	}
	refused := line(OutcomeBlocked, 0)
	refused.RequestID = "7.1"
	for name, tc := range map[string]struct {
		reason    string
		lines     []Line
		exchanges []recorder.Exchange
		want      []int // exchange of each line, those of the recorder alone last
		outcomes  []LineOutcome
		ratio     float64
	}{
		"InTurn": {
			"Lines and exchanges of one address belong together in their order.",
			[]Line{line(OutcomeRecord, 204), line(OutcomeRecord, 204)}, []recorder.Exchange{answered(1, "204 No Content"), answered(2, "204 No Content")},
			[]int{1, 2}, []LineOutcome{OutcomeRecord, OutcomeRecord}, 1,
		},
		"Refused": {
			"What we refused was not sent: a later attempt has the answer.",
			[]Line{refused, line(OutcomeRecord, 204)}, []recorder.Exchange{answered(1, "204 No Content")},
			[]int{0, 1}, []LineOutcome{OutcomeBlocked, OutcomeRecord}, 1,
		},
		"GivenUpBefore": {
			"An attempt that the page itself gave up may not have been sent.",
			[]Line{line(OutcomeFailed, 0), line(OutcomeRecord, 204)}, []recorder.Exchange{answered(1, "204 No Content")},
			[]int{0, 1}, []LineOutcome{OutcomeFailed, OutcomeRecord}, 1,
		},
		"ResetBefore": {
			"An attempt that failed has what the recorder knows of its failure.",
			[]Line{line(OutcomeFailed, 0), line(OutcomeRecord, 200)}, []recorder.Exchange{failed(1), answered(2, "200 OK")},
			[]int{1, 2}, []LineOutcome{OutcomeFailed, OutcomeRecord}, 1,
		},
		"SubstitutedBefore": {
			"The browser was shown an answer of the recorder's, then the site's.",
			[]Line{line(OutcomeRecord, 502), line(OutcomeRecord, 200)}, []recorder.Exchange{failed(1), answered(2, "200 OK")},
			[]int{1, 2}, []LineOutcome{OutcomeFailed, OutcomeRecord}, 1,
		},
		"Statuses": {
			"An answer that the browser saw is the one with this status.",
			[]Line{line(OutcomeRecord, 200), line(OutcomeRecord, 503)}, []recorder.Exchange{answered(1, "503 Busy"), answered(2, "200 OK")},
			[]int{2, 1}, []LineOutcome{OutcomeRecord, OutcomeRecord}, 1,
		},
		"Confirmed": {
			"A stored answer that the site confirmed comes before the one that replaced it.",
			[]Line{line(OutcomeRecord, 200), line(OutcomeRecord, 200)}, []recorder.Exchange{answered(1, "304 Not Modified"), answered(2, "200 OK")},
			[]int{1, 2}, []LineOutcome{OutcomeRecord, OutcomeRecord}, 1,
		},
		"FromTheCache": {
			"What came from the cache was not sent.",
			[]Line{line(OutcomeCache, 200), line(OutcomeRecord, 200)}, []recorder.Exchange{answered(1, "200 OK")},
			[]int{0, 1}, []LineOutcome{OutcomeCache, OutcomeRecord}, 1,
		},
		"Missing": {
			"An answer that the recorder knows nothing of is missing.",
			[]Line{line(OutcomeRecord, 200), line(OutcomeRecord, 200)}, []recorder.Exchange{answered(1, "200 OK")},
			[]int{1, 0}, []LineOutcome{OutcomeRecord, OutcomeRecord}, 0.5,
		},
		"Unseen": {
			"What the recorder alone knows has a line as well.",
			[]Line{refused}, []recorder.Exchange{answered(1, "200 OK")},
			[]int{0, 1}, []LineOutcome{OutcomeBlocked, OutcomeRecord}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, c := match(tc.lines, tc.exchanges, map[string]string{"7.1": ReasonNavigationBlocked}, time.Time{})
			var ids []int
			var outcomes []LineOutcome
			for _, l := range got {
				ids, outcomes = append(ids, l.Exchange), append(outcomes, l.Outcome)
			}
			if diff := cmp.Diff(tc.want, ids) + cmp.Diff(tc.outcomes, outcomes); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
			if c.Ratio != tc.ratio {
				t.Errorf("%s The ratio is %v, want %v", tc.reason, c.Ratio, tc.ratio)
			}
		})
	}
}
