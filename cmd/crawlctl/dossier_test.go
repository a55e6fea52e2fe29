package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/custody"
)

// stored is the script command "stored FILE": the custody log in the folder log, with the keys
// custody.key and custody.pub, says that a worker stored the file.
func stored(ts *testscript.TestScript, _ bool, args []string) {
	signer, err := note.NewSigner(strings.TrimSpace(ts.ReadFile("custody.key")))
	ts.Check(err)
	origin, verifiers, err := custody.ReadKeys([]string{ts.MkAbs("custody.pub")})
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.MkAbs("log"), 0o700))
	root, err := os.OpenRoot(ts.MkAbs("log"))
	ts.Check(err)
	log, err := custody.New(custody.Config{Store: &custody.Folder{Root: root}, Prefix: "custody", Origin: origin, Verifiers: verifiers, Signer: signer})
	ts.Check(err)
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	_, err = log.Append(context.Background(), custody.Entry{
		Event: custody.Stored, ID: "stored/" + args[0], Object: "chunks/a.wacz", SHA256: hex.EncodeToString(sum[:]), When: time.Now().UTC().Truncate(time.Millisecond), Who: "worker/1",
	})
	ts.Check(err)
}
