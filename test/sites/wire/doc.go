// Package wire serves answers that are given byte by byte, and keeps what went over the connection.
//
// net/http cannot send what a crawler must cope with: a length that is wrong, a header that is folded, a chunk that
// never ends. Here a [Handler] writes the answer itself, and [Server.Seen] tells afterwards, for every request, the
// bytes of both heads and the digests of both bodies. It is the third witness of the conformance suite, beside the
// recorder and the browser, and the one that is right by definition.
package wire
