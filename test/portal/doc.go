// Package portal tests the analysts' portal as they use it: a real crawl fills a real archive, people log in at an identity
// provider, the API server says what they may see, and a Chrome looks at every page. All that Chrome asks for passes a
// gate that knows the portals and the provider and nobody else.
//
// There is one fleet, which [TestPortal] builds; each part of the test is a method of world. A page that is new needs a
// line in views (for its looks: axe-core, narrow screens, screenshots), a row in answers (who may ask for it) and a flow
// of its own. The table of every route and role is a test of package portal itself, where it takes no fleet.
//
//	go test ./portal -v -run 'TestPortal/Find'   # one part
//	make portal-screenshots                      # the pictures of docs/portal.md instead
package portal
