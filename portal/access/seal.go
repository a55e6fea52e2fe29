package access

import "crawlfleet.dev/crawlfleet/internal/sealing"

// sealed is what the keys of sessions are for.
const sealed = "crawlfleet portal session"

// RandomKeys seal what browsers keep, for this process alone: sessions end with it.
func RandomKeys() *sealing.Keys { return sealing.Random(sealed) }

// OpenKeys reads a file of secrets to seal what browsers keep with, as package sealing has it. All
// replicas of a portal need the same.
func OpenKeys(path string) (*sealing.Keys, error) { return sealing.Open(path, sealed) }
