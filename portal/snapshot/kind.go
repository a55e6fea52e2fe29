package snapshot

import "strings"

// kindOf is the kind of a document of that media type, with or without parameters.
func kindOf(mime string) Kind {
	mime = mediaType(mime)
	family, _, _ := strings.Cut(mime, "/")
	switch {
	case mime == "text/html", mime == "application/xhtml+xml", mime == "multipart/related":
		return Web
	case family == "image":
		return Image
	case family == "audio", family == "video", mediaTypes[mime]:
		return Media
	case family == "text", documentTypes[mime], strings.HasPrefix(mime, "application/vnd.openxmlformats-officedocument."),
		strings.HasPrefix(mime, "application/vnd.oasis.opendocument."), strings.HasPrefix(mime, "application/vnd.ms-"):
		return Document
	}
	return Other
}

// mediaTypes are sound and video that do not say so (RFC 5334, RFC 8216, ISO/IEC 23009-1).
var mediaTypes = map[string]bool{
	"application/ogg": true, "application/vnd.apple.mpegurl": true, "application/x-mpegurl": true, "application/dash+xml": true,
	"application/mp4": true,
}

// documentTypes are documents to be read.
var documentTypes = map[string]bool{
	"application/pdf": true, "application/msword": true, "application/rtf": true, "application/epub+zip": true,
	"application/xml": true, "application/json": true, "application/postscript": true,
}

// mediaType is a media type without parameters, in lower case.
func mediaType(mime string) string {
	mime, _, _ = strings.Cut(mime, ";")
	return strings.ToLower(strings.TrimSpace(mime))
}
