package warc

import (
	"errors"
	"io"
)

// Intact reads a file to its end and returns how many whole records it starts
// with, and how many bytes they take. Of a file that was cut off anywhere, such
// as by a crash, the first size bytes are a valid WARC file. The error is nil then
// too; it is a [*FormatError] or [*DigestError] when the file has been damaged
// otherwise, or that of the stream.
func Intact(r io.Reader) (records int, size int64, err error) {
	rd := NewReader(r, ReaderOptions{Verify: true})
	for {
		_, err := rd.Next()
		if err == nil {
			var w Written
			if w, err = rd.Finish(); err == nil {
				records++
				size = w.Offset + w.Length
				continue
			}
		}
		var cut *CutError
		if errors.Is(err, io.EOF) || errors.As(err, &cut) {
			err = nil
		}
		return records, size, err
	}
}
