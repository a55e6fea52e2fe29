package s3

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Keys are the root account's.
type Keys struct {
	Access string
	Secret string
}

const (
	accessName = "aws_access_key_id"
	secretName = "aws_secret_access_key"
)

// LoadKeys reads the credentials file. One in the store's folder that is not there is made, with random
// keys; one that was named has to be there.
func LoadKeys(opts Options) (Keys, error) {
	path := opts.CredentialsFile()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && opts.Credentials == "" {
		return makeKeys(opts)
	}
	if err != nil {
		return Keys{}, fmt.Errorf("read the store's keys: %w", err)
	}
	keys := parseKeys(data)
	if keys.Access == "" || keys.Secret == "" {
		return Keys{}, fmt.Errorf("%s does not hold %s and %s", path, accessName, secretName)
	}
	return keys, nil
}

func makeKeys(opts Options) (Keys, error) {
	// rand.Text has 26 characters of 5 bits each.
	keys := Keys{Access: "CF" + rand.Text()[:18], Secret: rand.Text() + rand.Text()}
	if err := os.MkdirAll(opts.path(""), 0o700); err != nil {
		return Keys{}, fmt.Errorf("make the store's folder: %w", err)
	}
	text := fmt.Sprintf("[default]\n%s = %s\n%s = %s\n", accessName, keys.Access, secretName, keys.Secret)
	return keys, stack.WriteFile(opts.CredentialsFile(), []byte(text))
}

// parseKeys reads the lines "name = value" of an AWS credentials file; there is one
// section only.
func parseKeys(data []byte) Keys {
	var keys Keys
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch strings.TrimSpace(name) {
		case accessName:
			keys.Access = strings.TrimSpace(value)
		case secretName:
			keys.Secret = strings.TrimSpace(value)
		}
	}
	return keys
}
