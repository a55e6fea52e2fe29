package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// catchUp is how long the portal is given to read what was archived, and catchUpPause how often it
// is asked whether it has: it looks at the store every two seconds.
const (
	catchUp      = time.Minute
	catchUpPause = 250 * time.Millisecond
)

// errUnknown means that the portal has nothing of the kind.
var errUnknown = errors.New("the portal has no such thing")

// portal is the address of one, with a slash at the end.
type portal string

// captures are what the portal lists of a run, the oldest first.
type captures struct {
	Items []struct {
		URL    string    `json:"url"`
		Title  string    `json:"title"`
		Status int       `json:"status"`
		Time   time.Time `json:"time"`
	} `json:"items"`
	// Count is how many there are; More is set when there are more than the portal counts.
	Count int64 `json:"count"`
	More  bool  `json:"more"`
}

// captures waits until the portal knows so many of a run, a while at most, and lists the first.
func (p portal) captures(ctx context.Context, uid string, archived int64, limit int) (found captures, err error) {
	query := url.Values{"run": {uid}, "order": {"oldest"}, "limit": {strconv.Itoa(limit)}}
	for deadline := time.Now().Add(catchUp); ; {
		found = captures{}
		if err := p.get(ctx, "api/v1/snapshots?"+query.Encode(), &found); err != nil {
			return found, err
		}
		if found.More || found.Count >= archived || time.Now().After(deadline) {
			return found, nil
		}
		select {
		case <-ctx.Done():
			return found, context.Cause(ctx)
		case <-time.After(catchUpPause):
		}
	}
}

// files counts the files of a run, and their bytes. What a worker stored and could not commit
// is none of them.
func (p portal) files(ctx context.Context, j job) (files int, bytes int64, err error) {
	var run struct {
		Chunks []struct {
			Size        int64 `json:"size"`
			Uncommitted bool  `json:"uncommitted"`
		} `json:"chunks"`
	}
	path := url.PathEscape(j.Metadata.Namespace) + "/" + url.PathEscape(j.Metadata.Name) + "/" + url.PathEscape(j.Metadata.UID)
	if err := p.get(ctx, "api/v1/runs/"+path, &run); err != nil && !errors.Is(err, errUnknown) {
		return 0, 0, err
	}
	for _, c := range run.Chunks {
		if !c.Uncommitted {
			files++
			bytes += c.Size
		}
	}
	return files, bytes, nil
}

// get asks for JSON.
func (p portal) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(p)+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the portal: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w", path, errUnknown)
	default:
		return fmt.Errorf("the portal answers %s for %s", resp.Status, req.URL)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 256<<20)).Decode(into); err != nil {
		return fmt.Errorf("read what the portal answers for %s: %w", req.URL, err)
	}
	return nil
}
