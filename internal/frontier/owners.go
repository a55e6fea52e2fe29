package frontier

import "strings"

// owners knows whose the hosts of addresses are that were met before: finding out takes the
// public suffix list, and a page links to the same few hosts again and again.
type owners map[string]owner

// owner is a politeness key, and the shard that owns it.
type owner struct {
	key   string
	shard int
}

// maxOwners bounds how many are remembered, some 150 bytes each.
const maxOwners = 1 << 16

// of finds the owner of a canonical URL's host, in a run with that many shards.
func (o owners) of(canonical string, shards int) owner {
	origin := originOf(canonical)
	known, ok := o[origin]
	if ok {
		return known
	}
	known.key = hostOf(canonical)
	if shards > 1 {
		known.shard = ShardOf(known.key, shards)
	}
	if len(o) >= maxOwners {
		clear(o)
	}
	o[strings.Clone(origin)] = known
	return known
}

// originOf is the scheme, host and port of a canonical URL.
func originOf(canonical string) string {
	i := strings.Index(canonical, "://")
	if i < 0 {
		return canonical
	}
	if j := strings.IndexByte(canonical[i+3:], '/'); j >= 0 {
		return canonical[:i+3+j]
	}
	return canonical
}
