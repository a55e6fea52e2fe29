// Package cdx lets other people's tools use the archive: the index as pywb's CDX server
// answers it, Memento (RFC 7089), and the WARC files within the chunks by ranges.
//
//	GET /cdx?url=…                          captures, from all that may be seen
//	GET /cdx/{namespace}?url=…              of one namespace
//	GET /cdx/{namespace}/{job}/{uid}?url=…  of one run
//	GET /memento/timegate/{url}             the capture nearest to Accept-Datetime
//	GET /memento/timemap/link/{url}         all captures (also …/json/{url})
//	GET /memento/{time}/{url}               one capture (also …/{time}id_/{url})
//	GET /cdx/warc/{chunk}/{name}            a WARC file within a chunk
//
// The API is that of https://pywb.readthedocs.io/en/latest/manual/cdxserver_api.html. pywb
// itself replays from here with
//
//	collections: {fleet: "cdx+https://replay.example/cdx /memento"}
//
// It answers over every record of the archive, not over pages only. The catalog tells which
// chunks may have a record of a host; what they have is read from their own indexes. These
// never change, so the last ones used are kept in memory.
//
// # What may be mounted where
//
// [Server.Index] answers with addresses, times and places: text that no browser takes for a
// document. It may be mounted wherever people log in.
//
// [Server.Content] answers with bytes that strangers wrote. They must not act with the
// rights of the person who looks at them. Every answer is under a policy that puts it into
// an origin of its own (Content-Security-Policy: sandbox) and lets it load nothing, is not
// sniffed, and never sets a cookie. That is one wall; the second is an origin of its own:
// mount it on the replay origin, where nothing else of the portal lives.
//
// Both take addresses with "//" and "?" in their paths as they are written. An
// [http.ServeMux] would clean them away: [Routes] goes before it.
package cdx
