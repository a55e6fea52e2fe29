package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/profile"
)

func newProfileShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Sum up a saved log-in, without any value of it",
		Long: `Show says for which hosts a saved log-in has cookies and storage, and when they end. FILE
is what profile create wrote, or a state.json; - reads standard input. No value is
printed.`,
		Example: `  crawlctl profile show members.yaml
  kubectl get secret browserprofile-members -o yaml | crawlctl profile show -`,
		Args: oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readState(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			s, err := summarise(file, time.Now())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// readState reads a state.json, or finds it in the YAML of a Secret.
func readState(stdin io.Reader, path string) ([]byte, error) {
	const limit = 4 << 20 // a Secret's data is a third larger in YAML
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close() // read only
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, limit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && !bytes.Contains(raw, []byte(`"apiVersion"`)) {
		return raw, nil
	}
	for doc := range strings.SplitSeq("\n"+string(raw), "\n---") {
		var s corev1.Secret
		// What does not decode is no Secret; the error may hold some of it.
		if yaml.Unmarshal([]byte(doc), &s) != nil || s.Kind != "Secret" {
			continue
		}
		if file, ok := s.Data[profile.StateKey]; ok {
			return file, nil
		}
		if file, ok := s.StringData[profile.StateKey]; ok {
			return []byte(file), nil
		}
	}
	return nil, fmt.Errorf("%s is neither a state.json nor YAML with a Secret that has the key %s", path, profile.StateKey)
}

// stateSummary is what show tells.
type stateSummary struct {
	SHA256         string        `json:"sha256"`
	Cookies        int           `json:"cookies"`
	Expired        int           `json:"expiredCookies"`
	Session        int           `json:"sessionCookies"`
	EarliestExpiry *time.Time    `json:"earliestExpiry,omitempty"`
	Hosts          []hostSummary `json:"hosts"`
}

// hostSummary is what there is of one host.
type hostSummary struct {
	Host    string `json:"host"`
	Cookies int    `json:"cookies"`
	Expired int    `json:"expiredCookies"`
	// Local and SessionStorage count entries.
	Local          int        `json:"localStorage"`
	SessionStorage int        `json:"sessionStorage"`
	EarliestExpiry *time.Time `json:"earliestExpiry,omitempty"`
}

func summarise(file []byte, now time.Time) (*stateSummary, error) {
	state, err := profile.Parse(file)
	if err != nil {
		return nil, err
	}
	sum := state.Summary(now)
	s := &stateSummary{SHA256: profile.Digest(file), Cookies: sum.Cookies, Expired: sum.Expired, Session: sum.SessionCookies, EarliestExpiry: timeOrNil(sum.Earliest)}
	for _, host := range state.Hosts() {
		own := state.Of(host)
		sum := own.Summary(now)
		h := hostSummary{Host: host, Cookies: sum.Cookies, Expired: sum.Expired, EarliestExpiry: timeOrNil(sum.Earliest)}
		for _, o := range own.Origins {
			h.Local += len(o.LocalStorage)
			h.SessionStorage += len(o.SessionStorage)
		}
		s.Hosts = append(s.Hosts, h)
	}
	return s, nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *stateSummary) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tCOOKIES\tENDED\tNEXT ENDS\tLOCAL\tSESSION")
	for _, h := range s.Hosts {
		next := "-"
		if h.EarliestExpiry != nil {
			next = h.EarliestExpiry.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%d\t%d\n", cli.OneLine(h.Host), h.Cookies, h.Expired, next, h.Local, h.SessionStorage)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d cookies, %d of them without a date, %d ended; SHA-256 %s\n", s.Cookies, s.Session, s.Expired, s.SHA256)
	return err
}

func newProfileKeygen() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make the key pair that profiles are encrypted with",
		Long: `Keygen writes the secret key of the workers (--profile-identity-file) to FILE, as
age-keygen does, and prints the public key that belongs to it, for the operator
(--profile-recipients). When FILE is there already, it is left alone and its public
key is printed.`,
		Example: `  crawlctl profile keygen identity
  kubectl -n crawlfleet-system create secret generic crawlfleet-profile-identity --from-file=identity`,
		Args: oneArg("one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			recipient, err := keygen(args[0], time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), recipient)
			return err
		},
	}
}

// keygen makes the file, unless it is there, and returns the public key.
func keygen(path string, now time.Time) (string, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return recipientOf(path)
	}
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "# created: %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), identity.Recipient(), identity)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return identity.Recipient().String(), nil
}

func recipientOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	identities, err := profile.Identities(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	x, ok := identities[0].(*age.X25519Identity)
	if !ok {
		return "", fmt.Errorf("%s holds a key of another kind: age-keygen -y %s prints its public key", path, path)
	}
	return x.Recipient().String(), nil
}
