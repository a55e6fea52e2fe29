package order

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// MaxSeedURL is the length of an address in bytes that a seed may have, the same in a list
// as in spec.seeds.urls.
const MaxSeedURL = 2048

// The bounds of a list of seeds: the length of a line in bytes, and how many wrong lines an
// error names.
const (
	maxLine  = 64 << 10
	maxSlips = 3
)

// ReadSeeds calls take for each address in a list, one a line, as it is read. It passes
// over empty lines and lines that begin with #, a byte order mark and carriage returns. Its
// error names the first few lines that hold something else, without repeating what they
// hold: "line 3 is not a whole web address such as …".
func ReadSeeds(r io.Reader, take func(address string)) error {
	var slips []string
	wrong, number := 0, 0
	slip := func(at int, why any) {
		if wrong++; wrong <= maxSlips {
			slips = append(slips, fmt.Sprintf("line %d %v", at, why))
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4<<10), maxLine)
	for lines.Scan() {
		line := lines.Text()
		if number++; number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // some editors write it
		}
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := CheckSeed(line); err != nil {
			slip(number, err)
			continue
		}
		take(line)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		slip(number+1, fmt.Sprintf("is longer than %d bytes", maxLine))
	case err != nil:
		slip(number+1, fmt.Sprintf("cannot be read: %v", err))
	}
	if wrong > maxSlips {
		slips = append(slips, fmt.Sprintf("and %d more lines", wrong-maxSlips))
	}
	if wrong > 0 {
		return errors.New(strings.Join(slips, "; "))
	}
	return nil
}

// siteOf is the part of an address before its path.
var siteOf = regexp.MustCompile(`^[^/?#]*//[^/?#]*`)

// CheckSeed holds a line of a list to the rules that the API server holds spec.seeds.urls
// to. Its error goes on a sentence that begins with "line 3".
func CheckSeed(line string) error {
	if len(line) > MaxSeedURL {
		return fmt.Errorf("is longer than %d bytes", MaxSeedURL)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("contains a space (write %20, and one address a line)")
	}
	u, err := url.Parse(siteOf.FindString(line)) // a path may hold what net/url takes for a broken escape
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("is not a whole web address such as https://www.example.org/path")
	}
	if u.User != nil {
		return errors.New("carries a user name or password (the part before @)")
	}
	if _, fragment, _ := strings.Cut(line, "#"); strings.HasPrefix(fragment, "/") || strings.HasPrefix(fragment, "!") {
		return errors.New("points at a route behind #, which is never sent to a server")
	}
	var invalid *urls.Error
	switch _, err := urls.Canonicalize(line); { // what a crawl asks first; its words repeat the host
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == urls.ReasonPort:
		return errors.New("has a port that is not a number from 0 to 65535")
	}
	return errors.New("has a host that is neither a name nor an IP address")
}
