package selection_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/selection"
)

const runPrefix = "ns/job/run/"

var options = selection.Options{Title: "A case", Case: "c-17", Software: "test", Created: verifytest.When.Add(time.Hour)}

func bucket(t *testing.T, server *blobtest.Server) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "test", SecretKey: "testtest"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("bucket")
}

func put(t *testing.T, b *blob.Bucket, key string, data []byte) {
	t.Helper()
	if _, err := b.Put(t.Context(), blob.Key(key), blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: verifytest.SumOf(data)}); err != nil {
		t.Fatal(err)
	}
}

// raw are the records of a WACZ as they are stored, by their ID, after a name that says which they are.
func raw(t *testing.T, data []byte) (stored map[string][]byte, z *wacz.Reader) {
	t.Helper()
	z, err := wacz.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	stored = map[string][]byte{}
	for _, name := range z.WARCs() {
		file, err := z.OpenWARC(name)
		if err != nil {
			t.Fatal(err)
		}
		rd := warc.NewReader(file, warc.ReaderOptions{Verify: true})
		for {
			rec, err := rd.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			w, err := rd.Finish()
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, w.Length)
			if _, err := file.ReadAt(b, w.Offset); err != nil {
				t.Fatal(err)
			}
			stored[rec.ID] = b
		}
	}
	return stored, z
}

