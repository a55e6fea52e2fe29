package frontier

import (
	"fmt"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/frontier"
)

// TestStateCache keeps what was planned last, up to so many bytes, and the last one whatever
// its size.
func TestStateCache(t *testing.T) {
	t.Parallel()
	state := func(hosts int) *stored {
		spec := frontier.Spec{Scope: "Custom", Include: []string{"."}}
		for i := range hosts {
			spec.Seeds = append(spec.Seeds, fmt.Sprintf("https://h%d.example/", i))
		}
		rules, err := frontier.NewRules(spec)
		if err != nil {
			t.Fatal(err)
		}
		s := frontier.New(rules)
		if err := s.Add(spec.Seeds); err != nil {
			t.Fatal(err)
		}
		return &stored{state: s}
	}
	small := state(10).state.Memory()
	c := stateCache{most: 3 * small}
	for i := range 4 {
		c.keep(fmt.Sprint(i), state(10))
	}
	if c.take("0", -1) != nil || c.take("1", -1) == nil {
		t.Errorf("of four states that are a third of the bound each the first, and no other, is to be gone: kept are %v", c.order)
	}
	if c.memory != 2*small || len(c.order) != 2 {
		t.Errorf("it counts %d bytes in %v, want two times %d", c.memory, c.order, small)
	}
	if c.take("2", 5) != nil || len(c.order) != 1 {
		t.Errorf("one that is at another manifest was given out, or kept: %v", c.order)
	}
	c.keep("large", state(5000))
	if len(c.order) != 1 || c.take("large", -1) == nil || c.memory != 0 {
		t.Errorf("the last one is kept alone, whatever its size: %v, %d bytes", c.order, c.memory)
	}
}
