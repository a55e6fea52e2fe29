package frontier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// way leads to sites until a path is asked for, and from then on to none until it is mended.
type way struct {
	breaks string
	broken bool
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == w.breaks {
		w.broken = true
	}
	if w.broken {
		return nil, errDown
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *way) egress(context.Context) error {
	if w.broken {
		return errDown
	}
	return nil
}

func (w *way) mend() { *w = way{} }

// TestSeedsWaitForEgress: no sitemap is passed over because no site can be reached, also none that the
// order does not name itself, and none is left alone for it: the next attempt goes on there.
func TestSeedsWaitForEgress(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		switch r.URL.Path {
		case "/robots.txt":
			fmt.Fprintf(w, "Sitemap: %s/named.xml\n", base)
		case "/index.xml":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>%s/part.xml</loc></sitemap></sitemapindex>`, base)
		case "/part.xml":
			fmt.Fprintf(w, `<urlset><url><loc>%s/1</loc></url></urlset>`, base)
		case "/named.xml":
			fmt.Fprintf(w, `<urlset><url><loc>%s/2</loc></url></urlset>`, base)
		}
	}))
	t.Cleanup(site.Close)
	want := []string{site.URL + "/0", site.URL + "/1", site.URL + "/2"}
	spec := workflows.Spec{Scope: workflows.Scope{Type: "Host"}}
	for name, seeds := range map[string]workflows.Seeds{
		"/robots.txt": {URLs: want[:2], RobotsSitemaps: true},
		"/index.xml":  {URLs: want[:1], Sitemaps: []string{site.URL + "/index.xml"}, RobotsSitemaps: true},
		"/part.xml":   {URLs: want[:1], Sitemaps: []string{site.URL + "/index.xml"}, RobotsSitemaps: true},
		"/named.xml":  {URLs: want[:2], RobotsSitemaps: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &way{breaks: name}
			r := SeedReader{Robots: &RobotsCache{Client: &http.Client{Transport: w}, UserAgent: "test", Token: "test", Now: time.Now, Egress: w.egress}}
			var e *SeedError
			if err := r.Order(t.Context(), spec, seeds, nil); !errors.As(err, &e) || e.Reason != workflows.ReasonEgressUnreachable {
				t.Fatalf("got %v, want the reason %s", err, workflows.ReasonEgressUnreachable)
			}
			w.mend()
			r.resume()
			if err := r.Order(t.Context(), spec, seeds, nil); err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(slices.Values(r.Seeds())); !slices.Equal(got, want) {
				t.Errorf("seeds %q, want %q", got, want)
			}
		})
	}
}

// TestRobotsOfNoWay: that a robots.txt did not come because nothing does is not remembered of its site.
func TestRobotsOfNoWay(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(site.Close)
	w := &way{breaks: "/robots.txt"}
	c := &RobotsCache{Client: &http.Client{Transport: w}, UserAgent: "test", Token: "test", Now: time.Now, Egress: w.egress}
	if _, failure := c.Rules(t.Context(), site.URL); failure == nil {
		t.Fatal("there is a robots.txt, and no way to it")
	}
	w.mend()
	if _, failure := c.Rules(t.Context(), site.URL); failure != nil {
		t.Errorf("it is not asked for again: %+v", failure)
	}
}
