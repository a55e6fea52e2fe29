package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// pageInfo is the JSON of a urn:pageinfo: record: what was done, by whose
// account, and how complete it is. Members are added, never renamed.
type pageInfo struct {
	FormatVersion int                 `json:"formatVersion"`
	PageID        string              `json:"pageid"`
	Visit         string              `json:"visit"`
	URL           string              `json:"url"`
	FinalURL      string              `json:"finalUrl"`
	Title         string              `json:"title,omitempty"`
	Status        int                 `json:"status,omitempty"`
	MIME          string              `json:"mime,omitempty"`
	Download      bool                `json:"download,omitempty"`
	Outcome       browser.State       `json:"outcome"`
	Reason        string              `json:"reason,omitempty"`
	Detail        string              `json:"detail,omitempty"`
	Started       time.Time           `json:"started"`
	Ended         time.Time           `json:"ended"`
	Browser       string              `json:"browser,omitempty"`
	Viewport      browser.Viewport    `json:"viewport"`
	UserAgent     string              `json:"userAgent"`
	Redirects     []browser.Redirect  `json:"redirects,omitempty"`
	Frames        []browser.Frame     `json:"frames,omitempty"`
	Timings       map[string]int64    `json:"timingsMs"`
	Actions       []browser.Action    `json:"actions,omitempty"`
	Limits        []browser.Limit     `json:"limits,omitempty"`
	Behaviors     []string            `json:"behaviors"` // that were switched on
	Scripts       []browser.ScriptRun `json:"scripts,omitempty"`
	// Profile says with which stored state the page was visited, without a value of it.
	Profile      *browser.ProfileUse  `json:"profile,omitempty"`
	Completeness browser.Completeness `json:"completeness"`
	// Compared says how the page is beside the visit of an earlier run, when the order
	// names one.
	Compared *visits.Comparison `json:"compared,omitempty"`
	// Refused belongs to no page: what was let nowhere since the one before.
	Refused []recorder.Refusal `json:"refused,omitempty"`
	// Robots are the robots.txt by which the page, and what it redirected to, was visited.
	Robots    []robotsInfo  `json:"robots,omitempty"`
	Main      string        `json:"main,omitempty"` // ID of the main document's record
	Exchanges []exchangeRef `json:"exchanges"`
	Ledger    []ledgerLine  `json:"ledger"`

	witness
}

// exchangeRef says which records an exchange became, and what the records
// have no place for.
type exchangeRef struct {
	Exchange   int      `json:"exchange"`
	URL        string   `json:"url"`
	Method     string   `json:"method"`
	Status     int      `json:"status,omitempty"`
	Request    string   `json:"request"`
	Response   string   `json:"response,omitempty"`
	Connection string   `json:"connection,omitempty"`
	Failure    string   `json:"failure,omitempty"`
	Detail     string   `json:"detail,omitempty"`
	Truncated  string   `json:"truncated,omitempty"`
	Interim    []string `json:"interim,omitempty"`
	Trailer    string   `json:"trailer,omitempty"`
	Notes      []string `json:"notes,omitempty"`
	// Account is set when the browser took the exchange down.
	Account   *recorder.Account `json:"account,omitempty"`
	Started   time.Time         `json:"started"`
	FirstByte *time.Time        `json:"firstByte,omitempty"`
	Ended     *time.Time        `json:"ended,omitempty"`
}

// ledgerLine is a line of the browser's account with what became of it in the
// archive: exactly one of Record and NotCaptured is set.
type ledgerLine struct {
	browser.Line
	// Record is the ID of the record that holds the answer. A line from the
	// browser's cache points to the record that filled it.
	Record string `json:"record,omitempty"`
	// Request is the ID of the request's record.
	Request string `json:"request,omitempty"`
	// NotCaptured says why there is no record of an answer.
	NotCaptured string `json:"notCaptured,omitempty"`
	// BodyNotCaptured says why the record has no body, or not the whole of it, though
	// the answer had one.
	BodyNotCaptured string `json:"bodyNotCaptured,omitempty"`
	// StartedMs and EndedMs are milliseconds since the page's start.
	StartedMs int64 `json:"started"`
	EndedMs   int64 `json:"ended,omitempty"`
}

