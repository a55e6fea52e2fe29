// Package termination is the rule by which a run of several shards is over.
package termination

// Standing is how a shard stands.
type Standing struct {
	Idle bool
	// Sent and Applied are in the words of a manifest: by receiver, the last exchange that
	// had a part for it; by sender, the last that was taken in. Empty for the only shard of a run.
	Sent, Applied []int64
}

// Reached tells whether a run is done: every shard is idle, and has taken in all that
// was sent to it. The standings need not be of one moment: a shard that did something
// after its own would have had to take in a part that some standing shows to be under way.
func Reached(shards []Standing) bool {
	for i, s := range shards {
		if !s.Idle || len(shards) > 1 && (len(s.Sent) != len(shards) || len(s.Applied) != len(shards)) {
			return false
		}
		for j := range i {
			if s.Sent[j] != shards[j].Applied[i] || s.Applied[j] != shards[j].Sent[i] {
				return false
			}
		}
	}
	return true
}
