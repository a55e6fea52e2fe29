package portal

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/custody"
)

// theCase is where the case is that the tests open.
const theCase = "/cases/" + theNorth + "/2026-17"

// cases collects captures, writes about them, and hands them over.
func (w *world) cases(t *testing.T) {
	p := w.login(t, w.open, ann)
	p.open(searchPath(bright, "url", w.spring.URL))
	for _, n := range []string{"1", "2"} {
		p.click(".hit:nth-of-type(" + n + ") .select input")
	}
	p.follow("button[formaction='/cases/add']")
	p.sees("Add to a case", bright)
	const form = "form[aria-labelledby^=open] "
	p.fill(form+"[name=title]", "Rooms at the harbour")
	p.fill(form+"[name=name]", "2026-17")
	p.fill(form+"[name=description]", "Who lets rooms by the same number?")
	p.follow(form + "button")
	p.open(theCase)
	p.sees("Rooms at the harbour", "2 captures", "Who lets rooms", bright)
	p.open(theCase + "/captures/" + w.summer.ID)
	p.fill("[name=note]", "The rent went up within a season.")
	p.fill("[name=tags]", "rent, harbour")
	p.fill("[name=decision]", "Relevant")
	p.fill("[name=reason]", "It has the number.")
	p.follow("form .primary")
	p.open(theCase + "/captures/" + w.summer.ID)
	p.sees("The rent went up within a season.", "rent", "harbour", "It has the number.", "idp:"+ann)
	t.Run("Others", w.othersCase)
	t.Run("HandOver", w.handOver)
}

// othersCase is the case to people who may less.
func (w *world) othersCase(t *testing.T) {
	reader := w.login(t, w.open, vera)
	reader.open("/cases")
	reader.follow("main table a[href^='/cases/']")
	reader.sees("Rooms at the harbour", bright)
	reader.seesNone(`name="note"`, theCase+"/handover", theCase+"/keep")
	stranger := w.login(t, w.open, vic)
	stranger.open("/cases")
	stranger.seesNone("2026-17", "Rooms at the harbour", theNorth)
	stranger.open(theCase)
	stranger.seesNone("Rooms at the harbour", "Who lets rooms", bright, "The rent went up")
}

// handOver gives the case to somebody as a dossier, which they verify.
func (w *world) handOver(t *testing.T) {
	before := len(w.deeds(t))
	address := w.open + "/api/v1" + theCase + "/dossier.zip?to=police-unit-3"
	if status, body := get(t, w.session(t, w.open, ann), address, false); status != http.StatusForbidden {
		t.Errorf("who may not hand over is answered %d: %.200s", status, body)
	}
	status, body := get(t, w.session(t, w.open, eve), address, false)
	if status != http.StatusOK || !strings.HasPrefix(body, "PK") {
		t.Fatalf("the dossier: %d %.300s", status, body)
	}
	file := filepath.Join(t.TempDir(), "2026-17.zip")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"verify", file}, w.fleet.TrustFlags(t))
	if out, err := exec.CommandContext(t.Context(), w.fleet.Binary(t, "crawlctl"), args...).CombinedOutput(); err != nil {
		t.Errorf("the dossier does not hold: %v\n%s", err, out)
	}
	for _, c := range []capture{w.spring, w.summer} {
		want := deed{custody.Exported, "idp:" + eve, "", "2026-17", c.Chunk, c.Page}
		if got := w.deeds(t)[before:]; !slices.Contains(got, want) {
			t.Errorf("%v is not in the custody log: %v", want, got)
		}
	}
}

// running watches an address, has it crawled once more, follows the crawl, and is told what became of the address.
func (w *world) running(t *testing.T) {
	p := w.login(t, w.open, ann)
	p.open("/snapshots/" + w.summer.ID)
	p.follow(".actions.top a[href^='/watches/new']")
	p.follow("main form .primary")
	p.sees("There are no notices yet.", "rooms.test/room/12")
	w.site.season.Store(autumn)
	release := w.site.hold()
	defer release()
	w.crawl(t, theNorth, "autumn", rooms+"/")
	p.open("/live")
	p.await("the crawl", `document.querySelector("a[href='/live/`+theNorth+`/autumn']") !== null`)
	p.follow("a[href='/live/" + theNorth + "/autumn']")
	p.await("the page under way", `document.body.innerText.includes("rooms.test/kamer/7")`)
	p.sees("running", "Pages under way")
	engineer := w.login(t, w.open, eng)
	engineer.open("/live/" + theNorth + "/autumn")
	engineer.sees("running", "Pages and hosts are shown to people who may find snapshots in this namespace.")
	engineer.seesNone("kamer/7", bright, quiet)
	release()
	p.await("the end", `document.body.innerText.includes("succeeded")`)
	p.open("/watches")
	for deadline := time.Now().Add(patience); len(p.texts(".notice")) == 0; p.open("/watches") {
		if time.Now().After(deadline) {
			t.Fatalf("nobody is told: %s", p.where())
		}
	}
	if got := strings.Join(p.texts(".notice"), " "); !strings.Contains(got, "changed") || !strings.Contains(got, "not seen") {
		t.Errorf("the notice is %q", got)
	}
	other := w.login(t, w.open, vera)
	other.open("/watches")
	other.sees("You watch no address yet.")
	for _, feed := range []string{"/watches/feed.atom", "/watches/feed.json"} {
		if got := look[string](p, `fetch("`+feed+`").then((r) => r.text())`); !strings.Contains(got, w.summer.URL) {
			t.Errorf("%s does not tell of it: %.300s", feed, got)
		}
	}
}
