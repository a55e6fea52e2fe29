package browser

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/profile"

	_ "embed" // the script that looks for the signs of a log-in
)

//go:embed js/login.js
var loginScript string

// ReasonLoginExpired is the limit of a page that shows a visitor who is not logged in,
// although the stay began with stored state.
const ReasonLoginExpired = "LoginExpired"

// ProfileUse says with which stored state a page was visited. It holds no value of it.
type ProfileUse struct {
	// Name and UID are those of the BrowserProfile, SHA256 is that of its state file.
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"`
	SHA256 string `json:"sha256"`
	// Cookies and Origins are how many cookies, and storages of how many origins, the
	// browser was given before the first page of the stay.
	Cookies int `json:"cookies"`
	Origins int `json:"origins"`
	// Refused is how many of them it did not take, Expired how many cookies were over.
	Refused int `json:"refused,omitempty"`
	Expired int `json:"expired,omitempty"`
	// LoginExpired says by which sign the page shows that the log-in is over.
	LoginExpired string `json:"loginExpired,omitempty"`
}

// restore gives a fresh context its stored state. The state goes with the context:
// nothing that pages change in it is ever kept.
func (t *tab) restore(ctx context.Context, p *profile.Profile, now time.Time) error {
	if p == nil {
		return nil
	}
	use := &ProfileUse{Name: p.Name, UID: p.UID, SHA256: p.SHA256}
	if err := t.setCookies(ctx, p.State.Cookies, now, use); err != nil {
		return err
	}
	if err := t.setStorage(ctx, p.State.Origins, use); err != nil {
		return err
	}
	t.profile = use
	return nil
}

func (t *tab) setCookies(ctx context.Context, cookies []profile.Cookie, now time.Time, use *ProfileUse) error {
	params := make([]map[string]any, 0, len(cookies))
	for i := range cookies {
		if cookies[i].Expired(now) {
			use.Expired++
			continue
		}
		params = append(params, cookieParam(&cookies[i]))
	}
	if len(params) == 0 {
		return nil
	}
	root := t.chrome.proc.conn.root
	set := func(list ...map[string]any) error {
		return root.Call(ctx, "Storage.setCookies", map[string]any{"browserContextId": t.context, "cookies": list}, nil)
	}
	err := set(params...)
	if err == nil {
		use.Cookies = len(params)
		return nil
	}
	// Chrome takes all or none: one that it does not like costs no others.
	for _, p := range params {
		if ctx.Err() != nil || t.dead() {
			return fmt.Errorf("set cookies: %w", err)
		}
		if err = set(p); err != nil {
			use.Refused++
			continue
		}
		use.Cookies++
	}
	return nil
}

// cookieParam is a cookie in the words of Chrome. That it is for one host alone is said
// by an address in place of a domain.
func cookieParam(c *profile.Cookie) map[string]any {
	p := map[string]any{"name": c.Name, "value": c.Value, "path": c.Path, "secure": c.Secure, "httpOnly": c.HTTPOnly}
	if strings.HasPrefix(c.Domain, ".") {
		p["domain"] = c.Domain
	} else {
		scheme := "http://"
		if c.Secure || c.SourceScheme == "Secure" {
			scheme = "https://"
		}
		p["url"] = scheme + c.Domain + c.Path
	}
	if !c.Session() {
		p["expires"] = c.Expires
	}
	if c.SameSite != "" {
		p["sameSite"] = c.SameSite
	}
	if c.SourceScheme != "" {
		p["sourceScheme"] = c.SourceScheme
	}
	if c.SourcePort != 0 {
		p["sourcePort"] = c.SourcePort
	}
	if c.PartitionKey != nil {
		p["partitionKey"] = c.PartitionKey
	}
	return p
}

func (t *tab) setStorage(ctx context.Context, list []profile.Origin, use *ProfileUse) error {
	if len(list) == 0 {
		return nil
	}
	o, err := newOrigins(ctx, t.session)
	if err != nil {
		return err
	}
	defer t.session.handle(t.event)
	for _, origin := range list {
		err := o.write(ctx, origin)
		if err != nil && (ctx.Err() != nil || t.dead()) {
			return fmt.Errorf("fill storage: %w", err)
		}
		if err != nil { // as of more than Chrome has room for
			use.Refused++
			continue
		}
		use.Origins++
	}
	if t.blank, err = o.close(ctx); err != nil {
		return err
	}
	return o.forget(ctx)
}

// seen are the signs of a log-in that a page shows.
type seen struct {
	HTML         bool   `json:"html"`
	LoggedOut    string `json:"loggedOut"` // selector, text or empty
	LoggedIn     bool   `json:"loggedIn"`
	InvalidNames string `json:"invalid"` // of selectors that are none
}

// lookForLogin asks the page what the profile's check wants to know of it.
func (c *capture) lookForLogin(ctx context.Context) {
	p := c.stay.opts.Profile
	if p == nil || !p.Login.Looks() {
		return
	}
	found := &seen{}
	if !c.ask(ctx, func(ctx context.Context, w world) error { return w.apply(ctx, loginScript, found, p.Login) }) {
		return
	}
	c.signs = found
	if found.InvalidNames != "" {
		c.acct.limit("LoginCheck", "%s of the profile's loginCheck is no CSS selector", found.InvalidNames)
	}
}

// judgeLogin writes into a page with which state it was visited, and whether the log-in
// that belongs to it was over.
func (c *capture) judgeLogin() {
	if c.tab.profile == nil {
		return
	}
	use := *c.tab.profile
	c.page.Profile = &use
	if use.Refused > 0 {
		c.page.Limits = append(c.page.Limits, Limit{Name: "Profile", Detail: fmt.Sprintf("the browser did not take %d cookies or storages of the profile", use.Refused)})
	}
	p := c.stay.opts.Profile
	if c.page.Outcome.State != Archived || p == nil {
		return
	}
	use.LoginExpired = loggedOut(p, c.page, c.signs)
	if use.LoginExpired == "" {
		return
	}
	c.page.Limits = append(c.page.Limits, Limit{Name: ReasonLoginExpired, Detail: use.LoginExpired})
	c.page.Outcome.Detail = "the log-in of profile " + p.Name + " is over: " + use.LoginExpired
}

// loggedOut says by which sign a page shows that the log-in is over, empty when it shows
// none. The log-in page itself, when that is what was asked for, shows nothing.
func loggedOut(p *profile.Profile, page *Page, signs *seen) string {
	if pattern := p.Login.LoggedOutURL; pattern != "" {
		address, err := regexp.Compile(pattern)
		switch {
		case err != nil, address.MatchString(page.URL):
			return ""
		case address.MatchString(page.FinalURL):
			return "the final address matches loggedOut.urlPattern"
		}
	}
	if signs == nil || !signs.HTML {
		return ""
	}
	if signs.LoggedOut != "" {
		return "the page shows loggedOut." + signs.LoggedOut
	}
	want := p.Login.LoggedInSelector != "" || p.Login.LoggedInText != ""
	// What is not found, and what is elsewhere, may look as it likes.
	if want && !signs.LoggedIn && page.Status < 400 && profile.CoversURL(p.Hosts, page.FinalURL) {
		return "the page shows nothing of loggedIn"
	}
	return ""
}
