package s3

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysAreMadeOnce(t *testing.T) {
	t.Parallel()
	opts := Options{Dir: t.TempDir()}
	first, err := LoadKeys(opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Access) != 20 || len(first.Secret) < 40 {
		t.Errorf("got keys of %d and %d characters, want 20 and at least 40", len(first.Access), len(first.Secret))
	}
	second, err := LoadKeys(opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the keys changed: -first, +second:\n%s", diff)
	}
	if err := os.WriteFile(opts.CredentialsFile(), []byte("[default]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := LoadKeys(opts); err == nil {
		t.Errorf("a file without keys: got %+v, want an error", keys)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   Keys
	}{
		"Ours":     {"as it is written", "[default]\naws_access_key_id = A\naws_secret_access_key = S\n", Keys{"A", "S"}},
		"Edited":   {"no spaces, other order, CRLF", "aws_secret_access_key=S\r\naws_access_key_id=A\r\n", Keys{"A", "S"}},
		"Equals":   {"base64 may end with an equals sign", "aws_access_key_id=A\naws_secret_access_key=S==", Keys{"A", "S=="}},
		"Comments": {"other lines do not count", "# aws_access_key_id = B\n\nregion = x\naws_access_key_id = A", Keys{Access: "A"}},
		"Empty":    {"nothing to read", "", Keys{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parseKeys([]byte(c.text))); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", c.reason, diff)
			}
		})
	}
}
