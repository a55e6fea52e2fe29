package wacz

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A ZIP file describes each of its files twice, before the file and in a directory
// at the end, and tools differ in which they believe. checkLayout holds that both
// say the same and that there are no bytes besides: nothing can be hidden between
// files, and no byte of the directory can change unnoticed.
// The format is PKWARE's APPNOTE.TXT, version 6.3.

const (
	localSignature      = 0x04034b50
	directorySignature  = 0x02014b50
	endSignature        = 0x06054b50
	end64Signature      = 0x06064b50
	locator64Signature  = 0x07064b50
	descriptorSignature = 0x08074b50
	localSize           = 30
	directorySize       = 46
	endSize             = 22
	hasDescriptor       = 0x8
	zip64Extra          = 1
)

// CheckLayout says where a ZIP file of that size, whose directory was read, says two things of a
// file, or has bytes that belong to none. The error is that of reading.
func CheckLayout(r io.ReaderAt, size int64, files []*zip.File) (wrong []string, err error) {
	l := layout{r: r, size: size, report: func(name, detail string) {
		wrong = append(wrong, strings.TrimPrefix(name+": "+detail, ": "))
	}}
	err = l.check(files)
	return wrong, err
}

// layout is a ZIP file that is checked byte for byte.
type layout struct {
	r      io.ReaderAt
	size   int64
	report func(path, detail string)
}

// check checks the whole file. The zip package has read it already.
func (l *layout) check(files []*zip.File) error {
	type placed struct {
		file *zip.File
		data int64
	}
	var all []placed
	for _, f := range files {
		data, err := f.DataOffset()
		if err != nil {
			l.report(f.Name, fmt.Sprintf("its header cannot be read: %v", err))
			return nil
		}
		all = append(all, placed{f, data})
	}
	slices.SortFunc(all, func(a, b placed) int { return cmp.Compare(a.data, b.data) })
	at := int64(0)
	for _, p := range all {
		end, err := l.checkLocal(p.file, at, p.data)
		if err != nil {
			return err
		}
		if end < 0 {
			return nil
		}
		at = end
	}
	return l.checkDirectory(files, at)
}

// checkLocal checks a file's own header, which should start at a place, and returns
// where the next one should, or -1 when that cannot be told.
func (l *layout) checkLocal(f *zip.File, at, data int64) (int64, error) {
	if data-at < localSize || data-at > localSize+2*0xffff {
		l.report(f.Name, fmt.Sprintf("its header is not where the file before ends, at %d", at))
		return -1, nil
	}
	h := make([]byte, data-at)
	if _, err := l.r.ReadAt(h, at); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	le := binary.LittleEndian
	nameLen, extraLen := int(le.Uint16(h[26:])), int(le.Uint16(h[28:]))
	if le.Uint32(h) != localSignature || localSize+nameLen+extraLen != len(h) {
		l.report(f.Name, fmt.Sprintf("its header is not where the file before ends, at %d", at))
		return -1, nil
	}
	differ := string(h[localSize:localSize+nameLen]) != f.Name ||
		le.Uint16(h[4:]) != f.ReaderVersion || le.Uint16(h[6:]) != f.Flags || le.Uint16(h[8:]) != f.Method ||
		le.Uint16(h[10:]) != f.ModifiedTime || le.Uint16(h[12:]) != f.ModifiedDate
	crc, csize, usize := le.Uint32(h[14:]), le.Uint32(h[18:]), le.Uint32(h[22:])
	inDescriptor := f.Flags&hasDescriptor != 0 && crc == 0 && csize == 0 && usize == 0
	if !inDescriptor {
		differ = differ || crc != f.CRC32 || csize != clamp32(f.CompressedSize64) || usize != clamp32(f.UncompressedSize64)
	}
	if differ {
		l.report(f.Name, "its header and the directory of the ZIP file do not say the same")
	}
	if extra := withoutZip64(h[localSize+nameLen:]); len(f.Extra) == 0 && len(extra) > 0 {
		l.report(f.Name, "its header has a field that the directory of the ZIP file has not")
	}
	end := data + int64(f.CompressedSize64)
	if f.Flags&hasDescriptor == 0 {
		return end, nil
	}
	n, err := l.checkDescriptor(f, end)
	return end + n, err
}

func clamp32(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }

// withoutZip64 removes the field with 64-bit sizes from an extra field.
func withoutZip64(extra []byte) []byte {
	var rest []byte
	for len(extra) >= 4 {
		n := 4 + int(binary.LittleEndian.Uint16(extra[2:]))
		if n > len(extra) {
			break
		}
		if binary.LittleEndian.Uint16(extra) != zip64Extra {
			rest = append(rest, extra[:n]...)
		}
		extra = extra[n:]
	}
	return append(rest, extra...)
}

// checkDescriptor checks the sums after a file's data and returns their length.
func (l *layout) checkDescriptor(f *zip.File, at int64) (int64, error) {
	for _, want := range descriptors(f) {
		got := make([]byte, len(want))
		if _, err := l.r.ReadAt(got, at); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if bytes.Equal(want, got) {
			return int64(len(want)), nil
		}
	}
	l.report(f.Name, "the sums after its data do not agree with the directory of the ZIP file")
	return 0, nil
}

