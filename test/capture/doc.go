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
// `make conformance` runs the suite and writes docs/conformance.md; the test fails when the file is not what it would
// write.
package capture
