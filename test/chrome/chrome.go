// Package chrome starts a real headless Chrome for tests that must see what a browser renders. It is
// independent of the fleet's own browser pool on purpose: a test that used the pool would judge it by itself.
//
// A test that needs Chrome fails when there is none; it is never skipped.
package chrome

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// Path returns the browser that tests use: the one that CRAWLFLEET_CHROME names, or else Debian's chromium-headless-shell
// or chromium.
func Path() (string, error) {
	if path := os.Getenv("CRAWLFLEET_CHROME"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium-headless-shell", "chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chrome found: install chromium-headless-shell (apt-get install chromium-headless-shell) or name one in CRAWLFLEET_CHROME")
}

// Flags are what a quiet browser is started with, beside those that chromedp gives.
func Flags() []chromedp.ExecAllocatorOption {
	flags := []chromedp.ExecAllocatorOption{
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider"),
		chromedp.WindowSize(1280, 800),
	}
	if os.Geteuid() == 0 {
		// Chrome's sandbox cannot be had as root. The pages that tests open are the project's own.
		flags = append(flags, chromedp.NoSandbox)
	}
	return flags
}

// New starts a browser with one tab, which ends with the test, and returns the tab's chromedp context.
func New(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	options = append(append(options, Flags()...), more...)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		// Cancel closes the browser and waits for it.
		if err := chromedp.Cancel(tab); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close the browser: %v", err)
		}
		closeTab()
		stop()
	})
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return tab
}
