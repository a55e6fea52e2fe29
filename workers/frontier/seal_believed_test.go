package frontier

import (
	"strings"
	"testing"
)

// TestBelievedChunksAreStated: a statement says where no store vouches for what a chunk holds,
// and is not fooled by it all the same.
func TestBelievedChunksAreStated(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		plain    bool
		believed bool
	}{
		"Computed": {reason: "the store computes sums"},
		"Plain":    {reason: "it keeps those that are sent along", plain: true, believed: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(4, "a.test"))
			r.store.Plain = tc.plain
			r.seed("http://a.test/0")
			r.run(1)
			st := r.statement(r.seal().Statement)
			if len(st.Problems) > 0 || len(st.Chunks) == 0 || (st.Believed == len(st.Chunks)) != tc.believed || !tc.believed && st.Believed > 0 {
				t.Errorf("%s: %d of %d chunks are believed: %s", tc.reason, st.Believed, len(st.Chunks), strings.Join(st.Problems, "; "))
			}
		})
	}
}
