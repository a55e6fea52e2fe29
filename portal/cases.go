package portal

import (
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// caseRoutes are the routes of cases. Who writes in a case is
// shown what others wrote there meanwhile, so that writing takes reading, too.
func (h handlers) caseRoutes() []route {
	read, write := access.Allowed(access.ReadCases, access.InNamespace), access.Allowed(access.WriteCases, access.InNamespace).With(access.ReadCases)
	add := access.Allowed(access.WriteCases, aboutChosen(h)).With(access.ReadCases, access.Find)
	export := access.Allowed(access.Export, access.InNamespace).With(access.ReadCases)
	const one = "/cases/{namespace}/{name}"
	return []route{
		{"GET /cases", access.SignedIn, h.cases},
		{"GET /cases/new", access.SignedIn, h.newCase},
		{"POST /cases", access.Allowed(access.WriteCases, aboutForm).With(access.ReadCases), h.openCase},
		{"GET /cases/add", add, h.chooseCase},
		{"POST /cases/add", add, h.addToCase},
		{"GET " + one, read, h.oneCase},
		{"POST " + one, write, h.sayOfCase},
		{"GET " + one + "/history", read, h.caseHistory},
		{"POST " + one + "/close", write, h.closeCase},
		{"POST " + one + "/reopen", write, h.reopenCase},
		{"GET " + one + "/captures/{id}", read, h.caseCapture},
		{"POST " + one + "/captures/{id}", write, h.sayOfCapture},
		{"POST " + one + "/captures/{id}/remove", write, h.removeCapture},
		{"GET " + one + "/keep", write, h.caseKeep},
		{"POST " + one + "/keep", write, h.keepCase},
		{"GET " + one + "/erase", write, h.askErase},
		{"POST " + one + "/erase", write, h.eraseCase},
		{"GET " + one + "/handover", export, h.handover},
		{"POST " + one + "/selection.wacz", export, h.handSelection},
		{"POST " + one + "/dossier.zip", export, h.handDossier},

		{"GET /api/v1/cases", access.SignedIn, h.apiCases},
		{"POST /api/v1/cases/{namespace}", write, h.apiOpenCase},
		{"GET /api/v1" + one, read, h.apiCase},
		{"POST /api/v1" + one + "/events", access.Allowed(access.WriteCases, h.aboutEvent).With(access.ReadCases), h.apiEvent},
		{"GET /api/v1" + one + "/selection.wacz", export, h.apiSelection},
		{"GET /api/v1" + one + "/dossier.zip", export, h.apiDossier},
	}
}

// casesAtOnce is how many cases a page of the list shows.
const casesAtOnce = 50

// casesList is the body of the page with all cases.
type casesList struct {
	Cases []cases.Summary
	Total int
	Pager pager
	// Namespaces are those that the person may read cases of, Namespace the one that is shown alone.
	Namespaces []string
	Namespace  string
	MayOpen    bool
}

// cases lists the cases that a person may read.
func (h handlers) cases(w http.ResponseWriter, r *http.Request) {
	all, namespaces, err := h.readable(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	writable, err := h.writable(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body := casesList{Total: len(all), Namespaces: namespaces, Namespace: r.URL.Query().Get("namespace"), MayOpen: len(writable) > 0}
	body.Cases, body.Pager = paginate(all, casesAtOnce, r)
	h.render(w, r, http.StatusOK, "cases.html", words.Match(r).Text("Cases"), body)
}

// readable are the cases that a person may read, the one that was changed last first; of one namespace
// when the query names it.
func (h handlers) readable(r *http.Request) (all []cases.Summary, namespaces []string, err error) {
	if namespaces, err = h.caseNamespaces(r, access.ReadCases); err != nil {
		return nil, nil, err
	}
	some := namespaces
	if one := r.URL.Query().Get("namespace"); one != "" {
		if err := h.Gate.Rights.Check(r.Context(), access.From(r.Context()), access.ReadCases, one); err != nil {
			return nil, nil, err
		}
		some = []string{one}
	} else if len(some) == 0 {
		// Who may read none is told so, and not that there are none.
		if err := h.Gate.Rights.Check(r.Context(), access.From(r.Context()), access.ReadCases, ""); err != nil {
			return nil, nil, err
		}
	}
	for _, namespace := range some {
		list, err := h.Cases.List(r.Context(), namespace)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b cases.Summary) int { return b.Changed.At.Compare(a.Changed.At) })
	return all, namespaces, nil
}

// caseNamespaces are the namespaces in which a person has a right: of those that have captures, and of those
// that have cases, as a case outlives its captures.
func (h handlers) caseNamespaces(r *http.Request, right access.Right) ([]string, error) {
	all, err := h.Cases.Namespaces(r.Context())
	if err != nil {
		return nil, err
	}
	archived, err := h.Catalog.Namespaces(r.Context())
	if err != nil {
		return nil, err
	}
	for _, c := range archived {
		if chain.Name(c.Value) == nil {
			all = append(all, c.Value)
		}
	}
	slices.Sort(all)
	return h.Gate.Rights.Namespaces(r.Context(), access.From(r.Context()), right, slices.Compact(all))
}

// writable are the namespaces in which a person may open cases.
func (h handlers) writable(r *http.Request) ([]string, error) {
	return h.caseNamespaces(r, access.WriteCases)
}

// newCaseBody is the body of the page to open a case.
type newCaseBody struct {
	Form       caseForm
	Namespaces []string
}

// newCase is the form to open a case.
func (h handlers) newCase(w http.ResponseWriter, r *http.Request) {
	h.newCaseWith(w, r, http.StatusOK, newCaseForm())
}

func (h handlers) newCaseWith(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	namespaces, err := h.writable(r)
	if err == nil && len(namespaces) == 0 {
		err = h.Gate.Rights.Check(r.Context(), access.From(r.Context()), access.WriteCases, "")
	}
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	h.render(w, r, status, "case_new.html", words.Match(r).Text("Open a case"), newCaseBody{f, namespaces})
}

// openCase opens a case.
func (h handlers) openCase(w http.ResponseWriter, r *http.Request) {
	f, namespace := formOf(r, "open"), r.PostForm.Get("namespace")
	name, event := f.opened()
	err := h.appendAll(r, namespace, name, &f, event)
	if err == nil {
		http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
		return
	}
	h.again(w, r, f, err, func(status int, f caseForm) { h.newCaseWith(w, r, status, f) })
}

// opened is the case that a form opens.
func (f *caseForm) opened() (name string, e cases.Event) {
	name = strings.TrimSpace(f.typed.Get("name"))
	return name, cases.Event{Kind: cases.Opened, Title: strings.TrimSpace(f.typed.Get("title")), Description: strings.TrimSpace(f.typed.Get("description"))}
}

// caseLink is the address of a case. Both are labels, which need no escape.
func caseLink(namespace, name string) string { return "/cases/" + namespace + "/" + name }
