package payload

import (
	"bufio"
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

const (
	// keySize is that of AES-256.
	keySize = 32
	// maxFile and maxKeys bound what is read.
	maxFile = 64 << 10
	maxKeys = 100
	// lookEvery is how often it is looked whether the file has changed.
	lookEvery = time.Second
)

// ErrKeys is the error of what is not sent, because it cannot be encrypted.
var ErrKeys = errors.New("payload keys")

var validID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keys are the keys of a file. They are safe for use by many goroutines.
type Keys struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	list   []key
	looked time.Time
	seen   filestate.Seen
	// problem is why there is nothing to encrypt with. It is nil while there are keys, and
	// where payloads may be readable because there is no file yet.
	problem error
}

type key struct {
	id   string
	aead cipher.AEAD
}

// Open reads a file of keys; one that holds none, or something else, is an error. One that is
// not there in a folder that is, as where an optional Secret is mounted, may come later: until
// then nothing is encoded, or payloads are plain where the file is optional, and the log says so.
func Open(file File, log *slog.Logger) (*Keys, error) {
	k := &Keys{path: file.Path, log: log, now: time.Now}
	if _, err := os.Stat(filepath.Dir(k.path)); err != nil {
		return nil, fmt.Errorf("payload keys: %w", err)
	}
	err := k.read()
	switch {
	case errors.Is(err, fs.ErrNotExist) && file.Optional:
		Warn(log)
	case errors.Is(err, fs.ErrNotExist):
		k.problem = fmt.Errorf("%s is not there: create it (docs/refusals.md), or let Temporal read payloads with --payload-keys-required=false", k.path)
		log.Error("nothing is sent to Temporal until there are payload keys", "error", k.problem)
	case err != nil:
		return nil, fmt.Errorf("payload keys: %w", err)
	}
	return k, nil
}

// Warn logs that payloads are not encrypted.
func Warn(log *slog.Logger) {
	log.Warn("payloads go to Temporal in the clear, and its histories hold addresses of pages; give both operator and workers --payload-keys")
}

// read takes the keys from the file. What was known stays when that fails.
func (k *Keys) read() error {
	f, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(raw) > maxFile {
		return fmt.Errorf("%s is larger than %d KB", k.path, maxFile>>10)
	}
	list, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s, %w", k.path, err)
	}
	k.list, k.seen, k.problem = list, filestate.Of(info), nil
	return nil
}

// parse reads keys. Errors name lines and nothing of what is in them.
func parse(raw []byte) ([]key, error) {
	var list []key
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		one, err := parseLine(line)
		if err == nil && slices.ContainsFunc(list, func(k key) bool { return k.id == one.id }) {
			err = errors.New("the name of another key")
		}
		if err == nil && len(list) == maxKeys {
			err = fmt.Errorf("more than %d keys", maxKeys)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, errors.New("line 1: there is no key: write a name and, after a space, what `openssl rand -base64 32` prints")
	}
	return list, lines.Err()
}

func parseLine(line string) (key, error) {
	parts := strings.Fields(line)
	if len(parts) != 2 || !validID.MatchString(parts[0]) {
		return key{}, errors.New("want a name (letters, digits, dots and dashes) and a key in base64, with a space between")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(parts[1])
	if err != nil || len(secret) != keySize {
		return key{}, fmt.Errorf("want a key of %d bytes in base64, as `openssl rand -base64 %d` prints", keySize, keySize)
	}
	aead, err := newAEAD(secret)
	return key{parts[0], aead}, err
}

// look reads the file again when it has changed. The caller holds the lock.
func (k *Keys) look() {
	if k.now().Sub(k.looked) < lookEvery {
		return
	}
	k.looked = k.now()
	info, err := os.Stat(k.path)
	if err == nil && k.seen.Same(filestate.Of(info)) || errors.Is(err, fs.ErrNotExist) {
		return // what was known stays: a key that was used is needed again
	}
	if err == nil {
		err = k.read()
	}
	switch {
	case err != nil && len(k.list) > 0:
		k.log.Error("the payload keys could not be read again; those that were known stay", "error", err)
	case err != nil:
		k.refuse(fmt.Errorf("%w: put it right, it is read again", err))
	default:
		k.log.Info("payload keys were read", "keys", len(k.list), "encryptsWith", k.list[0].id)
	}
}

// refuse has nothing encoded from now on: whoever put a file there wants payloads encrypted. It
// says so once for each problem.
func (k *Keys) refuse(problem error) {
	if k.problem == nil || k.problem.Error() != problem.Error() {
		k.log.Error("nothing is sent to Temporal until the payload keys can be read", "error", problem)
	}
	k.problem = problem
}

// first is the key that encrypts. It is nil without an error where payloads may be plain.
func (k *Keys) first() (*key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look()
	if k.problem != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeys, k.problem)
	}
	if len(k.list) == 0 {
		return nil, nil
	}
	return &k.list[0], nil
}

// Ready tells why nothing can be encoded, nil when it can. It is nil for no keys at all.
func (k *Keys) Ready() error {
	if k == nil {
		return nil
	}
	_, err := k.first()
	return err
}

// Wait waits until payloads can be encoded: work that is taken before cannot be answered.
func (k *Keys) Wait(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := k.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// find is the key of a name, nil when there is none.
func (k *Keys) find(id string) *key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look()
	for i := range k.list {
		if k.list[i].id == id {
			return &k.list[i]
		}
	}
	return nil
}

// Generate makes the content of a file with a new key.
func Generate(now time.Time) []byte {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // it never fails (crypto/rand)
	return fmt.Appendf(nil, "# The first encrypts, all decrypt.\n%s %s\n", now.UTC().Format(time.DateOnly), base64.StdEncoding.EncodeToString(secret))
}

// Create makes a file with a new key, unless there is a file.
func Create(path string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make payload keys: %w", err)
	}
	_, err = f.Write(Generate(now))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make payload keys: %w", err)
	}
	return nil
}
