package portal

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

const (
	// showCookie names what a person asked to see the pictures of, once, and showFor is for how many seconds.
	showCookie, showFor = "show", 10 * 60
)

// showForm is a snapshot, or the two of a comparison.
var showForm = regexp.MustCompile(`^[0-9a-f]{32}(-[0-9a-f]{32})?$`)

// showValue names the pictures of one page: those of a snapshot, or of two beside each other.
func showValue(ids ...catalog.ID) string {
	slices.Sort(ids)
	var all []string
	for _, id := range ids {
		all = append(all, string(id))
	}
	return strings.Join(all, "-")
}

// showPath is the page that has these pictures, and the only one that they are shown on.
func showPath(value string) string {
	if strings.Contains(value, "-") {
		return "/compare"
	}
	return "/snapshots/" + value
}

// alwaysShows reports whether a person wants to see all pictures as they are.
func alwaysShows(r *http.Request) bool { return preference(r, "pictures", "shown") != "" }

// showsPictures reports whether pictures are shown as they are: always, or those of this one page because the
// person asked for them on it. An address asks for nothing: whoever sent it would choose what others see.
func showsPictures(r *http.Request) bool {
	if alwaysShows(r) {
		return true
	}
	ids := []catalog.ID{catalog.ID(r.PathValue("id"))}
	if ids[0] == "" {
		q := r.URL.Query()
		ids = []catalog.ID{catalog.ID(q.Get("a")), catalog.ID(q.Get("b"))}
		if both := q["id"]; len(both) == 2 {
			ids = []catalog.ID{cmp.Or(ids[0], catalog.ID(both[0])), cmp.Or(ids[1], catalog.ID(both[1]))}
		}
	}
	value := showValue(ids...)
	return showForm.MatchString(value) && r.URL.Path == showPath(value) && preference(r, showCookie, value) != ""
}

// reveal shows the pictures of a page for some minutes, or hides them again, as its form asks. That it comes
// from a page of the portal is seen to by the gate.
func reveal(w http.ResponseWriter, r *http.Request) {
	value, age := r.PostForm.Get("show"), showFor
	if value == "" {
		value, age = r.PostForm.Get("hide"), -1
	}
	if showForm.MatchString(value) {
		http.SetCookie(w, &http.Cookie{
			Name: showCookie, Value: value, Path: showPath(value), MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
	}
}
