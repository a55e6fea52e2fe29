package workflows

import "testing"

// TestVerdictTellsOfIncompletePages: who waits for the verdict sees that something is
// missing without looking further.
func TestVerdictTellsOfIncompletePages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		counts Counts
		want   string
	}{
		"Whole": {"Nothing is said where nothing is missing.", Counts{Discovered: 3, Archived: 3}, "3 pages are archived, and nothing is left to visit"},
		"Some":  {"The number is in the message.", Counts{Discovered: 3, Archived: 3, Incomplete: 2}, "3 pages are archived, 2 of them incomplete, and nothing is left to visit"},
		"One":   {"Also of one page.", Counts{Discovered: 1, Archived: 1, Incomplete: 1}, "1 page is archived, and incomplete, and nothing is left to visit"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{seeded: true, shards: []*member{{last: ShardReport{Counts: tc.counts}}}}
			verdict, reason, message := r.verdict()
			if verdict != VerdictSucceeded || reason != ReasonCompleted || message != tc.want {
				t.Errorf("%s: got %s %s %q, want %q", tc.reason, verdict, reason, message, tc.want)
			}
		})
	}
}

// TestNothingArchivedTellsOfExceptions: an address that is not public is visited where the fleet says so, and who has
// nothing but such is told where.
func TestNothingArchivedTellsOfExceptions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		failed map[Reason]int64
		want   string
	}{
		"Blocked": {"The setting is named.", map[Reason]int64{ReasonAddressBlocked: 2, "DNSFailed": 1},
			"no page could be archived: 2 AddressBlocked, 1 DNSFailed; addresses that are not public are visited where the CrawlFleet's spec.egress.allowPrivate has them"},
		"Other": {"Only where it would help.", map[Reason]int64{"DNSFailed": 3}, "no page could be archived: 3 DNSFailed"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{seeded: true, shards: []*member{{last: ShardReport{Counts: Counts{Discovered: 3, Failed: tc.failed}}}}}
			verdict, reason, message := r.verdict()
			if verdict != VerdictFailed || reason != ReasonNothingArchived || message != tc.want {
				t.Errorf("%s: got %s %s %q, want %q", tc.reason, verdict, reason, message, tc.want)
			}
		})
	}
}
