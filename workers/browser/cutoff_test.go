package browser

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

func TestCutOff(t *testing.T) {
	t.Parallel()
	cut := func(size int64) recorder.Body {
		return recorder.Body{Size: size, Truncated: recorder.TruncatedLength}
	}
	tests := map[string]struct {
		reason string
		list   []recorder.Exchange
		want   []Limit
	}{
		"Nothing": {"What is whole, or was broken off by others, is no limit's doing.", []recorder.Exchange{
			{Request: recorder.Message{Body: recorder.Body{Size: 100}}, Response: &recorder.Message{Body: recorder.Body{Size: 100, Truncated: "disconnect"}}}, {},
		}, nil},
		"Body": {"A body of the largest size was cut off by the limit of bodies.", []recorder.Exchange{
			{Response: &recorder.Message{Body: cut(100)}}, {Request: recorder.Message{Body: cut(100)}},
		}, []Limit{{LimitBody, "2 bodies were cut off after 100 bytes, the limit of one"}}},
		"Page": {"A smaller one by that of the page.", []recorder.Exchange{
			{Response: &recorder.Message{Body: cut(40)}}, {Response: &recorder.Message{Body: cut(0)}},
		}, []Limit{{LimitPage, "2 bodies were cut off because the page had reached its limit of 250 bytes"}}},
		"Both": {"The frames of a WebSocket count as two bodies.", []recorder.Exchange{
			{Frames: &recorder.Frames{Sent: cut(100), Received: cut(7)}},
		}, []Limit{
			{LimitBody, "1 bodies were cut off after 100 bytes, the limit of one"},
			{LimitPage, "1 bodies were cut off because the page had reached its limit of 250 bytes"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Visit{MaxBody: 100, MaxBytes: 250}
			if diff := cmp.Diff(tc.want, v.cutOff(tc.list)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	whole := Completeness{Expected: 3, Matched: 3, Ratio: 1}
	tests := map[string]struct {
		reason string
		page   Page
		want   string
	}{
		"Whole":   {"A page of which everything was recorded.", Page{Outcome: Outcome{State: Archived}, Completeness: whole}, ""},
		"Failed":  {"A page that failed is not counted as incomplete too.", Page{Outcome: Outcome{State: Failed}, Completeness: Completeness{Expected: 3}}, ""},
		"Broken":  {"What a server did not send is not missing of the archive.", Page{Outcome: Outcome{State: Archived}, Completeness: whole, Limits: []Limit{{"Document", "broke off"}}}, ""},
		"Slow":    {"A document that we did not wait for to its end.", Page{Outcome: Outcome{State: Archived}, Completeness: whole, Limits: []Limit{{LimitLoad, "slow"}}}, "slow"},
		"Crashed": {"A frame whose renderer is gone.", Page{Outcome: Outcome{State: Archived}, Completeness: whole, Limits: []Limit{{LimitFrame, "gone"}}}, "gone"},
		"Missing": {"A request that only the browser knows.", Page{Outcome: Outcome{State: Archived}, Completeness: Completeness{Expected: 3, Matched: 2}}, "1 of 3 requests that the browser made were not recorded"},
		"Cut":     {"What a limit of ours cut off.", Page{Outcome: Outcome{State: Archived}, Completeness: whole, Limits: []Limit{{"Scroll", "long"}, {LimitPage, "much"}}}, "much"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.page.Incomplete(); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
