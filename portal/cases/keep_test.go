package cases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/cases"
)

const run = "research/board/uid-1/"

func put(t *testing.T, b *blob.Bucket, key blob.Key, data []byte) {
	t.Helper()
	_, err := b.Put(t.Context(), key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: verifytest.SumOf(data)})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	for i := range 4 {
		put(t, b, chunk(i), []byte(fmt.Sprint(i)))
	}
	put(t, b, "research/other/uid-2/chunks/c.wacz", []byte("other"))
	_, err := retention.Decide(t.Context(), b, run, retention.Decision{
		Action: retention.Erase, By: "a program", Why: "the period is over", At: when,
		Erasing: []retention.Erasing{{Name: "chunks/b2.wacz", Size: 1, Due: when, For: retention.ScreeningEnded}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	keeper := &cases.Retention{Store: b, Now: clock, Decided: func(_ context.Context, uid string) error {
		told = append(told, uid)
		if uid == "uid-2" {
			return errors.New("nobody answers")
		}
		return nil
	}}
	k := cases.Keeping{Case: "c-17", Until: when.AddDate(1, 0, 0), By: "ann", Why: "exhibit 3", Captures: []cases.Capture{
		capture(1), capture(2), capture(3), capture(9), cases.NewCapture(chunk(1), "another page"), cases.NewCapture("research/other/uid-2/chunks/c.wacz", "p"),
	}}
	kept, err := keeper.Keep(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	log, err := retention.Read(t.Context(), b, run)
	if err != nil {
		t.Fatal(err)
	}
	want := []cases.Kept{
		{Run: run, Decision: log.Mark(), Chunks: []blob.Key{chunk(1), chunk(3)}, Gone: []blob.Key{chunk(9)}, TooLate: []blob.Key{chunk(2)}},
		{Run: "research/other/uid-2/", Decision: kept[1].Decision, Chunks: []blob.Key{"research/other/uid-2/chunks/c.wacz"}, Untold: "nobody answers"},
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !slices.Equal(told, []string{"uid-1", "uid-2"}) {
		t.Errorf("told %v", told)
	}
	fates := retention.Judge(retention.Period{Begins: when, Length: time.Hour}, log.Decisions, []string{"chunks/b0.wacz", "chunks/b1.wacz"})
	if f := fates["chunks/b1.wacz"]; !f.KeptUntil.Equal(k.Until) {
		t.Errorf("%+v", f)
	}
	if f := fates["chunks/b0.wacz"]; !f.KeptUntil.IsZero() {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]map[blob.Key]time.Time{
		"c-17": {chunk(1): k.Until, chunk(3): k.Until, "research/other/uid-2/chunks/c.wacz": k.Until}, "c-18": {},
	} {
		got, err := keeper.KeptUntil(t.Context(), name, k.Captures)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("what %s keeps: %v (-want +got)\n%s", name, err, diff)
		}
	}
	k.Captures, k.Until = []cases.Capture{capture(1)}, when.AddDate(0, 1, 0)
	if _, err := keeper.Keep(t.Context(), k); !errors.Is(err, cases.ErrShorter) {
		t.Errorf("kept for a shorter time: %v", err)
	}
	k.Shorten = true
	if _, err := keeper.Keep(t.Context(), k); err != nil {
		t.Errorf("shortened on purpose: %v", err)
	}
	k.Until = when
	if _, err := keeper.Keep(t.Context(), k); err == nil {
		t.Error("kept until a date that has passed")
	}
}

// TestManyAtOnce: a decision names a bounded number of chunks.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	k := cases.Keeping{Case: "c-17", Until: when.AddDate(1, 0, 0), By: "ann", Why: "all"}
	for i := range retention.MaxObjects + 1 {
		put(t, b, chunk(i), []byte("x"))
		k.Captures = append(k.Captures, capture(i))
	}
	kept, err := (&cases.Retention{Store: b, Now: clock}).Keep(t.Context(), k)
	if err != nil || len(kept) != 1 || len(kept[0].Chunks) != retention.MaxObjects+1 || kept[0].Decision.Seq != 2 {
		t.Errorf("%+v, %v", kept, err)
	}
}
