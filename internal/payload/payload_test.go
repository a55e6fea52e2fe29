package payload

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

const address = "https://www.example.org/?name=Jane"

func line(id string, fill byte) string {
	return id + " " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, keySize)) + "\n"
}

// open writes a file of keys and opens it. The clock moves with each look.
func open(t *testing.T, content string) (*Keys, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, content)
	k, err := Open(File{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alwaysLook(k)
	return k, path
}

// alwaysLook has the clock move, so that each look sees what the file is now.
func alwaysLook(k *Keys) {
	now := time.Now()
	k.now = func() time.Time { now = now.Add(lookEvery); return now }
}

// write replaces the file, as an editor and a mounted Secret do.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func options(k *Keys) client.Options {
	var o client.Options
	k.Apply(&o)
	return o
}

func encrypt(t *testing.T, k *Keys) *commonpb.Payload {
	t.Helper()
	p, err := options(k).DataConverter.ToPayload(address)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(p)
	if err != nil || bytes.Contains(raw, []byte("Jane")) || bytes.Contains(raw, []byte("json/plain")) {
		t.Fatalf("%v: the payload is %q", err, raw)
	}
	return p
}

func decrypt(t *testing.T, k *Keys, p *commonpb.Payload) {
	t.Helper()
	var got string
	if err := options(k).DataConverter.FromPayload(p, &got); err != nil || got != address {
		t.Errorf("decrypted %q, %v", got, err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	k, _ := open(t, "# keys\n\n"+line("b", 1)+line("a", 2))
	one, two := encrypt(t, k), encrypt(t, k)
	if bytes.Equal(one.Data, two.Data) {
		t.Error("the same payload is encrypted to the same bytes")
	}
	if id := string(one.Metadata[keyIDField]); id != "b" {
		t.Errorf("encrypted with %q, want the first", id)
	}
	decrypt(t, k, one)
	plain, err := converter.GetDefaultDataConverter().ToPayload(address)
	if err != nil {
		t.Fatal(err)
	}
	decrypt(t, k, plain) // of before there were keys
}

func TestRotation(t *testing.T) {
	t.Parallel()
	k, path := open(t, line("old", 1))
	old := encrypt(t, k)
	write(t, path, line("new", 2)+line("old", 1))
	if got := encrypt(t, k); string(got.Metadata[keyIDField]) != "new" {
		t.Errorf("encrypted with %q after the rotation", got.Metadata[keyIDField])
	}
	decrypt(t, k, old)
	write(t, path, "nonsense")
	decrypt(t, k, encrypt(t, k)) // what was known stays
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	decrypt(t, k, old)
	write(t, path, line("new", 2))
	_, err := k.Decode([]*commonpb.Payload{old})
	if err == nil || !strings.Contains(err.Error(), `the key "old" is not in the file`) {
		t.Errorf("without its key: %v", err)
	}
}

func TestTampered(t *testing.T) {
	t.Parallel()
	k, _ := open(t, line("a", 1)+line("b", 2))
	for name, change := range map[string]func(*commonpb.Payload){
		"Data":  func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 },
		"Nonce": func(p *commonpb.Payload) { p.Data[0] ^= 1 },
		"Key":   func(p *commonpb.Payload) { p.Metadata[keyIDField] = []byte("b") },
		"Short": func(p *commonpb.Payload) { p.Data = p.Data[:5] },
		"Empty": func(p *commonpb.Payload) { p.Data = nil },
	} {
		p := encrypt(t, k)
		change(p)
		if _, err := k.Decode([]*commonpb.Payload{p}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFailures: messages and stack traces of failures are encrypted, types stay readable.
func TestFailures(t *testing.T) {
	t.Parallel()
	k, _ := open(t, line("a", 1))
	c := options(k).FailureConverter
	err := temporal.NewApplicationErrorWithCause("load "+address, "DNSFailed", errors.New("ask for "+address), address)
	f := c.ErrorToFailure(err)
	raw, merr := proto.Marshal(f)
	if merr != nil || bytes.Contains(raw, []byte("Jane")) {
		t.Errorf("%v: the failure is %q", merr, raw)
	}
	var back *temporal.ApplicationError
	if got := c.FailureToError(f); !errors.As(got, &back) || back.Type() != "DNSFailed" || !strings.Contains(got.Error(), address) {
		t.Errorf("read back %v", got)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ content, want string }{
		"Empty":    {"", "there is no key"},
		"Comments": {"# nothing\n", "there is no key"},
		"NoName":   {"# x\n" + line("", 1), "line 2: want a name"},
		"Short":    {"a AAAA\n", "line 1: want a key of 32 bytes"},
		"NoBase64": {line("a", 1) + "b " + strings.Repeat("!", 44), "line 2: want a key"},
		"Twice":    {line("a", 1) + line("a", 2), "line 2: the name of another key"},
		"Name":     {line("a/b", 1), "line 1: want a name"},
		"Large":    {strings.Repeat("#", maxFile+1), "larger than"},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		write(t, path, tc.content)
		_, err := Open(File{Path: path}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error tells of the key: %v", name, err)
		}
	}
}

// TestLater: an optional Secret that is not there yet. The folder of a path that is
// mistyped is not there either, which is another matter.
func TestLater(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "keys")
	k, err := Open(File{Path: path, Optional: true}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || !strings.Contains(log.String(), "in the clear") {
		t.Fatalf("%v, logged %q", err, log.String())
	}
	p, err := options(k).DataConverter.ToPayload(address)
	if err != nil || string(p.Metadata[converter.MetadataEncoding]) != converter.MetadataEncodingJSON {
		t.Errorf("got %v, %v", p, err)
	}
	decrypt(t, k, p)
	if err := k.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if _, err := Open(File{Path: filepath.Join(t.TempDir(), "mistyped", "keys"), Optional: true}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder that is not there passed")
	}
	if err := Create(path, time.Now()); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	k.now = func() time.Time { return later }
	decrypt(t, k, encrypt(t, k))
	if err := Create(path, time.Now()); err != nil { // it stays
		t.Fatal(err)
	}
	decrypt(t, k, encrypt(t, k))
}
