package payload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// refuses expects that nothing is encoded, and an error that says all of want and no key.
func refuses(t *testing.T, k *Keys, want ...string) {
	t.Helper()
	got, err := k.Encode([]*commonpb.Payload{{Data: []byte(address)}})
	if err == nil || got != nil {
		t.Fatalf("encoded %v, %v", got, err)
	}
	if _, err := options(k).DataConverter.ToPayloads(address); !errors.Is(err, ErrKeys) {
		t.Errorf("%v cannot be told from what Temporal refuses", err)
	}
	if ready := k.Ready(); ready == nil || !strings.Contains(err.Error(), ready.Error()) {
		t.Errorf("ready: %v, want it in %v", ready, err)
	}
	for _, w := range append(want, k.path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: want %q in it", err, w)
		}
	}
	if strings.Contains(err.Error(), "AAAA") {
		t.Errorf("the error tells of the key: %v", err)
	}
}

// TestRequired: a file that is named and not there yet is waited for, and nothing readable is
// sent meanwhile.
func TestRequired(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "keys")
	k, err := Open(File{Path: path}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	alwaysLook(k)
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), path) || strings.Contains(log.String(), "in the clear") {
		t.Errorf("it logged %s", log.String())
	}
	refuses(t, k, "is not there", "create it", "--payload-keys-required=false")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Wait(ended); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("waited, and got %v", err)
	}
	write(t, path, "a AAAA\n")
	refuses(t, k, "line 1", "put it right")
	write(t, path, line("a", 1))
	if err := k.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	decrypt(t, k, encrypt(t, k))
}

// TestFailsWithoutKeys: while nothing can be encoded a failure says that, and nothing of what failed.
func TestFailsWithoutKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	k, err := Open(File{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alwaysLook(k)
	c := options(k).FailureConverter
	f := c.ErrorToFailure(errors.New("ask for " + address))
	if raw, err := proto.Marshal(f); err != nil || bytes.Contains(raw, []byte("Jane")) || f.GetApplicationFailureInfo().GetType() != "PayloadKeysMissing" || f.GetApplicationFailureInfo().GetNonRetryable() {
		t.Errorf("%v: the failure is %q", err, raw)
	}
	if f := c.ErrorToFailure(nil); f != nil {
		t.Errorf("nothing failed, and that is %v", f)
	}
	write(t, path, line("a", 1))
	if f := c.ErrorToFailure(errors.New("ask for " + address)); f.GetEncodedAttributes() == nil {
		t.Errorf("with keys the failure is %v", f)
	}
}

// TestBrokenLater: payloads may be readable as long as there is no file. Whoever puts one there
// wants them encrypted, so that one that holds no key stops them.
func TestBrokenLater(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ content, want string }{
		"Empty":    {"", "there is no key"},
		"Comments": {"# the first encrypts\n", "there is no key"},
		"Short":    {"a AAAA\n", "line 1: want a key of 32 bytes"},
		"Large":    {strings.Repeat("#", maxFile+1), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			path := filepath.Join(t.TempDir(), "keys")
			k, err := Open(File{Path: path, Optional: true}, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			alwaysLook(k)
			write(t, path, tc.content)
			refuses(t, k, tc.want, "put it right")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			refuses(t, k, tc.want)
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
				t.Errorf("it said %d times what is wrong: %s", n, log.String())
			}
			write(t, path, line("a", 1))
			decrypt(t, k, encrypt(t, k))
		})
	}
}

// TestUnreadable: a path that leads to no file is as good as a broken one.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	k, err := Open(File{Path: path, Optional: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alwaysLook(k)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	refuses(t, k, "put it right")
}

// TestFlags: a file that is named is required unless somebody says otherwise.
func TestFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "keys")
	cases := map[string]struct {
		reason, variable string
		args             []string
		wrong            string // part of the error of Apply
		refuses, plain   bool   // what becomes of a payload; encrypted else
	}{
		"Nothing":       {reason: "a fleet may be tried without keys", plain: true},
		"Named":         {reason: "a file that is named is wanted", args: []string{"--payload-keys", missing}, refuses: true},
		"Optional":      {reason: "an optional Secret", args: []string{"--payload-keys", missing, "--payload-keys-required=false"}, plain: true},
		"Variable":      {reason: "the same by the environment", variable: "false", args: []string{"--payload-keys", missing}, plain: true},
		"FlagFirst":     {reason: "a flag is closer than the environment", variable: "false", args: []string{"--payload-keys", missing, "--payload-keys-required"}, refuses: true},
		"NoWord":        {reason: "nothing is guessed", variable: "no, thanks", args: []string{"--payload-keys", missing}, wrong: `"no, thanks": want true or false`},
		"RequiredAlone": {reason: "keys that are required have a file", args: []string{"--payload-keys-required"}, wrong: "needs --payload-keys"},
		"OptionalAlone": {reason: "and those that are not need none", args: []string{"--payload-keys-required=false"}, plain: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CRAWLFLEET_PAYLOAD_KEYS", "")
			t.Setenv(requiredVariable, tc.variable)
			var f File
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			f.Add(flags)
			if err := flags.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			var o client.Options
			k, err := f.Apply(&o, slog.New(slog.DiscardHandler))
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Ready() != nil; got != tc.refuses {
				t.Errorf("%s: %v", tc.reason, k.Ready())
			}
			if o.DataConverter == nil {
				o.DataConverter = converter.GetDefaultDataConverter()
			}
			p, err := o.DataConverter.ToPayload(address)
			if plain := err == nil && bytes.Contains(p.GetData(), []byte(address)); plain != tc.plain {
				t.Errorf("%s: %v, %v", tc.reason, p, err)
			}
		})
	}
	if err := (*Keys)(nil).Wait(t.Context()); err != nil {
		t.Errorf("no keys at all: %v", err)
	}
}
