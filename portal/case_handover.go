package portal

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/selection"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// handing is the body of the page on which a case is handed over.
type handing struct {
	casePage
	Files []handFile
	// Along is what goes along with the pages that are chosen, by what is chosen.
	Along []along
	// Logged says that a custody log is kept.
	Logged bool
	// Dossiers is nil where dossiers are not offered; Signed says that they are signed, Most how many captures one has.
	Dossiers *Dossiers
	Signed   bool
	Most     int
	By       string
}

// Ticked tells whether a decision is ticked in a form: as it was sent, or as it is proposed.
func (b handing) Ticked(f caseForm, w cases.Word) bool {
	if f.typed == nil {
		return slices.Contains(preselected(b.Case), w)
	}
	return f.Chosen("decision", string(w))
}

// handover is the page on which a case is handed over.
func (h handlers) handover(w http.ResponseWriter, r *http.Request) {
	h.showHandover(w, r, http.StatusOK, caseForm{})
}

func (h handlers) showHandover(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	page, err := h.casePage(r)
	if err == nil && page.Case.State == cases.StateErased {
		err = chain.ErrErased
	}
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	p := access.From(r.Context())
	body := handing{casePage: page, Dossiers: h.Dossiers, Most: dossier.MaxExhibits, By: p.Name}
	body.Signed = h.Dossiers != nil && h.Dossiers.Keys != nil
	body.Logged = h.Gate.Custody != nil && h.Gate.Custody.Log != nil
	if body.Files, body.Along, err = h.along(r, page.Case); err != nil {
		h.failCase(w, r, err)
		return
	}
	body.Form = f
	h.render(w, r, status, "case_handover.html", words.Match(r).Text("Hand over %s", caseTitle(page.Case)), body)
}

// handed is an answer that the custody log is told of before its first byte.
type handed struct {
	http.ResponseWriter
	kind  string
	begin func() error
	begun bool
}

// Write implements io.Writer.
func (o *handed) Write(b []byte) (int, error) {
	if !o.begun {
		if err := o.begin(); err != nil {
			return 0, err
		}
		o.begun = true
	}
	return o.ResponseWriter.Write(b)
}

// handSelection hands a case over as one WACZ file, as a form asks for it.
func (h handlers) handSelection(w http.ResponseWriter, r *http.Request) {
	h.hand(w, r, "selection", h.selection)
}

// handDossier hands a case over as a dossier.
func (h handlers) handDossier(w http.ResponseWriter, r *http.Request) {
	h.hand(w, r, "dossier", h.dossier)
}

// hand answers a form with a file, or with the form and what is wrong with it.
func (h handlers) hand(w http.ResponseWriter, r *http.Request, do string, give func(*http.Request, *handed, url.Values) error) {
	f, out := formOf(r, do), &handed{ResponseWriter: w}
	err := f.unread
	if err == nil {
		err = give(r, out, f.typed)
	}
	h.end(r, out, err, func() {
		h.again(w, r, f, err, func(status int, f caseForm) { h.showHandover(w, r, status, f) })
	})
}

