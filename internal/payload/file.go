package payload

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
)

// File says where the keys are, and whether they must be there: by default they must. It is a
// set of flags, the same in each program.
type File struct {
	// Path is the file, empty for none.
	Path string
	// Optional lets payloads be readable as long as there is no file.
	Optional bool

	required bool  // somebody said so
	wrong    error // what is wrong with the environment
}

// requiredVariable is the environment's word for --payload-keys-required.
const requiredVariable = "CRAWLFLEET_PAYLOAD_KEYS_REQUIRED"

// Add adds the flags, with what the environment says as their defaults.
func (f *File) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.Path, "payload-keys", os.Getenv("CRAWLFLEET_PAYLOAD_KEYS"),
		"file of keys that encrypt what Temporal stores, the same for operator and workers, read again when it changes; see docs/refusals.md [$CRAWLFLEET_PAYLOAD_KEYS]")
	flags.BoolFunc("payload-keys-required",
		"do nothing until the file of --payload-keys is there (the default); with false, Temporal can read what is sent until then [$"+requiredVariable+"]", f.require)
	if s := os.Getenv(requiredVariable); s != "" {
		f.wrong = f.require(s)
	}
}

func (f *File) require(s string) error {
	yes, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q: want true or false", s)
	}
	f.required, f.Optional = yes, !yes
	return nil
}

// Apply is [Keys.Apply] with the keys of the file. Where none is named, payloads stay plain, the
// log says so, and there are no keys.
func (f *File) Apply(o *client.Options, log *slog.Logger) (*Keys, error) {
	switch {
	case f.wrong != nil:
		return nil, fmt.Errorf("$%s %w", requiredVariable, f.wrong)
	case f.Path == "" && f.required:
		return nil, errors.New("--payload-keys-required needs --payload-keys")
	case f.Path == "":
		Warn(log)
		return nil, nil
	}
	k, err := Open(*f, log)
	if err != nil {
		return nil, fmt.Errorf("--payload-keys: %w", err)
	}
	k.Apply(o)
	return k, nil
}
