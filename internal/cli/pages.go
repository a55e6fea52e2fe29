package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// Bounds of a list of pages.
const (
	maxLine  = 64 << 10
	maxPages = 5_000_000
)

// ReadPages reads a list of pages, one address a line. Blank lines and lines
// that begin with # are skipped, a byte order mark and Windows line ends are
// taken for what they are, and an address that is listed again is left out. The
// error names every bad line by its number (at most ten of them), as
// "name:line: why".
func ReadPages(r io.Reader, name string) ([]string, error) {
	var pages []string
	var bad []error
	seen := make(map[string]struct{})
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4<<10), maxLine)
	n := 0
	for in.Scan() {
		n++
		line := in.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		page, err := CheckPage(line)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		if _, again := seen[page]; again {
			continue
		}
		if len(pages) == maxPages {
			return nil, fmt.Errorf("%s:%d: more than %d pages in one list: split it", name, n, maxPages)
		}
		seen[page] = struct{}{}
		pages = append(pages, page)
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("the line is longer than %d bytes", maxLine)
		}
		bad = append(bad, fmt.Errorf("%s:%d: %w", name, n+1, err))
	}
	if len(bad) == 0 {
		return pages, nil
	}
	if more := len(bad) - 10; more > 0 {
		bad = append(bad[:10], fmt.Errorf("%s: and %d more bad lines", name, more))
	}
	return nil, errors.Join(bad...)
}

// CheckPage checks the address of a page and returns it as it will be visited.
func CheckPage(s string) (string, error) {
	u, err := url.Parse(s)
	var escape url.EscapeError
	if errors.As(err, &escape) {
		return checkBrowsers(s)
	}
	switch {
	case err != nil:
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return "", fmt.Errorf("%q is not an address: %w", s, err)
	case u.Scheme == "" || (u.Host == "" && u.Opaque != "" && !strings.Contains(u.Scheme, "http")):
		return "", fmt.Errorf("%q has no scheme: did you mean https://%s?", s, strings.TrimLeft(s, "/"))
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%q: only http and https pages can be captured", s)
	case u.Hostname() == "":
		return "", fmt.Errorf("%q names no host", s)
	case u.User != nil:
		return "", fmt.Errorf("the address on %s holds a user name or password: crawlfleet does not log in", u.Host)
	}
	return u.String(), nil
}

// checkBrowsers checks an address with a "%" that net/url does not take and browsers do.
func checkBrowsers(s string) (string, error) {
	_, err := urls.Canonicalize(s)
	var bad *urls.Error
	if errors.As(err, &bad) {
		return "", errors.New("the address " + bad.Detail)
	}
	return s, err
}
