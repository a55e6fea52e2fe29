package crawljob

import (
	"context"
	"errors"
	"log/slog"
	"testing"
)

// TestListensWhenItCanAnswer: without keys no report is asked for, as none could be answered.
func TestListensWhenItCanAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	waited := false
	l := &Listener{Log: slog.New(slog.DiscardHandler), Wait: func(context.Context) error { // without a client nothing can be asked
		waited = true
		cancel()
		return errors.New("no keys")
	}}
	if err := l.Start(ctx); err != nil || !waited {
		t.Errorf("waited %v, and got %v", waited, err)
	}
}
