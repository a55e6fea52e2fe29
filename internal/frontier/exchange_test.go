package frontier

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestShardOf finds every slot in the shard that owns it.
func TestShardOf(t *testing.T) {
	for _, shards := range []int{1, 2, 3, 4, 7, 16, 63, MaxShards} {
		sizes := make([]int, shards)
		for i := range 5000 {
			key := fmt.Sprintf("h%d.example", i)
			shard := ShardOf(key, shards)
			first, end := slots(shard, shards)
			if slot := SlotOf(key); slot < first || slot >= end {
				t.Fatalf("%s, slot %d, is in shard %d of %d", key, slot, shard, shards)
			}
			sizes[shard]++
		}
		if slices.Min(sizes) == 0 {
			t.Errorf("a shard of %d gets nothing: %v", shards, sizes)
		}
	}
	next := 0
	for i := range MaxShards {
		first, end := slots(i, MaxShards)
		if first != next {
			t.Errorf("shard %d begins at slot %d, not %d", i, first, next)
		}
		next = end
	}
	if next != Slots {
		t.Errorf("the last shard ends at slot %d", next)
	}
}

// pair are two shards of which the first has something to tell the second.
func pair(t *testing.T) (from, to *State, keys [2]string) {
	t.Helper()
	for i := 0; keys[0] == "" || keys[1] == ""; i++ {
		key := fmt.Sprintf("h%d.example", i)
		keys[ShardOf(key, 2)] = key
	}
	spec := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Seeds: []string{"https://" + keys[0] + "/"}}
	rules := mustRules(t, spec)
	from, to = NewShard(rules, 0, 2), NewShard(rules, 1, 2)
	if err := errors.Join(from.Add(spec.Seeds), to.Add(spec.Seeds)); err != nil {
		t.Fatal(err)
	}
	return from, to, keys
}

// tell has a page of the first shard link to pages of the second.
func tell(t *testing.T, from *State, bundle string, links ...string) (*Exchange, []byte) {
	t.Helper()
	now := time.Now()
	b := from.Choose(now.Add(time.Hour), 1, bundle)
	if len(b) != 1 {
		t.Fatalf("%d bundles", len(b))
	}
	o := Outcome{FP: b[0].Hosts[0].Pages[0].FP, Status: Archived, Links: links, Ended: now}
	if err := from.Apply(b[0].ID, []Result{{Bundle: b[0].ID, Outcomes: []Outcome{o}}}, now); err != nil {
		t.Fatal(err)
	}
	e := from.Send("x" + bundle)
	_, objects, err := from.Seal("run", "n", "", "k"+bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(objects, func(o Object) bool { return e != nil && o.Key == e.Key })
	if i < 0 {
		return e, nil
	}
	return e, objects[i].Data
}

func TestReceive(t *testing.T) {
	from, to, keys := pair(t)
	next := "https://" + keys[0] + "/next"
	first, data1 := tell(t, from, "a", next, "https://"+keys[1]+"/1", "https://"+keys[1]+"/1#again", "https://elsewhere.example/")
	second, data2 := tell(t, from, "b", "https://"+keys[1]+"/1", "https://"+keys[1]+"/2")
	if want := []Part{{To: 1, Length: int64(len(data1))}}; !slices.Equal(first.Parts, want) || first.Seq != 1 || second.Seq != 2 {
		t.Fatalf("exchanges %+v and %+v", first, second)
	}
	steps := []struct {
		name  string
		seq   int64
		data  []byte
		taken bool
		known int64
	}{
		{"before the one before it", 2, data2, false, 0},
		{"first", 1, data1, true, 1},
		{"first again", 1, data1, true, 1},
		{"second", 2, data2, true, 2},
		{"first once more", 1, data1, true, 2},
	}
	for _, s := range steps {
		taken, err := to.Receive(0, s.seq, s.data)
		if err != nil || taken != s.taken || to.Counts().Discovered != s.known {
			t.Errorf("%s: taken %v, %v, %d discovered", s.name, taken, err, to.Counts().Discovered)
		}
	}
	if got := to.Applied(); !slices.Equal(got, []int64{2, 0}) {
		t.Errorf("applied %v", got)
	}
	if got := from.Sent(); !slices.Equal(got, []int64{0, 2}) {
		t.Errorf("sent %v", got)
	}
}

// TestReceiveLarge takes in a part that is larger than a block of a segment may be.
func TestReceiveLarge(t *testing.T) {
	from, to, keys := pair(t)
	var links []string
	for i := range maxUnpacked / 1900 {
		links = append(links, fmt.Sprintf("https://%s/%d/%s", keys[1], i, strings.Repeat("x", 1900)))
	}
	_, data := tell(t, from, "a", links...)
	if taken, err := to.Receive(0, 1, data); !taken || err != nil || to.Counts().Discovered != int64(len(links)) {
		t.Errorf("taken %v, %v, %d of %d discovered", taken, err, to.Counts().Discovered, len(links))
	}
}

// TestReceiveRefuses what is not what it is said to be. Nothing is taken in of it.
func TestReceiveRefuses(t *testing.T) {
	from, to, keys := pair(t)
	_, data := tell(t, from, "a", "https://"+keys[1]+"/1")
	whole, err := unpack(data, maxPart)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		broken := slices.Clone(data)
		broken[i] ^= 0x10
		if raw, err := unpack(broken, maxPart); err == nil && bytes.Equal(raw, whole) {
			continue // a byte of the frame's header that says nothing
		}
		if _, err := to.Receive(0, 1, broken); !errors.Is(err, ErrSegment) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for name, err := range map[string]error{
		"another sequence": second(to.Receive(0, 2, data)), "another sender": second(to.Receive(1, 1, data)),
		"another receiver": second(from.Receive(0, 1, data)), "nothing": second(to.Receive(0, 1, nil)),
		"more than it": second(to.Receive(0, 1, append(slices.Clone(data), data...))),
	} {
		if !errors.Is(err, ErrSegment) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if to.Counts().Discovered != 0 {
		t.Errorf("%d discovered", to.Counts().Discovered)
	}
}

func second[A any](_ A, err error) error { return err }

// TestAllowance keeps a shard of several to its part of what the order allows.
func TestAllowance(t *testing.T) {
	from, _, keys := pair(t)
	from.Allow(0)
	if b := from.Choose(time.Now().Add(time.Hour), 4, "a"); len(b) != 0 || from.Limit() != reasonPageLimit {
		t.Errorf("%d bundles, limit %q", len(b), from.Limit())
	}
	from.Allow(1)
	tell(t, from, "b", "https://"+keys[0]+"/1", "https://"+keys[0]+"/2")
	if b := from.Choose(time.Now().Add(time.Hour), 4, "c"); len(b) != 0 || from.Used() != 1 {
		t.Errorf("%d bundles after %d pages", len(b), from.Used())
	}
	from.Allow(-1)
	if b := from.Choose(time.Now().Add(time.Hour), 4, "d"); len(b) != 1 {
		t.Errorf("%d bundles without a bound", len(b))
	}
}
