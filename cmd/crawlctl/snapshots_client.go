package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

const (
	// maxAnswer bounds an answer in JSON or text, in bytes.
	maxAnswer = 64 << 20
	// answerTime is how long the portal may take for one.
	answerTime = 2 * time.Minute
)

// portalClient asks a portal.
type portalClient struct {
	base              *url.URL
	http              *http.Client
	purpose, caseName string
	// anonymous says why no credentials are sent, empty when some are.
	anonymous string
}

// page is the address of a page of the portal.
func (c *portalClient) page(path string) string { return c.base.String() + path }

// send asks for a path of the API. The caller closes the body of the answer, which has a good
// status.
func (c *portalClient) send(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	address := c.page(path)
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.purpose != "" {
		req.Header.Set("Crawlfleet-Purpose", c.purpose)
	}
	if c.caseName != "" {
		req.Header.Set("Crawlfleet-Case", c.caseName)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &cli.Error{Code: cli.ExitInterrupted, Err: errors.New("interrupted")}
		}
		return nil, unreachable(c.base, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.problem(res)
}

// json asks for JSON and decodes it.
func (c *portalClient) json(ctx context.Context, path string, query url.Values, into any) error {
	raw, err := c.read(ctx, path, query, "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return noPortal(err)
	}
	return nil
}

// read asks for something small, of a media type.
func (c *portalClient) read(ctx context.Context, path string, query url.Values, media string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := c.send(ctx, path, query, http.Header{"Accept": {media}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if got, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || got != media {
		return nil, noPortal(fmt.Errorf("an answer of type %q", res.Header.Get("Content-Type")))
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(c.base, err)
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("the portal's answer has more than %s", cli.Bytes(maxAnswer))
	}
	return raw, nil
}

// noPortal is the error when something answers that is no portal, or one of another version.
func noPortal(err error) error {
	return fmt.Errorf("this is not how a portal answers (%w): check --portal and the versions of both", err)
}

// problem is an error that says what to do.
func (c *portalClient) problem(res *http.Response) error {
	if where := res.Header.Get("Location"); res.StatusCode >= 300 && res.StatusCode < 400 && where != "" {
		return fmt.Errorf("the portal leads to %s, where your token is not sent to: if that is right, name it with --portal", where)
	}
	var said struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(raw), &said)
	}
	if err != nil || said.Error == "" {
		return noPortal(fmt.Errorf("it answers %s", res.Status))
	}
	parts := compact([]string{strings.TrimSuffix(said.Error, "."), strings.TrimSuffix(said.Hint, "."), c.remedy(res.StatusCode)})
	return &portalError{status: res.StatusCode, text: strings.Join(parts, "; ")}
}

func compact(parts []string) (kept []string) {
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// portalError is what a portal answers when it does not do what it is asked.
type portalError struct {
	status int
	text   string
}

// Error implements error.
func (e *portalError) Error() string {
	return fmt.Sprintf("the portal says (%d): %s", e.status, e.text)
}

// remedy is what the portal cannot know: what to do with this program.
func (c *portalClient) remedy(status int) string {
	switch status {
	case http.StatusUnauthorized:
		why := "your token is over or of somebody else's"
		if c.anonymous != "" {
			why = c.anonymous
		}
		return why + `. Get a token and give it:
  kubectl create token NAME -n NAMESPACE > token
  crawlctl snapshots … --portal ` + c.base.String() + ` --token-file token`
	case http.StatusForbidden:
		return `whoever runs the fleet gives a role (crawlfleet-snapshot-viewer finds and looks, -editor also downloads):
  kubectl create rolebinding analysts -n NAMESPACE --clusterrole=crawlfleet-snapshot-editor --group=GROUP
  kubectl auth can-i --list -n NAMESPACE`
	case http.StatusPreconditionRequired:
		return `say it with --purpose "WHAT YOU LOOK FOR" and --case CASE`
	}
	return ""
}
