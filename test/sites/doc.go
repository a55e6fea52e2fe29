// Package sites serves the web sites that crawlfleet crawls in its tests and in its demo, and keeps an
// independent account of who asked them for what.
//
// A crawler must not be judged by its own books. Every site here is therefore wrapped in a [Log] that
// writes down each request as the server saw it: when, which host, which address, what was answered, how many
// bytes were sent and their SHA-256. Tests compare that log with what the crawler says that it archived.
//
// The sites themselves are in packages of their own:
//
//   - board: the demo, a classified-ads site rendered by JavaScript from a JSON API;
//   - docs: a folder of real HTML, such as the documentation in Debian's python3-doc;
//   - dynamic: pages to measure with;
//   - trouble: pages that never end, hang, break off, or use what is hard to record.
//
// [Start] puts any http.Handler on a loopback port, and its log on a second one, so that reading the log
// never shows up in the log:
//
//	srv, err := sites.Start(sites.Options{Handler: board.New(board.Options{})})
//	...
//	defer srv.Close()
//	crawl(srv.URL)
//	for _, e := range srv.Log.Entries(sites.Filter{Path: "/private/"}) {
//		t.Errorf("fetched %s, which robots.txt disallows", e.Path)
//	}
package sites
