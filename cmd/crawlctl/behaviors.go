package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// behaviorNames are what --behaviors may name, in the order in which they are done.
var behaviorNames = []string{"consent", "scroll", "expand", "media"}

// behavior is what --behaviors and --behavior-script mean.
type behavior struct {
	consent, scroll, expand, media bool
	scripts                        []browser.Script
}

// readBehaviors reads the flags, and the scripts that they name. Its errors are usage
// errors.
func (f *captureFlags) readBehaviors() (b behavior, err error) {
	for _, name := range f.behaviors {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "consent":
			b.consent = true
		case "scroll":
			b.scroll = true
		case "expand":
			b.expand = true
		case "media":
			b.media = true
		case "none":
			if len(f.behaviors) > 1 {
				return b, cli.Usage("--behaviors: none cannot stand beside other names")
			}
		default:
			return b, cli.Usage("--behaviors %q: want %s or none", name, strings.Join(behaviorNames, ", "))
		}
	}
	if len(f.scripts) > browser.MaxScripts {
		return b, cli.Usage("--behavior-script: %d are given, and there can be %d", len(f.scripts), browser.MaxScripts)
	}
	for _, s := range f.scripts {
		script, err := readScript(s)
		if err != nil {
			return b, err
		}
		b.scripts = append(b.scripts, script)
	}
	return b, nil
}

// readScript reads HOST=FILE.
func readScript(s string) (browser.Script, error) {
	host, path, ok := strings.Cut(s, "=")
	if !ok || host == "" || path == "" || strings.ContainsAny(host, ":/") {
		return browser.Script{}, cli.Usage("--behavior-script %q: want HOST=FILE, such as *.example.org=gallery.js", s)
	}
	file, err := os.Open(path)
	if err != nil {
		return browser.Script{}, cli.Usage("--behavior-script: %w", err)
	}
	defer file.Close() // read only
	source, err := io.ReadAll(io.LimitReader(file, browser.MaxScript+1))
	if err != nil {
		return browser.Script{}, cli.Usage("--behavior-script: %w", err)
	}
	if len(source) > browser.MaxScript || strings.TrimSpace(string(source)) == "" {
		return browser.Script{}, cli.Usage("--behavior-script %s: want a script of 1 to %d bytes", path, browser.MaxScript)
	}
	return browser.Script{Name: filepath.Base(path), Hosts: []string{host}, Source: string(source)}, nil
}