// pageinfo writes the page's own record.
func (w *pageWriter) pageinfo() error {
	p := w.page
	info := pageInfo{
		FormatVersion: 1, PageID: w.id, Visit: p.ID, URL: p.URL, FinalURL: p.FinalURL, Title: p.Title, Status: p.Status, MIME: p.MIME,
		Download: p.Download, Outcome: p.Outcome.State, Reason: p.Outcome.Reason, Detail: p.Outcome.Detail,
		Started: p.Started.UTC(), Ended: p.Ended.UTC(), Browser: p.Browser, Viewport: p.Viewport, UserAgent: p.UserAgent,
		witness:   w.witness(),
		Redirects: p.Redirects, Frames: p.Frames, Timings: timings(p.Timings), Actions: p.Actions, Limits: p.Limits,
		Behaviors: p.Behaviors, Scripts: p.Scripts, Profile: p.Profile, Compared: w.compared, Refused: p.Refused, Robots: w.robots(),
		Completeness: p.Completeness, Main: w.mainID, Exchanges: w.refs, Ledger: w.ledger(),
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(info); err != nil {
		return fmt.Errorf("write the page's info: %w", err)
	}
	written, err := w.add(warc.NewMetadata("urn:pageinfo:"+uri(urls.WithoutFragment(p.URL)), p.Started, "application/json", warc.Bytes(b.Bytes()), w.mainID))
	if err == nil {
		w.infoID = written.ID
	}
	return err
}

func (w *pageWriter) ledger() []ledgerLine {
	refs := make(map[int]*exchangeRef, len(w.refs))
	for i := range w.refs {
		refs[w.refs[i].Exchange] = &w.refs[i]
	}
	out := make([]ledgerLine, len(w.page.Ledger))
	for i, l := range w.page.Ledger {
		out[i] = ledgerLine{Line: l, StartedMs: l.Started.Milliseconds(), EndedMs: l.Ended.Milliseconds()}
		if ref := refs[l.Exchange]; ref != nil {
			out[i].Request, out[i].Record = ref.Request, ref.Response
			if ref.Account != nil {
				out[i].BodyNotCaptured = ref.Account.NoBody
			}
		} else if l.Outcome == browser.OutcomeCache {
			o, _ := w.filled.at(w.key(urls.WithoutFragment(l.URL)), w.page.Started.Add(l.Started), w.chunk.caches)
			out[i].Record = o.ID
		}
		if out[i].Record == "" {
			out[i].NotCaptured = notCaptured(&l)
		}
	}
	return out
}

// notCaptured says why a line has no record of an answer.
func notCaptured(l *browser.Line) string {
	why := l.Reason
	switch l.Outcome {
	case browser.OutcomeCache:
		return "it came from the browser's cache, and what filled that is not in this file"
	case browser.OutcomeInternal:
		if why == "" {
			return "answered by a service worker"
		}
		return "answered by the browser: " + why
	case browser.OutcomeBlocked:
		return "blocked: " + why
	case browser.OutcomeOpen:
		return "the page was left before there was an answer"
	case browser.OutcomeRecord:
		return "the recorder knows nothing of it"
	case browser.OutcomeFailed:
	}
	return "there was no answer: " + why
}

func timings(t browser.Timings) map[string]int64 {
	out := make(map[string]int64)
	for name, d := range map[string]time.Duration{
		"response": t.Response, "domContent": t.DOMContent, "load": t.Load,
		"settled": t.Settled, "outputs": t.Outputs, "recorded": t.Recorded,
	} {
		if d > 0 {
			out[name] = d.Milliseconds()
		}
	}
	return out
}

// connectionInfo is the JSON of a urn:connection: record.
type connectionInfo struct {
	FormatVersion int       `json:"formatVersion"`
	Remote        string    `json:"remote,omitempty"`
	Local         string    `json:"local,omitempty"`
	Proxy         string    `json:"proxy,omitempty"`
	Protocol      string    `json:"protocol,omitempty"`
	Opened        time.Time `json:"opened"`
	DNS           *dnsInfo  `json:"dns,omitempty"`
	TLS           *tlsInfo  `json:"tls,omitempty"`
}

type dnsInfo struct {
	Name    string       `json:"name"`
	Source  string       `json:"source"`
	Server  string       `json:"server,omitempty"`
	Answers []netip.Addr `json:"answers"`
	CNAMEs  []string     `json:"cnames,omitempty"`
	Blocked []netip.Addr `json:"blocked,omitempty"`
	TTL     float64      `json:"ttlSeconds,omitempty"`
	At      time.Time    `json:"at"`
	Record  string       `json:"record,omitempty"`
}

type tlsInfo struct {
	Version     string   `json:"version"`
	CipherSuite string   `json:"cipherSuite"`
	ServerName  string   `json:"serverName,omitempty"`
	Resumed     bool     `json:"resumed,omitempty"`
	VerifyError string   `json:"verifyError,omitempty"`
	Chain       [][]byte `json:"chain"` // DER, leaf first; base64 in JSON
	OCSP        []byte   `json:"ocsp,omitempty"`
	SCTs        [][]byte `json:"scts,omitempty"`
}

// connection writes, the first time, the dns: and the metadata record of the
// connection of an exchange, and returns the latter's ID.
func (w *pageWriter) connection(e *recorder.Exchange) (string, error) {
	c := e.Conn
	if c == nil {
		return "", nil
	}
	if known, ok := w.conns[c.ID]; ok {
		return known.id, nil
	}
	if known, ok := w.chunk.conns[c.ID]; ok {
		return known.id, nil
	}
	info := connectionInfo{FormatVersion: 1, Proxy: c.Proxy, Protocol: c.Protocol, Opened: c.Opened.UTC()}
	if c.Remote.IsValid() {
		info.Remote = c.Remote.String()
	}
	if c.Local.IsValid() {
		info.Local = c.Local.String()
	}
	if c.DNS != nil {
		record, err := w.dns(c.DNS)
		if err != nil {
			return "", err
		}
		d := c.DNS
		info.DNS = &dnsInfo{Name: d.Name, Source: d.Source, Answers: d.Answers, CNAMEs: d.CNAMEs, Blocked: d.Blocked,
			TTL: d.TTL.Seconds(), At: d.At.UTC(), Record: record}
		if d.Server.IsValid() {
			info.DNS.Server = d.Server.String()
		}
	}
	if t := c.TLS; t != nil {
		info.TLS = &tlsInfo{Version: t.Version, CipherSuite: t.CipherSuite, ServerName: t.ServerName, Resumed: t.Resumed,
			VerifyError: t.VerifyError, Chain: t.Chain, OCSP: t.OCSP, SCTs: t.SCTs}
	}
	body, err := json.Marshal(info)
	if err != nil {
		return "", fmt.Errorf("connection %d: %w", c.ID, err)
	}
	written, err := w.add(warc.NewMetadata("urn:connection:"+originOf(e.URL), c.Opened, "application/json", warc.Bytes(body), ""))
	if err != nil {
		return "", err
	}
	w.conns[c.ID] = connection{id: written.ID}
	return written.ID, nil
}

// dns writes what a name server answered. Names that were not asked of one
// (the hosts file, an override) have no record: nobody answered.
func (w *pageWriter) dns(d *recorder.DNS) (string, error) {
	if d.Source != netguard.SourceDNS {
		return "", nil
	}
	// Connections share an answer for as long as the guard remembers it.
	key := d.Name + " " + d.At.Format(time.RFC3339Nano)
	if id, ok := w.answers[key]; ok {
		return id, nil
	}
	if id, ok := w.chunk.answers[key]; ok {
		return id, nil
	}
	answer := warc.DNSAnswer{Host: d.Name, Server: d.Server.Addr(), Answered: d.At}
	ttl := strconv.Itoa(int(d.TTL.Seconds()))
	name := d.Name + "."
	for _, cname := range d.CNAMEs {
		next := strings.TrimSuffix(cname, ".") + "."
		answer.Records = append(answer.Records, name+" "+ttl+" IN CNAME "+next)
		name = next
	}
	for _, a := range d.Answers {
		kind := "A"
		if a.Is6() && !a.Is4In6() {
			kind = "AAAA"
		}
		answer.Records = append(answer.Records, name+" "+ttl+" IN "+kind+" "+a.Unmap().WithZone("").String())
	}
	r, err := warc.NewDNS(answer)
	if err != nil {
		return "", err
	}
	written, err := w.add(r)
	if err == nil {
		w.answers[key] = written.ID
	}
	return written.ID, err
}

// originOf is the scheme, host and port of an address.
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

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func textsOf(heads [][]byte) []string {
	var out []string
	for _, h := range heads {
		out = append(out, string(h))
	}
	return out
}
