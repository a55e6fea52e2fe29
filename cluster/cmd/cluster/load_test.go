package main

import (
	"slices"
	"testing"
)

func TestSaved(t *testing.T) {
	t.Parallel()
	const said = "docker.io/crawlfleet/portal:dev         \tsaved\t\n" +
		"application/vnd.oci.image.index.v1+json sha256:0373f9d1\n" +
		"crawlfleet/operator:dev                 \tsaved\t\n" +
		"Importing\telapsed: 2.8 s\ttotal:   0.0 B\t(0.0 B/s)\t\n"
	if got, want := saved(said), []string{"docker.io/crawlfleet/portal:dev", "crawlfleet/operator:dev"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	if got, want := quote("/a b/it's"), `'/a b/it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
