// Package capture is the conformance suite of the capture engine: an adversarial site, and for each of its cases what
// must stand in the archive.
//
// Every case is captured by a real Chrome through the fleet's own pool, recorder and chunk writer, and is judged by what
// stands in the WACZ file, against the site's own account of what it was asked and what it sent:
//
//   - every request that reached the site is a request record with the same head and body, and every answer a response
//     record (or a revisit that resolves) with the same head and body, to the byte; what broke off is marked so;
//   - there is no record of anything that the site has not sent;
//   - every line of the browser's ledger has a record, or says why there is none;
//   - the lines are the ones that the case expects;
//   - other people's tools read the file: warcio.js agrees on records and digests, and where replay is meaningful
//     ReplayWeb.page shows the text that the case names.
//
// That is done with the default set-up, with the browser as recorder (the cases of https origins), and with the whole of
// Chromium: a variant each, with a part of docs/conformance.md to itself.
//
// `make conformance` runs the suite and writes docs/conformance.md; the test fails when the file is not what it would
// write. The ordinary run captures only some of the cases with Chromium, and compares their rows. With -run a part of
// the cases can be captured and compared or written (-update), if the subtests "formats" and "replay" run, too.
package capture