// end ends an answer that something went wrong with: one that has begun is broken off, so that nobody takes it
// for whole.
func (h handlers) end(r *http.Request, out *handed, err error, told func()) {
	if out.begun {
		h.Metrics.exported(out.kind, err)
	}
	switch {
	case err == nil:
	case !out.begun && r.Context().Err() != nil:
		h.Logger.Warn("who asked for a hand-over went before the first byte; if people complain, a proxy in front gives up too early", "route", r.Pattern)
	case !out.begun:
		told()
	default:
		if r.Context().Err() == nil {
			h.Logger.Error("what is handed over is not whole", "route", r.Pattern, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// What is said of any hand-over, and of a dossier alone.
var (
	handedFields  = []string{"to", "decision", "present"}
	dossierFields = []string{"recipient", "by", "supersedes"}
)

// checkFields refuses what is said of a hand-over and would not be heeded: who asks for a file that is encrypted is not
// given one that is not.
func checkFields(lang words.Lang, v url.Values, known ...string) error {
	for name := range v {
		switch {
		case slices.Contains(known, name):
		case slices.Contains(dossierFields, name):
			return unfit(lang.Text("Only a dossier has %s: a WACZ file is not encrypted, and says nothing of who made it or what it replaces.", name))
		default:
			return unfit(lang.Text("Nothing is handed over by %s: there is no such choice.", visible(name)))
		}
	}
	return nil
}

// picked are the pages of a case that are to be handed over.
func (h handlers) picked(r *http.Request, v url.Values) (*cases.Case, []selection.Pick, error) {
	lang := words.Match(r)
	if strings.TrimSpace(v.Get("to")) == "" {
		return nil, nil, unfit(lang.Text("Say to whom you hand it over."))
	}
	if err := checkNamed(lang, "To whom", v.Get("to")); err != nil {
		return nil, nil, err
	}
	only, err := wordsOf(v)
	if err != nil {
		return nil, nil, err
	}
	c, err := h.Cases.Get(r.Context(), r.PathValue("namespace"), r.PathValue("name"))
	if err == nil && c.State == cases.StateErased {
		err = chain.ErrErased
	}
	if err != nil {
		return nil, nil, err
	}
	picks := selection.Of(c, only...)
	if v.Get("present") != "" {
		if picks, err = h.present(r.Context(), picks); err != nil {
			return nil, nil, err
		}
	}
	if len(picks) == 0 {
		return nil, nil, unfit(lang.Text("There is no capture to hand over: the case has none, or none with the decisions that are ticked."))
	}
	return c, picks, nil
}

// present leaves out the pages whose chunk is not in the archive any more.
func (h handlers) present(ctx context.Context, picks []selection.Pick) ([]selection.Pick, error) {
	there := map[blob.Key]bool{}
	for _, p := range picks {
		if _, known := there[p.Chunk]; known {
			continue
		}
		_, err := h.Archive.Head(ctx, p.Chunk)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return nil, err
		}
		there[p.Chunk] = err == nil
	}
	return slices.DeleteFunc(picks, func(p selection.Pick) bool { return !there[p.Chunk] }), nil
}

// maxTo is how long it is to whom something is handed over, and who prepared it, in characters.
const maxTo = 200

// checkNamed checks to whom something is handed over, or who prepared it.
func checkNamed(lang words.Lang, label, name string) error {
	if name = strings.TrimSpace(name); utf8.RuneCountInString(name) > maxTo || chain.Line("", name, utf8.UTFMax*maxTo) != nil {
		return unfit(lang.Text("%s: at most %s characters, and no control characters.", lang.Text(label), lang.Number(maxTo)))
	}
	return nil
}

// told is that the custody log is told of what is handed over, and to whom. The case is that of the
// entries.
func (h handlers) told(r *http.Request, c *cases.Case, to string, picks []selection.Pick) func(context.Context) error {
	p := access.From(r.Context())
	p.Case = c.Name
	snapshots := make([]access.Snapshot, 0, len(picks))
	for _, pick := range picks {
		snapshots = append(snapshots, access.Snapshot{Chunk: pick.Chunk, Page: pick.Page})
	}
	return func(ctx context.Context) error { return h.Gate.Custody.Exported(ctx, p, to, snapshots...) }
}

// named says what a file is called that is handed over.
func named(w http.ResponseWriter, kind, name string) {
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	head.Set("Cache-Control", "no-store")
}

// selection gives a case as one WACZ file.
func (h handlers) selection(r *http.Request, out *handed, v url.Values) error {
	if err := checkFields(words.Match(r), v, handedFields...); err != nil {
		return err
	}
	c, picks, err := h.picked(r, v)
	if err != nil {
		return err
	}
	done, err := h.takeTurn(r.Context())
	if err != nil {
		return err
	}
	defer done()
	export := h.told(r, c, v.Get("to"), picks)
	out.kind = kindSelection
	out.begin = func() error {
		if err := export(r.Context()); err != nil {
			return err
		}
		named(out, "application/wacz", c.Name+".wacz")
		return nil
	}
	_, err = selection.WACZ(r.Context(), h.Archive, picks, selection.Options{
		Title: caseTitle(c), Case: c.Name, Software: "crawlfleet portal " + cli.ReadBuild().String(), Created: madeAt(), Dir: h.Temp,
	}, out)
	return err
}

// madeAt is the time that something is said to be made at.
func madeAt() time.Time { return time.Now().UTC().Truncate(time.Second) }

// dossier gives a case as a dossier, one ZIP file, encrypted when there are recipients.
func (h handlers) dossier(r *http.Request, out *handed, v url.Values) error {
	lang := words.Match(r)
	if h.Dossiers == nil {
		return errNowhere
	}
	if err := checkFields(lang, v, slices.Concat(handedFields, dossierFields)...); err != nil {
		return err
	}
	c, picks, err := h.picked(r, v)
	if err != nil {
		return err
	}
	if len(picks) > dossier.MaxExhibits {
		return unfit(lang.Text("A dossier has %s captures at most.", lang.Number(dossier.MaxExhibits)))
	}
	o := dossierOrder{reference: c.Name, preparedBy: strings.TrimSpace(v.Get("by")), picks: picks, created: madeAt()}
	if o.preparedBy == "" {
		o.preparedBy = access.From(r.Context()).Name
	}
	if err := checkNamed(lang, "Prepared by", o.preparedBy); err != nil {
		return err
	}
	if o.supersedes = strings.ToLower(strings.TrimSpace(v.Get("supersedes"))); o.supersedes != "" && !sha256Hex.MatchString(o.supersedes) {
		return unfit(lang.Text("The earlier dossier is named by 64 hexadecimal digits: the SHA-256 of its tagmanifest-sha256.txt."))
	}
	for _, s := range strings.Fields(strings.Join(v["recipient"], " ")) {
		recipient, err := age.ParseX25519Recipient(s)
		if err != nil {
			return unfit(lang.Text("%s is not an age recipient: those begin with age1, and age-keygen makes them.", visible(s)))
		}
		o.recipients = append(o.recipients, recipient)
	}
	done, err := h.takeTurn(r.Context())
	if err != nil {
		return err
	}
	defer done()
	out.kind = kindDossier
	out.begin = func() error {
		if len(o.recipients) > 0 {
			named(out, "application/octet-stream", c.Name+".zip.age")
		} else {
			named(out, "application/zip", c.Name+".zip")
		}
		return nil
	}
	err = h.Dossiers.make(r.Context(), h.Archive, o, h.told(r, c, v.Get("to"), picks), out, h.Temp, h.Logger)
	var refused *access.Problem
	if _, known := caseProblem(err); err == nil || known || errors.As(err, &refused) || errors.Is(err, blob.ErrUnreachable) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotMade, err)
}

// sha256Hex is a SHA-256 in hex.
var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// handedAtOnce is how many files are put together at once: each is on the disk before it is given.
const handedAtOnce = 2

// takeTurn waits for a turn to put a file together, and returns what gives it back.
func (h handlers) takeTurn(ctx context.Context) (done func(), err error) {
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
