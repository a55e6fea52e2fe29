package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// readable writes a line for people: time, level, message, attributes.
type readable struct {
	mu     *sync.Mutex
	w      io.Writer
	level  slog.Leveler
	color  bool
	prefix string // of the groups that are open, with a dot at the end
	attrs  string // rendered attributes of With
}

func newReadable(w io.Writer, level slog.Leveler, color bool) *readable {
	return &readable{mu: new(sync.Mutex), w: w, level: level, color: color}
}

// Enabled implements slog.Handler.
func (h *readable) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *readable) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	if !r.Time.IsZero() {
		b.WriteString(h.paint("2", r.Time.Format("15:04:05.000")))
		b.WriteByte(' ')
	}
	b.WriteString(h.levelName(r.Level))
	b.WriteByte(' ')
	b.WriteString(oneLine(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.attr(&b, h.prefix, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (h *readable) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b bytes.Buffer
	for _, a := range attrs {
		h.attr(&b, h.prefix, a)
	}
	next := *h
	next.attrs += b.String()
	return &next
}

// WithGroup implements slog.Handler.
func (h *readable) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix += name + "."
	return &next
}

func (h *readable) attr(b *bytes.Buffer, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			h.attr(b, prefix, member)
		}
		return
	}
	b.WriteByte(' ')
	b.WriteString(h.paint("36", prefix+a.Key+"="))
	b.WriteString(value(v))
}

func value(v slog.Value) string {
	var s string
	switch v.Kind() {
	case slog.KindTime:
		s = v.Time().Format(time.RFC3339)
	case slog.KindAny:
		s = fmt.Sprint(v.Any())
	default:
		s = v.String()
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// oneLine keeps a message from forging further lines or moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func (h *readable) levelName(l slog.Level) string {
	code := "31" // error
	switch {
	case l < slog.LevelInfo:
		code = "2"
	case l < slog.LevelWarn:
		code = "32"
	case l < slog.LevelError:
		code = "33"
	}
	return h.paint(code, fmt.Sprintf("%-5s", l.String()))
}

func (h *readable) paint(code, s string) string {
	if !h.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// levels maps logr's verbosities, which arrive as levels below Info, to debug:
// V(1) and all above it.
type levels struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h levels) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, mapLevel(l))
}

// Handle implements slog.Handler.
func (h levels) Handle(ctx context.Context, r slog.Record) error {
	r.Level = mapLevel(r.Level)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h levels) WithAttrs(attrs []slog.Attr) slog.Handler { return levels{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h levels) WithGroup(name string) slog.Handler { return levels{h.Handler.WithGroup(name)} }

func mapLevel(l slog.Level) slog.Level {
	if l < slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}
