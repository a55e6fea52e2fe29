package portal

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/test/viewer"
)

// see looks at snapshots, in depth and over time.
func (w *world) see(t *testing.T) {
	p := w.login(t, w.open, ann)
	t.Run("Snapshot", func(t *testing.T) { p.with(t).snapshot() })
	t.Run("Odd", func(t *testing.T) { p.with(t).odd() })
	t.Run("Timeline", func(t *testing.T) { p.with(t).timeline() })
	t.Run("Compare", func(t *testing.T) { p.with(t).compare() })
	t.Run("Replay", func(t *testing.T) { p.with(t).replay() })
	t.Run("Crawls", func(t *testing.T) { p.with(t).crawls() })
	t.Run("Dutch", func(t *testing.T) { p.with(t).dutch() })
	t.Run("Script", func(t *testing.T) { w.login(t, w.open, vera).withoutScript() })
	t.Run("LogOut", func(t *testing.T) { p.with(t).logout() })
}

// opens searches for something and opens what is found first.
func (p *person) opens(query string, filter ...string) {
	p.Helper()
	p.open(searchPath(query, filter...))
	p.follow(".hit h2 a")
}

// blurred tells whether the picture of the snapshot cannot be made out.
func (p *person) blurred() bool {
	p.Helper()
	return strings.HasSuffix(look[string](p, `document.querySelector(".screenshot img").src`), "/thumbnail")
}

// width waits for the picture and returns its own width.
func (p *person) width() int {
	p.Helper()
	p.await("the picture", `document.querySelector(".screenshot img").complete && document.querySelector(".screenshot img").naturalWidth > 0`)
	return look[int](p, `document.querySelector(".screenshot img").naturalWidth`)
}

func (p *person) snapshot() {
	p.opens(bright, "job", theNorth+"/spring")
	p.sees(bright, rooms+"/room/12", "status 200", "lighthouse keeper", "450 euros", "127.0.0.1", "DPIA-2026-014", "HeadlessChrome", theNorth+"/spring")
	if !p.blurred() || p.width() > 640 {
		p.Error("the picture is not blurred")
	}
	if alt := look[string](p, `document.querySelector(".screenshot img").alt`); alt != "Screenshot, blurred" {
		p.Errorf("the picture is called %q", alt)
	}
	p.follow(".screenshot [name=show]")
	if p.blurred() || p.width() < 1000 {
		p.Error("the picture is not shown")
	}
	p.await("the verdict", `document.querySelector("[data-load] .verdict") !== null`)
	p.sees("holds")
	// The other capture of the same address is a click away.
	p.follow("a[rel=next]")
	p.sees("520 euros, heating included", theNorth+"/summer")
	p.follow("a[rel=prev]")
	p.sees("450 euros")
	// A link of the page that nobody visits is looked for.
	p.opens("bread flowers")
	p.follow(".leads a")
	p.sees("Read as telephone number", bright, quiet, bicycle)
	p.opens(rooms+"/flyer.pdf", "kind", "Document")
	p.sees("application/pdf", rooms+"/flyer.pdf")
	p.opens("", "kind", "Image")
	p.sees("image/png", rooms+"/map.png")
}

// odd looks at a page whose title is a script.
func (p *person) odd() {
	p.opens("odd things", "job", theNorth+"/spring")
	if got := p.texts("h1"); !slices.Equal(got, []string{odd}) {
		p.Errorf("the title is shown as %q", got)
	}
	if title := look[string](p, `document.title`); title == "run" {
		p.Error("what the page is called has been run")
	}
}

// timeline sees what became of pages.
func (p *person) timeline() {
	for _, tc := range []struct {
		path    string
		changes []string // the newest first
	}{
		{"/room/12", []string{"changed text, document", "first capture"}},
		{"/bike/3", []string{"gone", "first capture"}},
		{"/kamer/7", []string{"unchanged", "first capture"}},
	} {
		p.open("/timeline?url=" + rooms + tc.path)
		if got := p.texts("tr.hit td:nth-child(3)"); !slices.Equal(got, tc.changes) {
			p.Errorf("%s: %q, want %q", tc.path, got, tc.changes)
		}
		if marks := len(look[[]string](p, `[...document.querySelectorAll(".strip svg title")].map((e) => e.textContent)`)); marks != 2 {
			p.Errorf("%s: the strip has %d marks", tc.path, marks)
		}
	}
	p.press("j")
	p.await("the focus on a capture", `document.activeElement === document.querySelector("tr.hit .time a")`)
	p.leave(func() { p.press("\r") })
	p.sees(quiet)
	p.open("/timeline?url=" + boats + "/")
	p.sees("Nothing of this address is archived.")
	p.seesNone(boat)
}

// compare sees what has changed, from the hits, a snapshot and a timeline.
func (p *person) compare() {
	p.open(searchPath(bright, "url", p.world.spring.URL))
	for _, n := range []string{"1", "2"} {
		p.click(".hit:nth-of-type(" + n + ") .select input")
	}
	p.follow("button[form=selection]:not([formaction])")
	changed := func() {
		p.Helper()
		p.sees("Comparison", theNorth+"/spring", theNorth+"/summer")
		went, came := strings.Join(p.texts("del"), " "), strings.Join(p.texts("ins"), " ")
		if !strings.Contains(went, "450") || !strings.Contains(came, "520") || !strings.Contains(came, "heating included") {
			p.Errorf("what went is %q, what came is %q", went, came)
		}
	}
	changed()
	p.open("/snapshots/" + p.world.summer.ID)
	p.follow(".actions.top a[href^='/compare']")
	changed()
	p.open("/timeline?url=" + p.world.summer.URL)
	p.follow("button[form=pair]")
	changed()
	p.follow(".reveal button[name=show]")
	p.await("the picture of what differs", `[...document.querySelectorAll(".pictures img")].length === 3 && [...document.querySelectorAll(".pictures img")].every((i) => i.complete && i.naturalWidth > 0)`)
}