// descriptors are the forms that a file's sums can have: with a signature or
// without, with sizes of 64 bits or of 32.
func descriptors(f *zip.File) [][]byte {
	le := binary.LittleEndian
	crc := slices.Clip(le.AppendUint32(nil, f.CRC32))
	wide := le.AppendUint64(le.AppendUint64(crc, f.CompressedSize64), f.UncompressedSize64)
	narrow := le.AppendUint32(le.AppendUint32(crc, uint32(f.CompressedSize64)), uint32(f.UncompressedSize64))
	signature := le.AppendUint32(nil, descriptorSignature)
	return [][]byte{slices.Concat(signature, wide), slices.Concat(signature, narrow), wide, narrow}
}

// checkDirectory checks the directory and all that comes after it.
func (l *layout) checkDirectory(files []*zip.File, at int64) error {
	const maxDirectory = 256 << 20
	if l.size-at > maxDirectory || l.size-at < endSize {
		l.report("", fmt.Sprintf("the directory of the ZIP file is not where its last file ends, at %d", at))
		return nil
	}
	rest := make([]byte, l.size-at)
	if _, err := l.r.ReadAt(rest, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	start := at
	for _, f := range files {
		n := l.checkDirectoryEntry(f, rest)
		if n < 0 {
			return nil
		}
		rest, at = rest[n:], at+int64(n)
	}
	l.checkEnd(rest, start, at, len(files))
	return nil
}

// checkDirectoryEntry checks what the zip package does not tell about an entry, and
// returns its length, or -1.
func (l *layout) checkDirectoryEntry(f *zip.File, b []byte) int {
	le := binary.LittleEndian
	if len(b) < directorySize || le.Uint32(b) != directorySignature {
		l.report(f.Name, "its entry in the directory of the ZIP file is not where it should be")
		return -1
	}
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	n := directorySize + nameLen + extraLen + commentLen
	if n > len(b) || string(b[directorySize:directorySize+nameLen]) != f.Name {
		l.report(f.Name, "its entry in the directory of the ZIP file is not where it should be")
		return -1
	}
	if commentLen > 0 || le.Uint16(b[34:]) != 0 {
		l.report(f.Name, "its entry in the directory of the ZIP file has a comment or another disk")
	}
	if !plausible(f, le.Uint16(b[36:])) {
		l.report(f.Name, "its entry in the directory of the ZIP file has attributes that no tool writes")
	}
	return n
}

// plausible reports whether version and attributes of an entry are what ZIP tools
// write; nothing else vouches for these bytes. Version 2.0 of MS-DOS without
// attributes is what we write.
func plausible(f *zip.File, internal uint16) bool {
	if !slices.Contains([]byte{10, 20, 30, 31, 45, 46, 51, 61, 62, 63}, byte(f.CreatorVersion)) || internal > 1 {
		return false
	}
	const dos, unix, ntfs, darwin = 0, 3, 10, 19
	switch f.CreatorVersion >> 8 {
	case dos:
		return internal == 0 && (f.ExternalAttrs == 0 || f.ExternalAttrs == 0x10 && strings.HasSuffix(f.Name, "/"))
	case unix, ntfs, darwin:
		return true
	}
	return false
}

// checkEnd checks the records at the end of the file.
func (l *layout) checkEnd(b []byte, start, at int64, count int) {
	le := binary.LittleEndian
	if len(b) >= 56+20 && le.Uint32(b) == end64Signature {
		ok := le.Uint64(b[4:]) == 44 && le.Uint32(b[16:]) == 0 && le.Uint32(b[20:]) == 0 &&
			le.Uint64(b[24:]) == uint64(count) && le.Uint64(b[32:]) == uint64(count) &&
			le.Uint64(b[40:]) == uint64(at-start) && le.Uint64(b[48:]) == uint64(start) &&
			le.Uint32(b[56:]) == locator64Signature && le.Uint32(b[60:]) == 0 &&
			le.Uint64(b[64:]) == uint64(at) && le.Uint32(b[72:]) == 1
		if !ok {
			l.report("", "the ZIP64 end of the directory is not as it should be")
		}
		b = b[76:]
	}
	ok := len(b) == endSize && le.Uint32(b) == endSignature && le.Uint16(b[4:]) == 0 && le.Uint16(b[6:]) == 0 &&
		isCount(le.Uint16(b[8:]), count) && isCount(le.Uint16(b[10:]), count) &&
		isSize(le.Uint32(b[12:]), at-start) && isSize(le.Uint32(b[16:]), start) && le.Uint16(b[20:]) == 0
	if !ok {
		l.report("", "the end of the ZIP file is not as it should be, or something follows it")
	}
}

func isCount(got uint16, want int) bool { return int(got) == want || got == 0xffff && want >= 0xffff }

func isSize(got uint32, want int64) bool {
	return int64(got) == want || got == 0xffffffff
}
