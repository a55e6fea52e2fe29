package cdxj

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/klauspost/compress/gzip"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// BlockLines is the number of lines in a block of a compressed index.
const BlockLines = 300

// Block is a line of the secondary index of a compressed index: a gzip member of
// up to BlockLines lines.
type Block struct {
	// Prefix is key and timestamp of the block's first line.
	Prefix string
	// Filename of the compressed index, Offset and Length of the block in it.
	Filename       string
	Offset, Length int64
	// Digest of the block as stored. Optional.
	Digest warc.Digest
}

// meta is the first line of a secondary index.
type meta struct {
	Format   string `json:"format"`
	Filename string `json:"filename"`
}

const metaFormat = "cdxj-gzip-1.0"

type blockObject struct {
	Offset   number      `json:"offset"`
	Length   number      `json:"length"`
	Digest   warc.Digest `json:"digest,omitempty"`
	Filename string      `json:"filename,omitempty"`
}

// WriteCompressed writes the entries, sorted, as a compressed index of that base
// name to data and its secondary index to idx, as cdxj-indexer does ("ZipNum").
func WriteCompressed(idx, data io.Writer, filename string, entries []Entry) error {
	lines, err := sortedLines(entries)
	if err != nil {
		return err
	}
	js, err := json.Marshal(meta{Format: metaFormat, Filename: filename})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(idx)
	fmt.Fprintf(out, "!meta 0 %s\n", js)
	offset := int64(0)
	for len(lines) > 0 {
		n := min(BlockLines, len(lines))
		block, err := compress(lines[:n])
		if err != nil {
			return err
		}
		if _, err := data.Write(block); err != nil {
			return err
		}
		js, err := json.Marshal(blockObject{
			Offset: number(offset), Length: number(len(block)), Digest: warc.SHA256Of(block),
		})
		if err != nil {
			return err
		}
		prefix, _, _ := bytes.Cut(lines[0], []byte(" {"))
		fmt.Fprintf(out, "%s %s\n", prefix, js)
		offset += int64(len(block))
		lines = lines[n:]
	}
	return out.Flush()
}

func compress(lines [][]byte) ([]byte, error) {
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	for _, line := range lines {
		if _, err := gz.Write(line); err != nil {
			return nil, err
		}
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ReadBlocks reads a secondary index.
func ReadBlocks(r io.Reader) ([]Block, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
	var blocks []Block
	var m meta
	for n := 1; lines.Scan(); n++ {
		prefix, js, ok := strings.Cut(lines.Text(), " {")
		if !ok {
			return nil, fmt.Errorf("line %d: no JSON object", n)
		}
		js = "{" + js
		if strings.HasPrefix(prefix, "!meta") {
			if err := json.Unmarshal([]byte(js), &m); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			if m.Format != metaFormat {
				return nil, fmt.Errorf("line %d: unknown format %q", n, m.Format)
			}
			continue
		}
		o := blockObject{Filename: m.Filename}
		if err := json.Unmarshal([]byte(js), &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		blocks = append(blocks, Block{
			Prefix: prefix, Filename: o.Filename, Digest: o.Digest,
			Offset: int64(o.Offset), Length: int64(o.Length),
		})
	}
	return blocks, lines.Err()
}

// FindBlocks returns the blocks, which must be sorted, that may have lines of the
// key.
func FindBlocks(blocks []Block, key urls.SURT) []Block {
	// The first block after all lines of the key: '!' comes after ' '.
	end := sort.Search(len(blocks), func(i int) bool { return blocks[i].Prefix >= string(key)+"!" })
	// The block before the first one that starts with the key or later may end
	// with it.
	start := sort.Search(end, func(i int) bool { return blocks[i].Prefix >= string(key)+" " })
	return blocks[max(start-1, 0):end]
}
