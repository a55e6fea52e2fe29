package snapshot

import (
	"bytes"
	"io"
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html"
)

const (
	// minLetters is how many letters a text has to have for its language to be guessed: of less,
	// Russian is taken for Bulgarian with full confidence.
	minLetters = 100
	// maxGuess is how many bytes of a text its language is guessed by.
	maxGuess = 4 << 10
)

// primary is the primary subtag of a language tag (RFC 5646 section 2.2.1), empty when it is none.
func primary(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if i := strings.IndexAny(tag, "-_,; "); i >= 0 {
		tag = tag[:i]
	}
	notLetter := func(r rune) bool { return r < 'a' || r > 'z' }
	if len(tag) < 2 || len(tag) > 3 || strings.ContainsFunc(tag, notLetter) || tag == "und" || tag == "mul" || tag == "zxx" {
		return ""
	}
	return tag
}

// declared is the language that an HTML document declares of itself in its html element, as far
// as its beginning has that (HTML Living Standard, "The lang and xml:lang attributes").
func declared(beginning io.Reader) string {
	for z := html.NewTokenizer(beginning); ; {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if string(name) != "html" {
				return "" // the element was left out: nothing declares one
			}
			return langOf(z, more)
		case html.TextToken:
			if len(bytes.TrimSpace(bytes.TrimPrefix(z.Raw(), []byte("\ufeff")))) > 0 {
				return ""
			}
		case html.EndTagToken, html.CommentToken, html.DoctypeToken:
		}
	}
}

// langOf is the language among the attributes of an element.
func langOf(z *html.Tokenizer, more bool) (lang string) {
	for more {
		var name, value []byte
		name, value, more = z.TagAttr()
		if string(name) == "lang" || string(name) == "xml:lang" && lang == "" {
			lang = primary(string(value))
		}
	}
	return lang
}

// guessed is the language that a text is in, empty when that is not clear.
func guessed(text string) string {
	if len(text) > maxGuess {
		text = strings.ToValidUTF8(text[:maxGuess], "")
	}
	letters := 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	if letters < minLetters {
		return ""
	}
	found := whatlanggo.Detect(text)
	if !found.IsReliable() {
		return ""
	}
	return primary(found.Lang.Iso6391())
}

// decoded takes the content coding off a body (RFC 9110 section 8.4.1). A body with one that is
// not known cannot be read: nothing comes of it.
func decoded(r io.Reader, coding string) io.Reader {
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return r
	case "gzip", "x-gzip":
		if z, err := gzip.NewReader(r); err == nil {
			return z
		}
	case "deflate":
		if z, err := zlib.NewReader(r); err == nil {
			return z
		}
	case "zstd":
		if z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(16<<20)); err == nil {
			return z.IOReadCloser()
		}
	}
	return strings.NewReader("")
}
