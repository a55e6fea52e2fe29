package sites

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxLogLine bounds one line of a log: paths are bounded by the server's header limit of 1 MiB.
const maxLogLine = 2 << 20

// ReadLog fetches the entries that f selects from the log of a site in another process. logURL is the one that
// the site printed at its start.
func ReadLog(ctx context.Context, logURL string, f Filter) ([]Entry, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, logURL+"?"+f.Query().Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("read the request log: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the request log: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the request log at %s: %s", logURL, res.Status)
	}
	return ParseLog(res.Body)
}

// ResetLog makes a site in another process forget the entries whose answer has ended.
func ResetLog(ctx context.Context, logURL string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, logURL+"/reset", nil)
	if err != nil {
		return fmt.Errorf("reset the request log: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reset the request log: %w", err)
	}
	if res.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("reset the request log at %s: %s", logURL, res.Status)
	}
	return errors.Join(err, res.Body.Close())
}

// ParseLog reads the JSON lines of a log.
func ParseLog(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return entries, fmt.Errorf("request log, line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return entries, fmt.Errorf("request log, after line %d: %w", len(entries), err)
	}
	return entries, nil
}
