package browser

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// The bounds of a site's script.
const (
	// MaxScript is the size of a script in bytes, MaxScripts how many a visit may have.
	MaxScript  = 64 << 10
	MaxScripts = 16
	// scriptTimeout is how long it may work on a page.
	scriptTimeout = 30 * time.Second
	// scriptHold is how long it may hold the page's main thread.
	scriptHold = 4 * time.Second
	// maxCounts bounds what it may say of itself.
	maxCounts = 10
)

// Script is a behaviour for certain sites, written by whoever ordered the crawl. What a
// script is given and may do is in docs/behaviors.md.
type Script struct {
	// Name names it in records.
	Name string
	// Hosts are the hosts whose pages it is for: a name, or "*." and a name for that
	// and all below it.
	Hosts []string
	// Source is an expression for an async function, at most MaxScript bytes.
	Source string
}

// SHA256 is the script's digest in hexadecimal, by which records name it.
func (s *Script) SHA256() string {
	sum := sha256.Sum256([]byte(s.Source))
	return hex.EncodeToString(sum[:])
}

// Matches reports whether the script is for the pages of a host.
func (s *Script) Matches(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(s.Hosts, func(pattern string) bool {
		pattern = strings.ToLower(pattern)
		if parent, ok := strings.CutPrefix(pattern, "*."); ok {
			return host == parent || strings.HasSuffix(host, "."+parent)
		}
		return host == pattern
	})
}

// ScriptRun is the use of a script on a page.
type ScriptRun struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	// Outcome is "done", "failed" or "timeout".
	Outcome string `json:"outcome"`
}

// script is the visit's first script for the document that is there, nil when there is none.
func (c *capture) script() *Script {
	if len(c.visit.Scripts) == 0 {
		return nil
	}
	u, err := urls.Split(c.acct.progress().document.url)
	if err != nil {
		return nil
	}
	for i := range c.visit.Scripts {
		if c.visit.Scripts[i].Matches(u.Hostname) {
			return &c.visit.Scripts[i]
		}
	}
	return nil
}

// errScriptTime is the cause of what a script's time has cut off.
var errScriptTime = errors.New("the script's time is over")

// errScriptHolds says that a script was stopped.
var errScriptHolds = errors.New("the script did not give way to the page")

// runScript runs a script in a world of its own: it sees the document, but neither the
// page's objects nor ours. From then on until the page is left, only the sites are
// reached that the page has reached before.
func (c *capture) runScript(ctx context.Context, s *Script) bool {
	run := ScriptRun{Name: s.Name, SHA256: s.SHA256(), Outcome: "done"}
	c.confine()
	c.hold(behaveScript, func() bool {
		counts, err := c.evalScript(ctx, s)
		switch {
		case err == nil:
			c.acct.action(behaveScript, "%s was run%s", s.Name, counts)
		case errors.Is(err, errScriptTime):
			run.Outcome = "timeout"
			c.acct.limit("Script", "%s was not done after %s", s.Name, scriptTimeout)
		case errors.Is(err, errScriptHolds):
			run.Outcome = "timeout"
			c.acct.limit("Script", "%s was stopped: it did not give way to the page for %s", s.Name, scriptHold)
		default:
			run.Outcome = "failed"
			c.acct.limit("Script", "%s: %s", s.Name, clip(err.Error(), 300))
		}
		if !c.hung {
			c.rest(ctx)
		}
		return true
	})
	c.page.Scripts = append(c.page.Scripts, run)
	return true
}

// evalScript waits for a script's end. One that does not give way is stopped.
func (c *capture) evalScript(ctx context.Context, s *Script) (counts string, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, scriptTimeout, errScriptTime)
	defer cancel()
	var made struct {
		ID int64 `json:"executionContextId"`
	}
	if err := c.tab.session.Call(bounded, "Page.createIsolatedWorld", map[string]any{"frameId": c.tab.id, "worldName": "crawlfleet-script"}, &made); err != nil {
		return "", err
	}
	w := world{session: c.tab.session, id: made.ID}
	var value jsonv2.Value
	defer c.turn.lend(ctx, slice)() // it waits more than it works
	done := make(chan error, 1)
	go func() {
		done <- w.eval(bounded, "(async () => {\nconst run = (\n"+s.Source+"\n);\nif (typeof run !== 'function') throw new TypeError('the script is no function');\nreturn JSON.stringify(await run() ?? null).slice(0, 4096);\n})()", &value)
	}()
	tick := time.NewTicker(slice)
	defer tick.Stop()
	for {
		select {
		case err = <-done:
			switch {
			case err == nil:
				return countsOf(value), nil
			case bounded.Err() != nil && ctx.Err() == nil:
				return "", context.Cause(bounded)
			}
			return "", err
		case <-tick.C:
			if c.answers(bounded, scriptHold) || bounded.Err() != nil {
				continue
			}
			c.tab.session.post("Runtime.terminateExecution", nil)
			if !c.answers(ctx, failedTimeout) && ctx.Err() == nil {
				c.hung = true
			}
			cancel()
			if err := <-done; err == nil {
				return countsOf(value), nil // it came to its end after all
			}
			return "", errScriptHolds
		}
	}
}

// answers reports whether the page's main thread answers within d.
func (c *capture) answers(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	w, err := c.world(ctx)
	return err == nil && w.eval(ctx, "1", nil) == nil
}

// countsOf reads what a script says of itself: an object of small numbers by short names.
// Anything else is left out, because it may be the page's content.
func countsOf(value jsonv2.Value) string {
	var text string
	var counts map[string]any
	if json.Unmarshal(value, &text) != nil || json.Unmarshal([]byte(text), &counts) != nil {
		return ""
	}
	var list []string
	for name, v := range counts {
		n, ok := v.(float64)
		if ok && isWord(name) && n == float64(int32(n)) {
			list = append(list, fmt.Sprintf("%s %d", name, int32(n)))
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return ": " + strings.Join(list[:min(len(list), maxCounts)], ", ")
}

func isWord(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// confine keeps the page, from here to its end, to the sites that it has reached already:
// a script of ours can read what the page can, and must not carry it elsewhere.
func (c *capture) confine() {
	sites := c.acct.sites()
	c.stay.session.Confine(func(host string) bool { return sites[siteOf(host)] })
}

// sites are the sites that the page has asked for anything.
func (a *account) sites() map[string]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	sites := make(map[string]bool)
	for _, l := range a.lines {
		if u, err := urls.Split(l.URL); err == nil && l.Outcome != OutcomeBlocked {
			sites[siteOf(u.Hostname)] = true
		}
	}
	return sites
}

// siteOf is the registrable domain of a host, or the host itself where there is none.
func siteOf(host string) string {
	return urls.RegistrableHost(strings.TrimSuffix(host, "."))
}
