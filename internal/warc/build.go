package warc

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Add appends a field.
func (r *Record) Add(name, value string) {
	r.Fields = append(r.Fields, Field{name, value})
}

// AddID appends a field whose value is a record's id, which the format writes in
// angle brackets.
func (r *Record) AddID(name, id string) { r.Add(name, "<"+id+">") }

// Get returns the value of the first field of that name, in any case, and
// whether there is one. Angle brackets around ids are kept; see [Record.GetID].
func (r *Record) Get(name string) (value string, ok bool) {
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

// GetID returns the value of the first field of that name without angle
// brackets, or "".
func (r *Record) GetID(name string) string {
	v, _ := r.Get(name)
	return trimBrackets(v)
}

// Values returns the values of all fields of that name, in any case.
func (r *Record) Values(name string) []string {
	var vs []string
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			vs = append(vs, f.Value)
		}
	}
	return vs
}

// ConcurrentTo says that the record came of the same event as the record with
// that id, such as a request and its response.
func (r *Record) ConcurrentTo(id string) { r.AddID(FieldConcurrentTo, id) }

// Connection writes down the connection that an HTTP message went over: the
// server's address, the protocols such as "h2" and "tls/1.3" and the cipher
// suite such as "TLS_AES_128_GCM_SHA256". What is zero is left out.
func (r *Record) Connection(server netip.Addr, protocols []string, cipherSuite string) {
	if server.IsValid() {
		r.Add(FieldIPAddress, server.Unmap().WithZone("").String())
	}
	for _, p := range protocols {
		r.Add(FieldProtocol, p)
	}
	if cipherSuite != "" {
		r.Add(FieldCipherSuite, cipherSuite)
	}
}

// NewWarcinfo returns the record that a WARC file starts with: how the records
// after it came to be. The writer adds its id to them.
func NewWarcinfo(date time.Time, filename string, info []Field) (*Record, error) {
	block, err := FormatFields(info)
	if err != nil {
		return nil, fmt.Errorf("warcinfo: %w", err)
	}
	r := &Record{Type: Warcinfo, Date: date, ContentType: TypeWarcFields, Body: Bytes(block)}
	if filename != "" {
		r.Add(FieldFilename, filename)
	}
	return r, nil
}

// NewResponse returns the record of an HTTP response: the status line and header
// as on the wire, and the body without transfer coding (see [DechunkedHead]). A
// nil body is an empty one.
func NewResponse(uri string, date time.Time, head []byte, body Content) *Record {
	return &Record{
		Type: Response, Date: date, TargetURI: uri, ContentType: TypeHTTPResponse,
		Head: head, Body: body,
	}
}

// NewRequest returns the record of the HTTP request that went with the response
// (or revisit) of that id. The id may be empty when no response came.
func NewRequest(uri string, date time.Time, head []byte, body Content, responseID string) *Record {
	r := &Record{
		Type: Request, Date: date, TargetURI: uri, ContentType: TypeHTTPRequest,
		Head: head, Body: body,
	}
	if responseID != "" {
		r.ConcurrentTo(responseID)
	}
	return r
}

// Original names the record that a revisit refers to.
type Original struct {
	ID        string
	TargetURI string
	Date      time.Time
	// PayloadDigest of the original's body.
	PayloadDigest Digest
}

// NewRevisit returns the record of a response whose body is the same as that of
// an original response that is stored already (ISO 28500 section 6.7.2). The
// head is stored, the body is not.
func NewRevisit(uri string, date time.Time, head []byte, of Original) *Record {
	return revisit(ProfileIdenticalPayload, uri, date, head, of)
}

// NewNotModified returns the record of a 304 response, which says that the
// original is still valid (ISO 28500 section 6.7.3).
func NewNotModified(uri string, date time.Time, head []byte, of Original) *Record {
	return revisit(ProfileNotModified, uri, date, head, of)
}

func revisit(profile, uri string, date time.Time, head []byte, of Original) *Record {
	r := &Record{
		Type: Revisit, Date: date, TargetURI: uri, ContentType: TypeHTTPResponse,
		Head: head, PayloadDigest: of.PayloadDigest,
	}
	r.Add(FieldProfile, profile)
	if of.ID != "" {
		r.AddID(FieldRefersTo, of.ID)
	}
	// Replay needs these two: it looks originals up by URL and time, not by id.
	r.Add(FieldRefersToTargetURI, of.TargetURI)
	r.Add(FieldRefersToDate, FormatDate(of.Date))
	return r
}

// Truncate says that the body was cut off, and why: "length" (a limit), "time",
// "disconnect" or "unspecified" (ISO 28500 section 5.13).
func (r *Record) Truncate(why string) { r.Add(FieldTruncated, why) }

// NewResource returns a record of bytes that are not an HTTP message, such as a
// screenshot under "urn:view:…".
func NewResource(uri string, date time.Time, contentType string, body Content) *Record {
	return &Record{Type: Resource, Date: date, TargetURI: uri, ContentType: contentType, Body: body}
}

// NewConversion returns a record of bytes that were derived from the record of
// that id, such as a page's text.
func NewConversion(uri string, date time.Time, contentType string, body Content, sourceID string) *Record {
	r := &Record{Type: Conversion, Date: date, TargetURI: uri, ContentType: contentType, Body: body}
	if sourceID != "" {
		r.AddID(FieldRefersTo, sourceID)
	}
	return r
}

// NewMetadata returns a record that tells more about the record of that id, or
// about the URI alone when the id is empty. With [TypeWarcFields] as content type
// see [FormatFields].
func NewMetadata(uri string, date time.Time, contentType string, body Content, aboutID string) *Record {
	r := &Record{Type: Metadata, Date: date, TargetURI: uri, ContentType: contentType, Body: body}
	if aboutID != "" {
		r.AddID(FieldRefersTo, aboutID)
	}
	return r
}

// DNSAnswer is what a resolver said about a host.
type DNSAnswer struct {
	Host string
	// Server that was asked, if known.
	Server netip.Addr
	// Answered is when the answer came.
	Answered time.Time
	// Records of the answer in the presentation format of RFC 1035 section 5.1
	// such as "example.org. 300 IN A 192.0.2.1".
	Records []string
}

// NewDNS returns the record of a DNS answer as Heritrix and ISO 28500 annex B.3
// have it: a resource "dns:HOST" of type text/dns, whose block is the time of the
// answer (YYYYMMDDhhmmss) and then the records, one a line.
func NewDNS(a DNSAnswer) (*Record, error) {
	var b strings.Builder
	b.WriteString(a.Answered.UTC().Format("20060102150405") + "\n")
	for _, rr := range a.Records {
		if strings.ContainsAny(rr, "\r\n") {
			return nil, fmt.Errorf("dns record of %q: line break in %q", a.Host, rr)
		}
		b.WriteString(rr + "\n")
	}
	r := NewResource("dns:"+a.Host, a.Answered, TypeDNS, Text(b.String()))
	if a.Server.IsValid() {
		r.Add(FieldIPAddress, a.Server.String())
	}
	return r, nil
}
