package snapshot

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxConnections is how many records of connections are looked at to find one.
const maxConnections = 256

// Server is where a document came from, and how.
type Server struct {
	// Remote is its address and port, or the address alone where nothing says more.
	Remote string `json:"remote,omitempty"`
	// Local is our own end, Proxy who asked for us.
	Local    string    `json:"local,omitempty"`
	Proxy    string    `json:"proxy,omitempty"`
	Protocol string    `json:"protocol,omitempty"`
	Opened   time.Time `json:"opened,omitzero"`
	DNS      *DNS      `json:"dns,omitempty"`
	TLS      *TLS      `json:"tls,omitempty"`
}

// DNS is how the name became an address.
type DNS struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"`
	Server  string   `json:"server,omitempty"`
	Answers []string `json:"answers,omitempty"`
	CNAMEs  []string `json:"cnames,omitempty"`
	// Blocked are answers that were not to be asked.
	Blocked []string  `json:"blocked,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// TLS is how the connection was secured.
type TLS struct {
	Version     string `json:"version,omitempty"`
	CipherSuite string `json:"cipherSuite,omitempty"`
	ServerName  string `json:"serverName,omitempty"`
	Resumed     bool   `json:"resumed,omitempty"`
	// VerifyError says what was wrong with the certificates, empty when nothing was.
	VerifyError string `json:"verifyError,omitempty"`
	// Certificates are those that the server showed, its own first.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Certificate is a certificate in short (RFC 5280).
type Certificate struct {
	Subject   string    `json:"subject,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	Serial    string    `json:"serial,omitempty"` // in hex
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	// Names are the host names and addresses that it is for.
	Names []string `json:"names,omitempty"`
	// SHA256 in hex is that of the certificate.
	SHA256 string `json:"sha256"`
	// Problem says why it could not be read.
	Problem string `json:"problem,omitempty"`
}

// certificate tells of a certificate in DER.
func certificate(der []byte) Certificate {
	sum := sha256.Sum256(der)
	c := Certificate{SHA256: hex.EncodeToString(sum[:])}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		c.Problem = err.Error()
		return c
	}
	c.Subject, c.Issuer, c.Serial = x.Subject.String(), x.Issuer.String(), x.SerialNumber.Text(16)
	c.NotBefore, c.NotAfter, c.Names = x.NotBefore.UTC(), x.NotAfter.UTC(), x.DNSNames
	for _, ip := range x.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return c
}

// connection is the record of a connection (urn:connection:).
type connection struct {
	Server
	TLS *struct {
		TLS
		Chain [][]byte `json:"chain"`
	} `json:"tls"`
}

// parseConnection reads the record of a connection.
func parseConnection(b []byte) (*Server, error) {
	var c connection
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	s := c.Server
	if c.TLS != nil {
		s.TLS = &c.TLS.TLS
		for _, der := range c.TLS.Chain {
			s.TLS.Certificates = append(s.TLS.Certificates, certificate(der))
		}
	}
	return &s, nil
}

// server is where a document came from: by the record of the connection, or else by what the
// document's own record says.
func (r *reading) server(place int, exchanges []exchange) (*Server, error) {
	i := r.infos[r.contents[place].ID]
	for _, x := range exchanges {
		if x.Response == "" || x.Response != i.Main || x.Connection == "" {
			continue
		}
		s, err := r.connection(x, i.entry)
		if s != nil || err != nil {
			return s, err
		}
	}
	e := r.parts[place].document
	if e.Filename == "" {
		return nil, nil
	}
	rec, err := r.zip.Record(e)
	if err != nil {
		return nil, err
	}
	return recorded(rec), nil
}

// recorded is what the record of an answer says of its connection, nil for nothing.
func recorded(rec *warc.Record) *Server {
	remote, _ := rec.Get(warc.FieldIPAddress)
	s := &Server{Remote: remote}
	for _, p := range rec.Values(warc.FieldProtocol) {
		if version, ok := strings.CutPrefix(p, "tls/"); ok {
			s.TLS = &TLS{Version: "TLS " + version}
			s.TLS.CipherSuite, _ = rec.Get(warc.FieldCipherSuite)
		} else if s.Protocol == "" {
			s.Protocol = p
		}
	}
	if s.Remote == "" && s.Protocol == "" && s.TLS == nil {
		return nil
	}
	return s
}

// connection reads the record of the connection of an exchange. There is one for each connection
// to an origin: what was written last before the page's own record is more likely the right one.
func (r *reading) connection(x exchange, info cdxj.Entry) (*Server, error) {
	r.src.plan(nil)
	origin := urnConnection + originOf(x.URL)
	candidates := slices.DeleteFunc(slices.Clone(r.derived[urnConnection]), func(e cdxj.Entry) bool { return e.URL != origin })
	after, _ := slices.BinarySearchFunc(candidates, info, inOrder)
	slices.Reverse(candidates[:after])
	for _, e := range candidates[:min(len(candidates), maxConnections)] {
		rec, err := r.zip.Record(e)
		if err != nil {
			return nil, err
		}
		if rec.ID != x.Connection {
			continue
		}
		b, err := body(rec, maxInfo)
		if err != nil {
			return nil, err
		}
		s, err := parseConnection(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.URL, err)
		}
		return s, nil
	}
	return nil, nil
}

// originOf is the scheme, host and port of an address, as it is written.
func originOf(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme + "://" + rest
}
