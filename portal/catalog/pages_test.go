package catalog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

func TestPagesOf(t *testing.T) {
	t.Parallel()
	c := open(t, "")
	add(t, c, "amber/a.wacz", make([]catalog.Entry, 3)...)
	add(t, c, "amber/b.wacz", make([]catalog.Entry, 1)...)
	add(t, c, "amber/none.wacz")
	for _, tc := range []struct {
		chunks []blob.Key
		want   map[blob.Key]int
	}{
		{nil, map[blob.Key]int{}},
		{[]blob.Key{"amber/a.wacz"}, map[blob.Key]int{"amber/a.wacz": 3}},
		{[]blob.Key{"amber/b.wacz", "amber/none.wacz", "amber/erased.wacz"}, map[blob.Key]int{"amber/b.wacz": 1, "amber/none.wacz": 0}},
	} {
		got, err := c.PagesOf(t.Context(), tc.chunks)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tc.chunks, diff)
		}
	}
}
