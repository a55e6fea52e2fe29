// Package guide reads the commands that a guide tells its readers to run, so that tests run those and no others.
package guide

import (
	"fmt"
	"os"
	"regexp"
)

// block is a fenced block of commands, under its heading of the second level.
var block = regexp.MustCompile("(?ms)^## (.*?)$|^```sh\n(.*?)^```$")

// Commands are the blocks of a page that are marked as sh, by their headings of the second level; several under one heading
// follow each other.
func Commands(page string) (map[string]string, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, fmt.Errorf("read the guide: %w", err)
	}
	all, heading := map[string]string{}, ""
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			heading = m[1]
			continue
		}
		all[heading] += m[2]
	}
	return all, nil
}
