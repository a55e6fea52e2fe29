package telemetry

import (
	"context"
	"log/slog"
	"regexp"
)

// WithoutAddresses is a logger that leaves web addresses out of errors, also those that the names of
// records and the keys of an index (SURT) have in them: what is wrong with a file of an archive often
// quotes a page. The whole error follows at debug.
func WithoutAddresses(l *slog.Logger) *slog.Logger { return slog.New(hiding{l.Handler()}) }

// hidden is what stands for an address.
const hidden = "…"

// address is a URL with what it is glued to, such as urn:text:https://…, or a SURT with its path.
var address = regexp.MustCompile(`[^\s"'<>]*(?:[A-Za-z][A-Za-z0-9+.-]*://|\)/)[^\s"<>]*`)

type hiding struct{ slog.Handler }

// Handle implements slog.Handler.
func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	if r.Level <= slog.LevelDebug {
		return h.Handler.Handle(ctx, r)
	}
	told, changed := slog.NewRecord(r.Time, r.Level, r.Message, r.PC), false
	r.Attrs(func(a slog.Attr) bool {
		a, hid := hide(a)
		told.AddAttrs(a)
		changed = changed || hid
		return true
	})
	err := h.Handler.Handle(ctx, told)
	if err != nil || !changed || !h.Enabled(ctx, slog.LevelDebug) {
		return err
	}
	whole := r.Clone()
	whole.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, whole)
}

// hide leaves the addresses out of an attribute that is an error.
func hide(a slog.Attr) (slog.Attr, bool) {
	err, ok := a.Value.Resolve().Any().(error)
	if !ok {
		return a, false
	}
	text := err.Error()
	short := address.ReplaceAllLiteralString(text, hidden)
	return slog.String(a.Key, short), short != text
}

// WithAttrs implements slog.Handler.
func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	some := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		some[i], _ = hide(a)
	}
	return hiding{h.Handler.WithAttrs(some)}
}

// WithGroup implements slog.Handler.
func (h hiding) WithGroup(name string) slog.Handler { return hiding{h.Handler.WithGroup(name)} }
