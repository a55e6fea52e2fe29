package access

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		steps  []time.Duration // after each of which the person asks for something
		ok     bool
	}{
		{"used at once", []time.Duration{0}, true},
		{"not used for nearly an hour", []time.Duration{DefaultIdle - time.Second}, true},
		{"not used for an hour", []time.Duration{DefaultIdle}, false},
		{"used every half an hour", []time.Duration{30 * time.Minute, 30 * time.Minute, 30 * time.Minute}, true},
		{"used now and then within five minutes", []time.Duration{4 * time.Minute, 58 * time.Minute}, false},
		{"used all day", repeated(16, 30*time.Minute), false},
		{"used nearly all day", repeated(15, 30*time.Minute), true},
	} {
		f := newFixture(t)
		b := f.browser()
		b.login("/me", "ann", "one")
		status := 0
		for _, step := range tc.steps {
			f.at.pass(step)
			status, _ = b.get("/me", "Accept", "application/json")
		}
		if ok := status == http.StatusOK; ok != tc.ok {
			t.Errorf("%s: %d", tc.reason, status)
		}
	}
}

// TestPagesKeepNoSession: a page that is read anew by itself does not count as use.
func TestPagesKeepNoSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.login("/me", "ann", "one")
	for range 3 {
		f.at.pass(20 * time.Minute)
		b.get("/me", "Accept", "text/html", refresh, "1")
	}
	if status, _ := b.get("/me", "Accept", "application/json"); status != http.StatusUnauthorized {
		t.Errorf("after an hour of an open page: %d", status)
	}
}

func repeated(n int, d time.Duration) (list []time.Duration) {
	for range n {
		list = append(list, d)
	}
	return list
}

// TestCookiesCannotBeForged changes a session in every way that its browser could.
func TestCookiesCannotBeForged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.login("/me", "ann", "one")
	value := b.cookies()[sessionCookie]
	flip := func(i int) string {
		c := byte('A')
		if value[i] == c {
			c = 'B'
		}
		return value[:i] + string(c) + value[i+1:]
	}
	forged := map[string]string{
		"cut": value[:len(value)-4], "longer": value + "AAAA", "empty": "", "no number": value[2:], "odd": "1.%%", "no parts": "0." + value[2:],
		"too many parts": "9." + value[2:], "a part too many": "2." + value[2:], "nothing sealed": "1.", "plain": `1.eyJuYW1lIjoiaWRwOmFubiJ9`,
	}
	for i := 2; i < len(value)-1; i += 7 {
		forged["flipped "+value[:i]] = flip(i)
	}
	for reason, forged := range forged {
		thief := f.browser()
		thief.setCookie(sessionCookie, forged)
		f.want(reason, 401, ReasonNotLoggedIn)(thief.get("/me", "Accept", "application/json"))
	}
	thief := f.browser()
	thief.get("/me") // begins a log-in
	for name, login := range thief.cookies() {
		thief.setCookie(sessionCookie, login)
		f.want("a cookie of another use: "+name, 401, ReasonNotLoggedIn)(thief.get("/me", "Accept", "application/json"))
	}
	f.gate.Sessions.Keys = RandomKeys()
	f.want("of another portal", 401, ReasonNotLoggedIn)(b.get("/me", "Accept", "application/json"))
}

func TestManyGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	f.want("200 groups", 200, "idp:00000000-0000-4000-8000-000000000199")(b.login("/me", "many", "three"))
	if n := len(b.cookies()); n < 2 {
		t.Errorf("%d cookies", n)
	}
	for name, value := range b.cookies() {
		if len(name)+len(value) > 4096 {
			t.Errorf("a browser keeps no cookie of %d bytes", len(name)+len(value))
		}
	}
	b.do(http.MethodPost, LogoutPath, nil)
	if len(b.cookies()) != 0 {
		t.Errorf("left over: %v", b.cookies())
	}
	f.want("more than browsers keep", 403, ReasonLoginFailed)(f.browser().login("/me", "most", "four"))
}

func TestCookiesOfHTTPS(t *testing.T) {
	t.Parallel()
	for secure, want := range map[bool]string{true: "__Host-crawlfleet-session", false: "crawlfleet-session"} {
		s := &Sessions{Keys: RandomKeys(), Secure: secure}
		w := httptest.NewRecorder()
		if err := s.begin(w, ann); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if c.Name != want || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("secure %v: %v", secure, c)
		}
	}
}
