package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
)

// serveStore starts an S3 server, $STORE, for a script.
func serveStore(env *testscript.Env) error {
	server := httptest.NewServer(new(blobtest.Server))
	env.Defer(server.Close)
	env.Setenv("STORE", server.URL)
	env.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	env.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret")
	return nil
}

// stored is the script command "stored FILE [BUCKET]": the custody log in the bucket, which is
// archive unless it is given, with the keys custody.key and custody.pub, says that a worker stored
// the file.
func stored(ts *testscript.TestScript, _ bool, args []string) {
	signer, err := note.NewSigner(strings.TrimSpace(ts.ReadFile("custody.key")))
	ts.Check(err)
	origin, verifiers, err := custody.ReadKeys([]string{ts.MkAbs("custody.pub")})
	ts.Check(err)
	client, err := blob.NewClient(blob.Config{Endpoint: ts.Getenv("STORE"), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	ts.Check(err)
	log, err := custody.New(custody.Config{Store: client.Bucket(append(args, "archive")[1]), Prefix: "custody", Origin: origin, Verifiers: verifiers, Signer: signer})
	ts.Check(err)
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	_, err = log.Append(context.Background(), custody.Entry{
		Event: custody.Stored, ID: "stored/" + args[0], Object: "chunks/a.wacz", SHA256: hex.EncodeToString(sum[:]), When: time.Now().UTC().Truncate(time.Millisecond), Who: "worker/1",
	})
	ts.Check(err)
}

// counting counts how often the first batch of a log is read.
type counting struct {
	custody.Store
	reads atomic.Int64
}

// Get implements custody.Store.
func (c *counting) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	if strings.HasSuffix(string(key), "batches/000000000000") {
		c.reads.Add(1)
	}
	return c.Store.Get(ctx, key)
}

// TestProofsReadTheLogOnce: a log is long, and read once for however many exhibits.
func TestProofsReadTheLogOnce(t *testing.T) {
	t.Parallel()
	const most = 5 // to find the end, all entries, and the place of one
	for _, exhibits := range []int{1, 10} {
		a := newAuditCase(t)
		store := &counting{Store: a.folder()}
		var snapshots []dossier.Subject
		var entries []custody.Entry
		for i := range 600 { // two bundles, and the rest
			sum := fmt.Sprintf("%064x", i)
			entries = append(entries, custody.Entry{
				Event: custody.Stored, ID: sum, Object: "chunks/a.wacz", SHA256: sum, When: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Who: "worker/1",
			})
			if i < exhibits {
				snapshots = append(snapshots, dossier.Subject{SHA256: sum})
			}
		}
		if _, err := a.log(store).Append(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
		store.reads.Store(0)
		o := dossierOptions{reference: "2030-17", actor: "analyst-7", to: "police-3", out: "d.zip"}
		proofs, err := o.proofsOf(t.Context(), a.log(store), snapshots, time.Date(2030, 2, 3, 4, 5, 6, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snapshots {
			var names []string
			for _, f := range proofs[s] {
				names = append(names, f.Name)
			}
			if !slices.Equal(names, []string{"001-stored.proof", "002-tiedtocase.proof", "003-exported.proof"}) {
				t.Errorf("%s: proofs %v", s.SHA256, names)
			}
		}
		if n := store.reads.Load(); n > most {
			t.Errorf("%d exhibits: the first batch was read %d times, want %d at most", exhibits, n, most)
		}
	}
}
