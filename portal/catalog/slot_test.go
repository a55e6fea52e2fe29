package catalog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// TestCrowded puts captures into one slot in all sorts of orders and takes some out again: they
// must lie as if only the others had ever been there.
func TestCrowded(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	keys := crowd(t, at, 3)
	slots := func(add, remove []blob.Key) string {
		c, err := Open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, k := range add {
			e := Entry{Page: snapshot.Page{ID: "p", URL: "https://example.org/", Time: at, Kind: snapshot.Web}, Text: "of " + string(k)}
			if err := c.Add(t.Context(), Chunk{Key: k, Run: Run{Namespace: "amber"}}, []Entry{e}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range remove {
			if err := c.Remove(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		if err := c.Dump(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.write.ExecContext(t.Context(), `INSERT INTO terms (terms, rank) VALUES ('integrity-check', 0)`); err != nil {
			t.Errorf("integrity: %v", err)
		}
		return b.String()
	}
	r := rand.New(rand.NewPCG(3, 4))
	shuffled := func(keys []blob.Key) []blob.Key {
		out := make([]blob.Key, len(keys))
		for i, j := range r.Perm(len(keys)) {
			out[i] = keys[j]
		}
		return out
	}
	all := slots(keys, nil)
	for range 5 {
		if got := slots(shuffled(keys), nil); got != all {
			t.Fatalf("in another order:\n%s\nwant:\n%s", got, all)
		}
	}
	for left := range len(keys) {
		rest := append(append([]blob.Key{}, keys[:left]...), keys[left+1:]...)
		want := slots(rest, nil)
		if got := slots(shuffled(keys), keys[left:left+1]); got != want {
			t.Fatalf("with %d removed:\n%s\nwant:\n%s", left, got, want)
		}
	}
}

// crowd finds keys of files whose page "p" has one home, so many, and one that lives next door.
func crowd(t *testing.T, at time.Time, n int) []blob.Key {
	t.Helper()
	homes := map[slot][]blob.Key{}
	for i := range 1 << 20 {
		key := blob.Key(fmt.Sprintf("amber/%d.wacz", i))
		id, err := hex.DecodeString(string(NewID(key, "p")))
		if err != nil {
			t.Fatal(err)
		}
		h := home(id, at)
		homes[h] = append(homes[h], key)
		if next := homes[h+1]; len(homes[h]) >= n && len(next) > 0 {
			return append(homes[h][:n:n], next[0])
		}
	}
	t.Fatal("no crowd")
	return nil
}

func TestSlot(t *testing.T) {
	tests := map[string]struct {
		at   time.Time
		want slot
	}{
		"Zero":   {time.Time{}, 0},
		"Epoch":  {time.UnixMilli(0), 0},
		"One":    {time.UnixMilli(1), 1 << slotBits},
		"Future": {time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), maxMilli << slotBits},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := firstSlot(tt.at); got != tt.want {
				t.Errorf("firstSlot(%v) = %d, want %d", tt.at, got, tt.want)
			}
		})
	}
}

// TestMissingRow: what is not all there cannot be removed, and is not left for ever either.
func TestMissingRow(t *testing.T) {
	for _, table := range []string{"captures", "texts"} {
		t.Run(table, func(t *testing.T) {
			c, err := Open(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			e := Entry{Page: snapshot.Page{ID: "p", URL: "https://example.org/", Kind: snapshot.Web}, Text: "fox"}
			if err := c.Add(t.Context(), Chunk{Key: "amber/1.wacz", Run: Run{Namespace: "amber"}}, []Entry{e}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := c.write.ExecContext(t.Context(), `DELETE FROM `+table); err != nil {
				t.Fatal(err)
			}
			_, err = c.Search(t.Context(), Query{Text: "fox", Namespaces: []string{"amber"}})
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("Search = %v", err)
			}
			if err := c.Close(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Close = %v", err)
			}
		})
	}
}