// replay sees the page as it was, in a frame that the portal shares nothing with.
func (p *person) replay() {
	p.open("/snapshots/" + p.world.spring.ID + "/replay")
	if !look[bool](p, `document.querySelector("iframe").inert && document.querySelector(".replay.blurred") !== null`) {
		p.Error("what is replayed is shown before anybody asked for it")
	}
	p.click(".veil button")
	p.await("what is replayed", `document.querySelector(".replay.blurred") === null && !document.querySelector("iframe").inert`)
	if at := look[string](p, `new URL(document.querySelector("iframe").src).origin`); at != replayOf(p.portal) {
		p.Errorf("the replay is from %s", at)
	}
	text := p.replayed(handle)
	for _, want := range []string{bright, "450 euros", number} {
		if !strings.Contains(text, want) {
			p.Errorf("%q is not in the replay: %q", want, text)
		}
	}
	p.click(".tools button") // pictures are blurred again
	p.await("the veil", `document.querySelector(".replay.blurred") !== null`)
}

// crawls goes from the list of crawls to a page.
func (p *person) crawls() {
	p.open("/crawls")
	p.sees("spring", "summer", "Succeeded", theNorth, "DPIA-2026-014")
	p.seesNone(theSouth, "boats")
	p.follow("main table a[href*=spring]")
	p.sees(bright, quiet, bicycle, "DPIA-2026-014")
}

// dutch reads the portal in Dutch and in the dark.
func (p *person) dutch() {
	p.open(searchPath(number))
	p.fill(".preferences [name=lang]", "nl")
	p.fill(".preferences [name=theme]", "dark")
	p.fill(".preferences [name=pictures]", "shown")
	p.follow(".preferences form button")
	p.sees("Gelezen als telefoonnummer", "Momentopnamen zoeken", bright, quiet)
	if got := look[string](p, `document.documentElement.lang + " " + getComputedStyle(document.body).backgroundColor`); got != "nl rgb(20, 24, 30)" {
		p.Errorf("the page is %s", got)
	}
	p.follow(".hit h2 a")
	p.sees("Afbeelding", "Machtiging", "Opdracht")
	if p.blurred() {
		p.Error("the picture is blurred, though they are to be shown")
	}
	p.fill(".preferences [name=lang]", "en")
	p.fill(".preferences [name=theme]", "")
	p.fill(".preferences [name=pictures]", "blurred")
	p.follow(".preferences form button")
	p.sees("Picture", "Authorisation")
}

// withoutScript finds and sees where scripts do not run: forms are sent and links followed all the same.
func (p *person) withoutScript() {
	p.noScript()
	p.open(searchPath("verdieping"))
	if shown := strings.Join(p.texts(".hit h2"), " "); shown != quiet+" "+quiet {
		p.Errorf("found is %q", shown)
	}
	p.follow(".hit h2 a")
	p.sees(quiet, "verdieping", "Verify the file, check by check")
	p.follow("#signature + p a")
	p.sees("Every check of the file holds")
}

// logout ends the session, here and at the provider.
func (p *person) logout() {
	p.open("/")
	p.follow("form[action='/logout'] button")
	p.await("the end", `location.pathname === "/logged-out" && document.readyState === "complete"`)
	p.sees("You are logged out of the portal.")
	p.open("/crawls")
	p.await("the provider's form", `document.querySelector("#user") !== null`)
}

// verify tells what holds from what does not.
func (w *world) verify(t *testing.T) {
	p := w.login(t, w.open, ann)
	p.opens(bright, "job", theNorth+"/spring")
	p.follow("#signature ~ p a")
	p.sees("Verification", "holds", "Every check of the file holds", "0 fail, 0 are open", "proven by a time stamp")
	w.damage(t, p)
}

// damage flips a byte of a file in the store, as a fault of a disk or a person with its keys would, and puts it back.
func (w *world) damage(t *testing.T, p *person) {
	t.Helper()
	store, err := w.fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	bucket, key := w.fleet.State().S3.ArchiveBucket, look[string](p, `document.querySelector("dl.rows dd").firstChild.textContent`)
	object, err := store.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(object)
	if err != nil || len(whole) == 0 {
		t.Fatalf("%s: %d bytes, %v", key, len(whole), err)
	}
	put := func(content []byte) {
		t.Helper()
		_, err := store.PutObject(t.Context(), bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: "application/wacz"})
		if err != nil {
			t.Fatal(err)
		}
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 4
	put(changed)
	defer put(whole)
	// (A verdict is kept for a while as long as the store says that the object is the same.)
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		p.do(reload)
		if strings.Contains(p.text(), "The file is not as it should be.") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a byte of %s was changed, and the portal says: %s", path.Base(key), p.where())
		}
	}
	failing := look[[]string](p, `[...document.querySelectorAll("tbody tr")].filter((r) => r.querySelector(".bad")).map((r) => r.querySelector("th").innerText)`)
	if len(failing) == 0 {
		t.Error("no check is named that fails")
	}
	t.Logf("fails: %q", failing)
	var names []string
	for _, f := range failing {
		names = append(names, viewer.Normalize(f))
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "archive/") || strings.Contains(n, "data.warc") }) {
		t.Errorf("the checks that fail are %q, none of which names the file inside that was changed", names)
	}
}
