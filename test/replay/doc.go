// Package replay tests that what the fleet archives can be seen again: it crawls a site with the real line, takes the
// site away, opens every page that a plain walk of the site finds in the portal with a real Chrome, and compares what
// ReplayWeb.page shows with what the live site showed. All that Chrome asks for passes a proxy that counts who else
// but the portal is asked: nobody.
package replay
