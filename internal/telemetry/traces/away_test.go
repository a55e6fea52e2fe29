package traces

import (
	"log/slog"
	"net"
	"testing"
	"time"
)

// TestCollectorAway: a collector that takes connections and answers nothing holds up neither the work nor, for long, the end.
func TestCollectorAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	clean(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String()})
	p, err := Start(t.Context(), Program{Name: "x"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 10000 { // more than wait to be sent
		_, span := p.Tracer("test").Start(t.Context(), "Page")
		span.End()
	}
	if took := time.Since(began); took > flushTime/2 {
		t.Errorf("spans took %s", took)
	}
	began = time.Now()
	if err := p.Close(); err == nil {
		t.Error("they were taken")
	}
	if took := time.Since(began); took > flushTime+2*time.Second {
		t.Errorf("the end took %s", took)
	}
}
