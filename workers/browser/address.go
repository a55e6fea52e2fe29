package browser

import "strings"

// withoutUser is an address without user name and password. A browser keeps them
// for itself and asks for the rest, which is the address of the record.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || !networked(address) {
		return address
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return address
	}
	return scheme + "://" + rest[at+1:]
}
