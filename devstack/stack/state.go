// Package stack is what holds the development stack together: the lock that
// makes a folder belong to one running stack, the ports it keeps from one start
// to the next, the child processes it looks after, and stack.json, by which
// everybody else learns where the parts listen.
//
// It knows nothing of Kubernetes, Temporal or S3 and uses the standard library
// only, so that tests can import it without linking a server.
package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Names of the files that a stack keeps in its folder.
const (
	// StateFile exists while the stack is up and healthy.
	StateFile = "stack.json"
	// PortsFile remembers the ports for the next start.
	PortsFile = "ports.json"
	// LockFile is locked (flock) as long as a process of the stack lives.
	LockFile = "lock"
	// LogDir holds one log per part.
	LogDir = "logs"
)

// Names of the parts, as they appear in stack.json, in logs and as sub-commands.
const (
	Kube     = "kube"
	Temporal = "temporal"
	S3       = "s3"
)

// State is the content of stack.json: all that a client needs in order to talk
// to the stack. It holds credentials; the file is readable by its owner only.
type State struct {
	// PID is the process that "devstack start" runs in.
	PID int `json:"pid"`
	// PIDs names the process that serves each part. Without --split kube and
	// temporal are the start process itself.
	PIDs map[string]int `json:"pids"`
	// Started is when the stack became healthy.
	Started time.Time `json:"started"`
	// APIServer is the Kubernetes API server's URL.
	APIServer string `json:"apiServer"`
	// Kubeconfig is the absolute path of the cluster administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// Temporal tells how to reach the Temporal frontend.
	Temporal TemporalState `json:"temporal"`
	// S3 tells how to reach the object store.
	S3 S3State `json:"s3"`
}

// TemporalState tells how to reach the Temporal frontend.
type TemporalState struct {
	// Address is host:port of the gRPC frontend, without TLS.
	Address string `json:"address"`
	// Namespace is the Temporal namespace made for crawlfleet.
	Namespace string `json:"namespace"`
}

// S3State tells how to reach the object store.
type S3State struct {
	// Endpoint is the base URL, path-style, without a trailing slash.
	Endpoint string `json:"endpoint"`
	// Region is the region that requests are signed for.
	Region string `json:"region"`
	// AccessKey and SecretKey are the root account's.
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
	// CredentialsFile holds the same keys in the form of an AWS credentials file.
	CredentialsFile string `json:"credentialsFile"`
	// ArchiveBucket and FrontierBucket exist when the stack is up.
	ArchiveBucket  string `json:"archiveBucket"`
	FrontierBucket string `json:"frontierBucket"`
}

// ErrNotRunning is returned by ReadState when the folder has no stack.json.
var ErrNotRunning = errors.New("no stack is running here")

// maxStateSize bounds what ReadState reads; a real stack.json has about 1 KiB.
const maxStateSize = 1 << 20

// ReadState reads dir's stack.json.
func ReadState(dir string) (*State, error) {
	path := filepath.Join(dir, StateFile)
	data, err := readBounded(path, maxStateSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist; start one with \"devstack start --dir %s\"", ErrNotRunning, path, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the stack's state: %w", err)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s is not what devstack wrote (%w); stop and start the stack to have it written anew", path, err)
	}
	if s.PID <= 0 || s.Kubeconfig == "" || s.Temporal.Address == "" || s.S3.Endpoint == "" {
		return nil, fmt.Errorf("%s is not what devstack wrote (fields are missing); stop and start the stack to have it written anew", path)
	}
	return &s, nil
}

// WriteState replaces dir's stack.json in one step.
func WriteState(dir string, s *State) error {
	return writeJSON(filepath.Join(dir, StateFile), s)
}

// RemoveState removes dir's stack.json; that there is none is no error.
func RemoveState(dir string) error {
	err := os.Remove(filepath.Join(dir, StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// PrepareDir makes dir, and the log folder in it, and returns its absolute path.
// The folder holds private keys, so nobody but the owner may enter it.
func PrepareDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no folder given: use --dir DIR")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the stack's folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(abs, LogDir), 0o700); err != nil {
		return "", fmt.Errorf("make the stack's folder: %w; choose a --dir that you may write to", err)
	}
	return abs, nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return WriteFile(path, append(data, '\n'))
}

// WriteFile writes a file that only the owner may read, in one step: readers see
// either the old content or the whole new one.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
