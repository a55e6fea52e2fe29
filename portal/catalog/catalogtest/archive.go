// Package catalogtest makes archives for tests and benchmarks of the catalog: captures like
// those of a real one in number, length, languages and how often words come, and the same at
// every call. Names are reserved ones and numbers are fictional.
package catalogtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const (
	// hosts are those of most captures; small is how many captures there are for each of the
	// others, of which every fourth chunk is.
	hosts = 200
	small = 100
	words = 6000
)

// Languages are those of the pages; each has words of its own.
var Languages = []string{"nl", "en", "de", "fr", "ro"}

// Namespaces are those of the chunks.
var Namespaces = []string{"amber", "birch", "cedar", "delta", "elm"}

// Archive is an archive of so many captures over two years.
type Archive struct {
	Captures int
	// PerChunk is how many captures a chunk has.
	PerChunk int

	vocabulary [][]string
}

// New makes an archive with chunks of 20 captures, as most chunks of crawls are.
func New(captures int) *Archive {
	a := &Archive{Captures: captures, PerChunk: 20}
	for i := range Languages {
		a.vocabulary = append(a.vocabulary, vocabulary(i))
	}
	return a
}

// vocabulary makes the words of a language, the most common first.
func vocabulary(language int) []string {
	r := rand.New(rand.NewPCG(uint64(language), 1))
	onsets := strings.Fields("b br d dr f g gr h j k kl l m n p pr r s st t tr v w z")
	nuclei := []string{"a", "e", "i", "o", "u", []string{"aa", "ea", "ei", "é", "ă"}[language]}
	codas := []string{"", "n", "r", "s", "t", []string{"ng", "th", "ch", "x", "sc"}[language]}
	seen, all := map[string]bool{}, []string{}
	for len(all) < words {
		var b strings.Builder
		for range 1 + len(all)*3/words + r.IntN(2) {
			b.WriteString(onsets[r.IntN(len(onsets))] + nuclei[r.IntN(len(nuclei))] + codas[r.IntN(len(codas))])
		}
		if w := b.String(); !seen[w] {
			seen[w] = true
			all = append(all, w)
		}
	}
	return all
}

// Word is the word of a language that is the n-th in how common it is.
func (a *Archive) Word(language, n int) string { return a.vocabulary[language][n] }

// Host is the n-th host. The first 200 have most of the captures.
func Host(n int) string {
	return fmt.Sprintf("%s%d.example.%s", []string{"www.shop", "forum", "news", "a.ads"}[n%4], n, []string{"org", "com", "net", "test"}[n/4%4])
}

// host is where the i-th capture of the n-th chunk is.
func (a *Archive) host(n, i int) int {
	if n%4 > 0 {
		return (n*7 + i/100) % hosts
	}
	return hosts + (n/4*a.PerChunk+i)%(a.Captures/small+1)
}

// Phone is the n-th number, of those that North America and Britain keep for fiction.
func Phone(n int) string {
	if n%2 == 0 {
		return fmt.Sprintf("+12025550%d", 100+n/2%100)
	}
	return fmt.Sprintf("+442079460%03d", n/2%1000)
}

// Fill adds to a catalog what it lacks of the archive, and tells now and then how many captures
// it has added.
func (a *Archive) Fill(ctx context.Context, c *catalog.Catalog, tell func(added int)) (added int, err error) {
	chunks, err := c.Chunks(ctx)
	if err != nil {
		return 0, err
	}
	known := map[blob.Key]bool{}
	for _, chunk := range chunks {
		known[chunk.Key] = true
	}
	for n := range a.Chunks() {
		chunk, entries, all := a.Chunk(n)
		if known[chunk.Key] {
			continue
		}
		if err := c.Add(ctx, chunk, entries, all); err != nil {
			return added, err
		}
		if added += len(entries); n%1000 == 999 {
			tell(added)
		}
	}
	return added, nil
}

// Chunks is how many chunks the archive has.
func (a *Archive) Chunks() int { return (a.Captures + a.PerChunk - 1) / a.PerChunk }

// Begin and the two years after it are the time of the archive.
var Begin = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)

// Chunk makes the n-th chunk: what one run saw of a few hosts.
func (a *Archive) Chunk(n int) (catalog.Chunk, []catalog.Entry, []string) {
	r := rand.New(rand.NewPCG(uint64(n), 2))
	namespace, job := Namespaces[n%len(Namespaces)], fmt.Sprintf("job-%d", n%40)
	at := Begin.Add(time.Duration(n) * 2 * 365 * 24 * time.Hour / time.Duration(a.Chunks()))
	chunk := catalog.Chunk{
		Key: blob.Key(fmt.Sprintf("%s/%s/%08x/part-%d.wacz", namespace, job, n/40, n)), Size: 1 << 20, Modified: at.Add(time.Hour),
		Run: catalog.Run{Namespace: namespace, Job: job, UID: fmt.Sprintf("%08x-0000-4000-8000-%012d", n/40, n%40)},
	}
	seen := map[int]bool{}
	var entries []catalog.Entry
	for i := range min(a.PerChunk, a.Captures-n*a.PerChunk) {
		host := a.host(n, i)
		seen[host] = true
		at = at.Add(time.Duration(200+r.IntN(4000)) * time.Millisecond)
		entries = append(entries, a.entry(r, host, fmt.Sprintf("%d-%d", n, i), at))
	}
	var all []string
	for h := range seen {
		labels := strings.Split(strings.TrimPrefix(Host(h), "www."), ".")
		for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
			labels[i], labels[j] = labels[j], labels[i]
		}
		all = append(all, strings.Join(labels, ","))
	}
	return chunk, entries, all
}

func (a *Archive) entry(r *rand.Rand, host int, id string, at time.Time) catalog.Entry {
	language := (host + host/7) % len(Languages)
	zipf := rand.NewZipf(r, 1.1, 3, words-1)
	word := func() string { return a.vocabulary[language][zipf.Uint64()] }
	page := snapshot.Page{
		ID: id, URL: fmt.Sprintf("https://%s/%s/%d?lang=%s", Host(host), a.vocabulary[language][r.IntN(50)], r.IntN(40), Languages[language]),
		Time: at, Status: 200, MIME: "text/html", Language: Languages[language], Kind: snapshot.Web,
		Digest: "sha256:" + fmt.Sprintf("%064x", r.Uint64()), TextDigest: "sha256:" + fmt.Sprintf("%064x", r.Uint64()), Picture: true,
	}
	page.FinalURL = page.URL
	switch n := r.IntN(100); {
	case n < 4:
		page.Status = 404
	case n < 6:
		page.Status = 503
	case n < 7:
		page.Partial, page.Reason = true, "PageTimeout"
	case n < 12:
		page.Kind, page.MIME = snapshot.Document, "application/pdf"
	}
	page.Title = strings.Join([]string{word(), word(), word(), word()}, " ")
	e := catalog.Entry{Page: page}
	var b strings.Builder
	for range 150 + r.IntN(300) {
		b.WriteString(word())
		b.WriteByte(" \n. ,"[max(0, r.IntN(40)-35)])
		b.WriteByte(' ')
	}
	if r.IntN(5) == 0 {
		n := r.IntN(2000)
		mail := fmt.Sprintf("user%d@example.org", r.IntN(5000))
		b.WriteString(Phone(n) + " " + mail)
		e.Identifiers = []catalog.Meaning{{As: catalog.AsPhone, Value: Phone(n)}, {As: catalog.AsEmail, Value: mail}}
	}
	e.Text = b.String()
	return e
}
