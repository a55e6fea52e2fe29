// Package telemetry is how the programs of the fleet log: one slog handler,
// JSON for machines and a readable line for people, and its bridges to the
// loggers that controller-runtime (logr) and the Temporal SDK expect, so that
// everything a program says has one form.
//
// Messages are constant and keys are lowerCamel; what varies is in attributes.
// No page content, no personal data and no full URLs above debug.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"golang.org/x/term"
)

// Format is the form of a log.
type Format string

// The forms. Auto is Text where the log goes to a terminal and JSON elsewhere.
const (
	Auto Format = "auto"
	JSON Format = "json"
	Text Format = "text"
)

// ParseFormat reads a form from a flag.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case Auto, JSON, Text:
		return f, nil
	case "":
		return Auto, nil
	}
	return "", fmt.Errorf("log format %q: use auto, json or text", s)
}

// Options configure a logger.
type Options struct {
	// Writer takes the log, default os.Stderr.
	Writer io.Writer
	// Format defaults to Auto.
	Format Format
	// Level is the least level that is written, default Info.
	Level slog.Leveler
	// Color forces or forbids colour; nil decides by the terminal and NO_COLOR.
	Color *bool
}

// New makes a logger.
func New(o Options) *slog.Logger {
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	terminal := IsTerminal(o.Writer)
	if o.Format == JSON || (o.Format != Text && !terminal) {
		return slog.New(slog.NewJSONHandler(o.Writer, &slog.HandlerOptions{Level: o.Level}))
	}
	color := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if o.Color != nil {
		color = *o.Color
	}
	return slog.New(newReadable(o.Writer, o.Level, color))
}

// IsTerminal reports whether a writer is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Logr is the logger as controller-runtime wants it. Its V(1) is debug.
func Logr(l *slog.Logger) logr.Logger {
	return logr.FromSlogHandler(levels{l.Handler()})
}

// Bridge is a logger in the form of the Temporal SDK's log.Logger, whose keys
// ("WorkflowID") become the fleet's ("workflowID").
type Bridge struct{ log *slog.Logger }

// Temporal is the logger as the Temporal SDK wants it. (The interface is met
// without importing the SDK: libraries know nothing of it.)
func Temporal(l *slog.Logger) Bridge { return Bridge{log: l} }

// Debug logs at debug level.
func (b Bridge) Debug(msg string, keyvals ...any) { b.log.Debug(msg, lowerKeys(keyvals)...) }

// Info logs at info level.
func (b Bridge) Info(msg string, keyvals ...any) { b.log.Info(msg, lowerKeys(keyvals)...) }

// Warn logs at warn level.
func (b Bridge) Warn(msg string, keyvals ...any) { b.log.Warn(msg, lowerKeys(keyvals)...) }

// Error logs at error level.
func (b Bridge) Error(msg string, keyvals ...any) { b.log.Error(msg, lowerKeys(keyvals)...) }

func lowerKeys(keyvals []any) []any {
	out := make([]any, len(keyvals))
	copy(out, keyvals)
	for i := 0; i < len(out); i += 2 {
		switch key := out[i].(type) {
		case string:
			out[i] = lowerCamel(key)
		case slog.Attr:
			out[i] = slog.Attr{Key: lowerCamel(key.Key), Value: key.Value}
			i-- // an attribute is key and value in one
		}
	}
	return out
}

// lowerCamel turns "WorkflowID" into "workflowID" and "ID" into "id".
func lowerCamel(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if !unicode.IsUpper(r) {
		return s
	}
	end := size
	for i, next := range s[size:] {
		if !unicode.IsUpper(next) {
			if end > size { // an initialism before a word: its last letter belongs to the word
				end = size + i - 1
			}
			break
		}
		end = size + i + utf8.RuneLen(next)
	}
	return strings.ToLower(s[:end]) + s[end:]
}
