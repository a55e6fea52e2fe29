package frontier

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxScripts bounds the sources of an order's scripts, in bytes.
const maxScripts = browser.MaxScripts*browser.MaxScript*2 + 4<<10

// scriptsObject holds the sources of an order's scripts, in its order.
type scriptsObject struct {
	Version int      `json:"version"`
	Sources []string `json:"sources"`
}

func scriptsKey(j workflows.Job) string { return base(j) + "/scripts" }

// storeScripts puts the scripts of an order where the workers find them.
func storeScripts(ctx context.Context, store blob.Store, in workflows.SeedInput) error {
	if len(in.Scripts) == 0 {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(in.Scripts))
	if err != nil {
		return invalidScripts(err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxScripts+1))
	if err == nil && len(text) > maxScripts {
		err = fmt.Errorf("they are more than %d bytes", maxScripts)
	}
	o := scriptsObject{Version: 1}
	if err == nil {
		err = json.Unmarshal(text, &o.Sources)
	}
	if err == nil {
		_, err = scriptsOf(in.Job.Spec.Capture.Behaviors, o.Sources)
	}
	if err != nil {
		return invalidScripts(err)
	}
	err = putPacked(ctx, store, scriptsKey(in.Job), o)
	if errors.Is(err, blob.ErrExists) {
		return nil // of an attempt before; what it holds is checked by who reads it
	}
	return err
}

// invalidScripts ends the run: trying again would not help.
func invalidScripts(err error) error {
	message := "the scripts of the order cannot be used: " + err.Error() + ". An order cannot be changed: correct it in a new CrawlJob"
	return temporal.NewNonRetryableApplicationError(message, string(workflows.ReasonInvalidScript), err)
}

// readScripts reads the scripts of an order from the store.
func readScripts(ctx context.Context, store blob.Store, j workflows.Job) ([]browser.Script, error) {
	b := j.Spec.Capture.Behaviors
	if b == nil || len(b.Scripts) == 0 {
		return nil, nil
	}
	var o scriptsObject
	if err := getPacked(ctx, store, scriptsKey(j), maxScripts, &o); err != nil {
		return nil, fmt.Errorf("read the scripts: %w", err)
	}
	return scriptsOf(b, o.Sources)
}

// scriptsOf puts names and sources together. A source that is not the one that was ordered
// is not run.
func scriptsOf(b *workflows.Behaviors, sources []string) ([]browser.Script, error) {
	if b == nil || len(b.Scripts) != len(sources) || len(sources) > browser.MaxScripts {
		return nil, fmt.Errorf("there are %d sources, which are not as many as were ordered", len(sources))
	}
	scripts := make([]browser.Script, len(sources))
	for i, s := range b.Scripts {
		scripts[i] = browser.Script{Name: s.Name, Hosts: s.Hosts, Source: sources[i]}
		if sum := scripts[i].SHA256(); sum != s.SHA256 || len(sources[i]) > browser.MaxScript {
			return nil, fmt.Errorf("script %s has the digest %s, not the one that was ordered", s.Name, sum)
		}
	}
	return scripts, nil
}

// behave sets what is done to a page.
func behave(v *browser.Visit, b *workflows.Behaviors, scripts []browser.Script) {
	if b == nil { // an order from before there was a choice
		b = &workflows.Behaviors{Scroll: true}
	}
	v.NoScroll, v.NoMedia, v.NoExpand, v.NoConsent = !b.Scroll, !b.Media, !b.Expand, !b.Consent
	v.Scripts = scripts
}
