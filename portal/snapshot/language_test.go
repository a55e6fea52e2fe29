package snapshot

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func TestDeclaredLanguage(t *testing.T) {
	t.Parallel()
	for reason, tc := range map[string]struct{ document, want string }{
		"plain":               {`<html lang="nl">`, "nl"},
		"with a region":       {`<!DOCTYPE html><html class=a lang=nl-BE>`, "nl"},
		"after a byte order":  {"\ufeff<!-- a comment --> \n<HTML LANG='PT_br'>", "pt"},
		"of XHTML":            {`<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" xml:lang="de">`, "de"},
		"lang comes before":   {`<html xml:lang="de" lang="fr">`, "fr"},
		"three letters":       {`<html lang="fil">`, "fil"},
		"empty":               {`<html lang="">`, ""},
		"not determined":      {`<html lang="und">`, ""},
		"no tag":              {`<html lang="{{lang}}">`, ""},
		"a name":              {`<html lang="dutch">`, ""},
		"of a part":           {`<html><body lang="nl">`, ""},
		"without the element": {`<p lang="nl">`, ""},
		"text first":          {`text <html lang="nl">`, ""},
		"nothing":             {"", ""},
		"cut off":             {`<html lang="n`, ""},
	} {
		if got := declared(strings.NewReader(tc.document)); got != tc.want {
			t.Errorf("%s: %q, want %q", reason, got, tc.want)
		}
	}
}

func TestGuessedLanguage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Wij bieden u een gezellige kamer aan in een rustige buurt van de stad, dicht bij het station en de winkels. Bel ons als u meer wilt weten.":            "nl",
		"Lovely room available in the city centre, close to the station and the shops. Call me for details, no text messages please, and ask for the landlord.": "en",
		"Se alquila habitación en una calle tranquila cerca de la estación y de las tiendas. Llame por teléfono para recibir más información, por favor.":       "es",
		"Σας προσφέρουμε ένα όμορφο δωμάτιο σε μια ήσυχη γειτονιά της πόλης, κοντά στον σταθμό και στα καταστήματα. Τηλεφωνήστε μας για περισσότερα.":           "el",
		"Сдаётся комната в тихом районе рядом с вокзалом, звоните по телефону после шести часов вечера.":                                                        "",
		"Zimmer frei": "", strings.Repeat("0123 ", 100): "", "": "",
	} {
		if got := guessed(text); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
		if got := guessed(strings.Repeat(" ", maxGuess-1) + "é" + text); got != "" { // cut within a letter
			t.Errorf("%.20q behind much space: %q", text, got)
		}
	}
}

func TestDecoded(t *testing.T) {
	t.Parallel()
	var zipped, standard bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, "text")
	s, err := zstd.NewWriter(&standard)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(s, "text")
	if z.Close() != nil || s.Close() != nil {
		t.Fatal("cannot pack")
	}
	for coding, tc := range map[string]struct{ body, want string }{
		"": {"text", "text"}, "GZIP ": {zipped.String(), "text"}, "zstd": {standard.String(), "text"}, "gzip": {"no gzip", ""}, "br": {"what is this", ""},
	} {
		if got, _ := io.ReadAll(decoded(strings.NewReader(tc.body), coding)); string(got) != tc.want {
			t.Errorf("%q: %q, want %q", coding, got, tc.want)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for mime, want := range map[string]Kind{
		"text/html; charset=utf-8": Web, "application/xhtml+xml": Web, "Text/HTML": Web, "image/svg+xml": Image, "video/mp4": Media, "application/ogg": Media,
		"application/vnd.apple.mpegurl": Media, "text/plain": Document, "application/pdf": Document, "application/json": Document,
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": Document, "application/vnd.ms-excel": Document, "application/zip": Other, "": Other,
	} {
		if got := kindOf(mime); got != want {
			t.Errorf("%q: %s, want %s", mime, got, want)
		}
	}
}
