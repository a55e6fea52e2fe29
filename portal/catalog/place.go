package catalog

import (
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// The names in the folder of a run (docs/reference/archive.md).
const (
	chunksFolder = "chunks/"
	chunkSuffix  = ".wacz"
	statement    = "run.json"
)

// Place is where an object of a run lies in the archive, whose key is
// [prefix/]namespace/job/uid/chunks/NAME.wacz for a chunk and [prefix/]namespace/job/uid/run.json
// for the closing statement.
type Place struct {
	Run
	// Folder is that of the run, with a slash at its end.
	Folder string
	// File is the name of the chunk, empty for the closing statement.
	File string
}

// Chunks is the folder of the run's chunks, with a slash at its end.
func (p Place) Chunks() string { return p.Folder + chunksFolder }

// Statement is the key of the run's closing statement.
func (p Place) Statement() blob.Key { return blob.Key(p.Folder + statement) }

// ParseKey reads the key of a chunk or of a closing statement. Whatever else lies in the archive, and
// what is no key at all, is not ok.
func ParseKey(key blob.Key) (p Place, ok bool) {
	if _, err := blob.NewKey(string(key)); err != nil {
		return Place{}, false
	}
	slash := strings.LastIndexByte(string(key), '/') + 1
	folder, name := string(key[:slash]), string(key[slash:])
	if name != statement {
		if folder, ok = strings.CutSuffix(folder, "/"+chunksFolder); !ok || !strings.HasSuffix(name, chunkSuffix) {
			return Place{}, false
		}
		folder, p.File = folder+"/", name
	}
	parts := strings.Split(folder, "/") // the last one is empty
	n := len(parts) - 1
	if n < 3 {
		return Place{}, false
	}
	p.Folder, p.Run = folder, Run{Namespace: parts[n-3], Job: parts[n-2], UID: parts[n-1]}
	return p, true
}

// ParseChunk reads the key of a chunk: the run that it is of, and its name. What is none is not ok.
func ParseChunk(key blob.Key) (run Run, file string, ok bool) {
	p, ok := ParseKey(key)
	if !ok || p.File == "" {
		return Run{}, "", false
	}
	return p.Run, p.File, true
}