// chunk is one of two pages, with all the ways in which records refer to each other.
func chunk(t *testing.T) []byte {
	t.Helper()
	at := func(s int) time.Time { return verifytest.When.Add(time.Duration(s) * time.Second) }
	var out bytes.Buffer
	w := warc.NewWriter(&out, warc.WriterOptions{})
	write := func(id, page string, r *warc.Record, body string) {
		r.ID = "urn:test:" + id
		r.Body = warc.Text(body)
		if page != "" {
			r.Add(warc.FieldPageID, page)
		}
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	response := func(url string, s int, status string) *warc.Record {
		r := warc.NewResponse(url, at(s), []byte("HTTP/1.1 "+status+"\r\nContent-Type: text/html\r\n\r\n"), nil)
		r.Connection(netip.MustParseAddr("192.0.2.1"), []string{"http/1.1"}, "")
		return r
	}
	request := func(method, url string, s int, of string) *warc.Record {
		return warc.NewRequest(url, at(s), []byte(method+" / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"), nil, "urn:test:"+of)
	}
	info, err := warc.NewWarcinfo(at(0), "data.warc.gz", []warc.Field{{Name: "software", Value: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	write("warcinfo", "", info, "software: test\r\n")
	// The robots.txt that both went by, and one that only the first did.
	for i, host := range []string{"site", "other"} {
		id := "robots-" + host
		write(id, "", response("https://"+host+".example/robots.txt", 1+i, "404 Not Found"), "none")
		write(id+"-request", "", request("GET", "https://"+host+".example/robots.txt", 1+i, id), "")
	}
	// The first page, over a connection whose name a server gave.
	dns, err := warc.NewDNS(warc.DNSAnswer{Host: "site.example", Answered: at(3), Records: []string{"site.example. 300 IN A 192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(open(t, dns.Body))
	if err != nil {
		t.Fatal(err)
	}
	write("dns", "P1", dns, string(body))
	write("connection", "P1", warc.NewMetadata("urn:connection:https://site.example", at(3), "application/json", nil, ""), `{"dns":{"record":"urn:test:dns"}}`)
	write("first", "P1", response("https://site.example/first", 4, "200 OK"), "<p>secret of the first page</p>")
	write("first-request", "P1", request("GET", "https://site.example/first", 4, "first"), "")
	shared := strings.Repeat("shared ", 100)
	write("style", "P1", response("https://site.example/style", 5, "200 OK"), shared)
	write("style-request", "P1", request("GET", "https://site.example/style", 5, "style"), "")
	write("cached", "P1", response("https://site.example/cached", 5, "200 OK"), "cached")
	write("cached-request", "P1", request("GET", "https://site.example/cached", 5, "cached"), "")
	write("first-view", "P1", warc.NewConversion("urn:view:https://site.example/first", at(6), "image/png", nil, "urn:test:first"), "a picture")
	write("first-info", "P1", warc.NewMetadata("urn:pageinfo:https://site.example/first", at(4), "application/json", nil, "urn:test:first"),
		`{"pageid":"P1","main":"urn:test:first","robots":[{"record":"urn:test:robots-site"},{"record":"urn:test:robots-other"}],"exchanges":[{"connection":"urn:test:connection"}]}`)
	// The second one went over the same connection, got the same style and asked with a POST. A redirect to itself is not indexed.
	redirect := warc.NewResponse("https://site.example/second", at(10), []byte("HTTP/1.1 302 Found\r\nLocation: /second\r\n\r\n"), nil)
	write("redirect", "P2", redirect, "")
	write("second", "P2", response("https://site.example/second", 11, "200 OK"), "<p>the second page</p>")
	write("second-request", "P2", request("GET", "https://site.example/second", 11, "second"), "")
	write("style-again", "P2", warc.NewRevisit("https://cdn.site.example/style", at(12), []byte("HTTP/1.1 200 OK\r\n\r\n"),
		warc.Original{TargetURI: "https://site.example/style", Date: at(5), PayloadDigest: warc.SHA256Of([]byte(shared))}), "")
	write("posted", "P2", response("https://site.example/api", 12, "200 OK"), "{}")
	write("posted-request", "P2", request("POST", "https://site.example/api", 12, "posted"), `{"q":1}`)
	write("second-info", "", warc.NewMetadata("urn:pageinfo:https://site.example/second", at(10), "application/json", nil, "urn:test:second"),
		`{"pageid":"P2","main":"urn:test:second","robots":[{"record":"urn:test:robots-site"}],
		"exchanges":[{"request":"urn:test:second-request","response":"urn:test:second","connection":"urn:test:connection"}],
		"ledger":[{"record":"urn:test:cached"},{"notCaptured":"blocked"}]}`)
	files := []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(out.Bytes())}}
	index, err := cdxj.Index(bytes.NewReader(out.Bytes()), "data.warc.gz")
	if err != nil {
		t.Fatal(err)
	}
	index = slices.DeleteFunc(index, func(e cdxj.Entry) bool { return e.Status == 302 }) // as our chunks leave it out
	var packed bytes.Buffer
	err = wacz.Create(&packed, wacz.Contents{
		Software: "test", Created: verifytest.When, WARCs: files, Index: index,
		Pages:      []wacz.Page{{ID: "P1", URL: "https://site.example/first", Time: at(4), Title: "First", Text: "secret", Extra: map[string]any{"status": 200}}},
		ExtraPages: []wacz.Page{{ID: "P2", URL: "https://site.example/second", Time: at(11), Title: "Second"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func open(t *testing.T, c warc.Content) io.Reader {
	t.Helper()
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecords: a selection has the records of its pages and all that they refer to, byte for byte,
// and none besides.
func TestRecords(t *testing.T) {
	t.Parallel()
	whole := chunk(t)
	b := bucket(t, &blobtest.Server{})
	put(t, b, runPrefix+"chunks/b1.wacz", whole)
	source, _ := raw(t, whole)
	second := []string{
		"warcinfo", "robots-site", "robots-site-request", "dns", "connection", "style", "style-request", "cached", "cached-request",
		"redirect", "second", "second-request", "style-again", "posted", "posted-request", "second-info",
	}
	first := []string{
		"warcinfo", "robots-site", "robots-site-request", "robots-other", "robots-other-request", "dns", "connection", "first", "first-request",
		"style", "style-request", "cached", "cached-request", "first-view", "first-info",
	}
	both := slices.Compact(slices.Sorted(slices.Values(slices.Concat(first, second))))
	for _, test := range []struct {
		pages []string
		want  []string
	}{{[]string{"P2"}, second}, {[]string{"P1"}, first}, {[]string{"P1", "P2"}, both}} {
		t.Run(strings.Join(test.pages, " "), func(t *testing.T) {
			t.Parallel()
			var picks []selection.Pick
			for _, p := range test.pages {
				picks = append(picks, selection.Pick{Chunk: runPrefix + "chunks/b1.wacz", Page: p})
			}
			var out bytes.Buffer
			m, err := selection.WACZ(t.Context(), b, picks, options, &out)
			if err != nil {
				t.Fatal(err)
			}
			findings, err := wacz.Validate(t.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
			if err != nil || len(findings) > 0 {
				t.Errorf("%v %v", findings, err)
			}
			got, z := raw(t, out.Bytes())
			var names []string
			for id, stored := range got {
				names = append(names, strings.TrimPrefix(id, "urn:test:"))
				if !bytes.Equal(stored, source[id]) {
					t.Errorf("%s is another record than in the source", id)
				}
			}
			if diff := cmp.Diff(sorted(test.want), sorted(names)); diff != "" {
				t.Errorf("records (-want +got)\n%s", diff)
			}
			want := []selection.Source{{
				Chunk: runPrefix + "chunks/b1.wacz", SHA256: verifytest.SumOf(whole), Size: int64(len(whole)), Pages: test.pages, Records: len(test.want),
				Files: []selection.Taken{{From: "archive/data.warc.gz", To: "archive/001.warc.gz"}}, Digest: m.Sources[0].Digest,
			}}
			if diff := cmp.Diff(want, m.Sources); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if bytes.Contains(out.Bytes(), []byte("secret")) != slices.Contains(test.pages, "P1") {
				t.Error("the text of a page that was not picked is in it, or of one that was is not")
			}
			replays(t, z, test.pages)
		})
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// replays does what a replay tool does: it finds each page by its address, and what it loads.
func replays(t *testing.T, z *wacz.Reader, pages []string) {
	t.Helper()
	var listed []string
	for p, err := range z.Pages() {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, p.ID)
		entries, err := z.Lookup(p.URL)
		if err != nil || len(entries) != 1 || !entries[0].Time.Equal(p.Time) {
			t.Fatalf("%s: %v, %v", p.URL, entries, err)
		}
		rec, err := z.Record(entries[0])
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(open(t, rec.Body))
		if err != nil || !bytes.Contains(body, []byte(strings.ToLower(p.Title)+" page")) {
			t.Errorf("%s: %s %v", p.URL, body, err)
		}
	}
	if !slices.Equal(listed, pages) {
		t.Errorf("pages %v, want %v", listed, pages)
	}
}

// TestManyChunks: what is signed becomes one file that is not, and says what it is from.
func TestManyChunks(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	office := verifytest.NewOffice(t)
	fsys := verifytest.NewSignedRun(t, office, 3)
	for name, f := range fsys {
		put(t, b, runPrefix+name, f.Data)
	}
	c := &cases.Case{}
	for i, word := range []cases.Word{cases.HandOver, cases.Relevant, cases.HandOver} {
		c.Captures = append(c.Captures, cases.Item{
			Capture: cases.NewCapture(blob.Key(fmt.Sprintf("%schunks/b%d.wacz", runPrefix, i)), fmt.Sprintf("urn:uuid:p%d", i+1)),
			About:   cases.About{Decision: &cases.Decision{Word: word}},
		})
	}
	c.Captures = append(c.Captures, cases.Item{Capture: cases.NewCapture("other.wacz", "p"), About: cases.About{Decision: &cases.Decision{Word: cases.NotRelevant}}})
	if picks := selection.Of(c); len(picks) != 3 || picks[2].Page != "urn:uuid:p3" {
		t.Errorf("what is not relevant is picked, or something else is not: %v", picks)
	}
	if n := len(selection.Of(c, cases.NotRelevant, cases.Relevant)); n != 2 {
		t.Errorf("%d picks of what is asked for", n)
	}
	temp := t.TempDir()
	o := options
	o.Dir = temp
	var out, again bytes.Buffer
	m, err := selection.WACZ(t.Context(), b, selection.Of(c, cases.HandOver), o, &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := selection.WACZ(t.Context(), b, selection.Of(c, cases.HandOver), o, &again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("the same picks give another file: %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
	r, err := (&verify.Verifier{Trust: office.Trust(t)}).WACZ(t.Context(), "selection.wacz", bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil || r.Verdict != verify.Unchecked {
		t.Errorf("verdict %s, %v: it is sound, and nobody vouches for it: %+v", r.Verdict, err, r.Checks)
	}
	_, z := raw(t, out.Bytes())
	f, err := z.OpenFile(selection.ManifestPath)
	if err != nil {
		t.Fatal(err)
	}
	var told selection.Manifest
	if err := json.NewDecoder(f).Decode(&told); err != nil {
		t.Fatal(err)
	}
	if len(told.Sources) != 2 || told.Case != "c-17" || !told.Created.Equal(m.Created) {
		t.Fatalf("%+v", told)
	}
	for i, n := range []int{0, 2} {
		s, name := told.Sources[i], fmt.Sprintf("chunks/b%d.wacz", n)
		original := fsys[name].Data
		var d, of wacz.PackageDigest
		_, zo := raw(t, original)
		if of, err = zo.PackageDigest(); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(s.Digest, &d); err != nil || d.Hash != of.Hash || len(d.SignedData) == 0 {
			t.Errorf("what was signed: %+v, %v", d, err)
		}
		var facts verify.Facts
		if err := json.Unmarshal(s.Capture, &facts); err != nil || len(facts.Pages) != 1 || facts.Authorization.Reference != "case 17" {
			t.Errorf("%+v %v", facts, err)
		}
		if s.Chunk != blob.Key(runPrefix+name) || s.SHA256 != verifytest.SumOf(original) || s.Records != 7 {
			t.Errorf("%+v", s)
		}
	}
}

// TestPagesOfCapture: what the chunk's capture.json says of other pages is not handed over.
func TestPagesOfCapture(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	put(t, b, runPrefix+"chunks/b1.wacz", verifytest.NewPages(3).Pack(t))
	var out bytes.Buffer
	m, err := selection.WACZ(t.Context(), b, []selection.Pick{{Chunk: runPrefix + "chunks/b1.wacz", Page: "urn:uuid:p2"}}, options, &out)
	if err != nil {
		t.Fatal(err)
	}
	if c := string(m.Sources[0].Capture); !strings.Contains(c, "site.example/2") || strings.Contains(c, "site.example/1") || strings.Contains(c, "site.example/3") {
		t.Errorf("%s", c)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	good := verifytest.NewSample(1).Pack(t)
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	put(t, b, runPrefix+"chunks/good.wacz", good)
	put(t, b, runPrefix+"chunks/copy.wacz", good)
	put(t, b, runPrefix+"chunks/bad.wacz", bad)
	pick := func(names ...string) (picks []selection.Pick) {
		for _, n := range names {
			picks = append(picks, selection.Pick{Chunk: blob.Key(runPrefix + "chunks/" + n + ".wacz"), Page: "urn:uuid:p1"})
		}
		return picks
	}
	for name, test := range map[string]struct {
		picks []selection.Pick
		want  func(error) bool
	}{
		"nothing":  {nil, func(err error) bool { return err != nil }},
		"no key":   {[]selection.Pick{{Chunk: "../x", Page: "p"}}, func(err error) bool { return err != nil }},
		"too many": {make([]selection.Pick, selection.MaxPicks+1), func(err error) bool { return err != nil }},
		"gone": {pick("good", "erased", "none"), func(err error) bool {
			var gone *selection.GoneError
			return errors.As(err, &gone) && len(gone.Chunks) == 2
		}},
		"damaged": {pick("bad"), func(err error) bool {
			var unsound *selection.UnsoundError
			return errors.As(err, &unsound) && unsound.Chunk == runPrefix+"chunks/bad.wacz"
		}},
		"no page":                    {[]selection.Pick{{Chunk: runPrefix + "chunks/good.wacz", Page: "another"}}, func(err error) bool { return errors.Is(err, selection.ErrNoPage) }},
		"a page that is there twice": {pick("good", "copy"), func(err error) bool { return err != nil && strings.Contains(err.Error(), "another chunk has") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			_, err := selection.WACZ(t.Context(), b, test.picks, options, &out)
			if !test.want(err) || out.Len() > 0 {
				t.Errorf("error %v, %d bytes", err, out.Len())
			}
		})
	}
}
