package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the whole of Chromium asks its maker for leaves by the proxy of the context that no
// page uses, where nobody listens: it reaches nobody, and is no part of any page.
func TestChromiumsOwnRequests(t *testing.T) {
	t.Parallel()
	if !slices.Contains(arguments(false, ""), "--proxy-server=http://127.0.0.1:9") {
		t.Fatal("Chrome's own requests are not led to where nobody is")
	}
	asked := make(chan string, 1000)
	nowhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Host:
		default: // more than anybody looks at
		}
		http.Error(w, "nobody is here", http.StatusBadGateway)
	}))
	defer nowhere.Close()
	path, _, err := find(EngineChromium)
	if err != nil {
		t.Fatal(err)
	}
	// Of a switch that is given twice the last one counts.
	heard := filepath.Join(scratch(t), "chromium-heard")
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --proxy-server=%s\n", path, nowhere.URL)
	if err := os.WriteFile(heard, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	site := serve(t, map[string]any{"/": `<title>Asks nothing</title><link rel=icon href=data:,><form><input name=user><input type=password name=p></form>`})
	page := visit(t, newStay(t, newPool(t, func(o *Options) { o.Engine = Engine(heard) }), StayOptions{}), site.URL)
	if len(page.Exchanges) != 1 || len(page.Ledger) != 1 {
		t.Errorf("the page has %d exchanges and %d lines, want its own one: %+v", len(page.Exchanges), len(page.Ledger), page.Ledger)
	}
	select {
	case host := <-asked:
		if strings.HasPrefix(site.URL, "http://"+host) {
			t.Errorf("the page's own host %s was asked for by the way of the browser's requests", host)
		}
	case <-time.After(20 * time.Second):
		t.Error("Chromium asked for nothing: this shows nothing")
	}
}
