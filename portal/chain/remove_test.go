package chain

import (
	"errors"
	"fmt"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// TestRemove: nothing is left of what is removed, however far a removal came before, and broken or not.
func TestRemove(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*testing.T, *Folder[note], *blobtest.Server){
		"whole": func(*testing.T, *Folder[note], *blobtest.Server) {},
		"erased already": func(t *testing.T, f *Folder[note], _ *blobtest.Server) {
			if _, err := f.Erase(t.Context(), "ns", "a", "ann", "no more"); err != nil {
				t.Fatal(err)
			}
		},
		"broken": func(_ *testing.T, _ *Folder[note], s *blobtest.Server) { s.Remove("/bucket/notes/ns/a/00000001.json") },
	} {
		server := &blobtest.Server{Versions: true}
		f := folder(bucket(t, server))
		write(t, f, "one")
		write(t, f, "two")
		before(t, f, server)
		if err := f.Remove(t.Context(), "ns", "a", "ann", "no more"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if keys := server.Keys("/bucket/notes/"); len(keys) != 0 {
			t.Errorf("%s: left are %v", name, keys)
		}
		if err := f.Remove(t.Context(), "ns", "a", "ann", "no more"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: twice: %v", name, err)
		}
	}
}

// TestMemoIsBounded: one value too many costs one value, not all.
func TestMemoIsBounded(t *testing.T) {
	t.Parallel()
	var m Memo[int]
	made := 0
	list := func() {
		for i := range maxMemoed + 10 {
			_, err := m.Of(Listing{Name: fmt.Sprint(i)}, func() (int, error) { made++; return i, nil })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	list()
	made = 0
	list()
	if len(m.made) != maxMemoed || made > maxMemoed/2 {
		t.Errorf("%d values are kept, %d were made again", len(m.made), made)
	}
}
