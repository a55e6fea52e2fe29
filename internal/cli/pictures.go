package cli

import (
	"fmt"
	"log/slog"

	"crawlfleet.dev/crawlfleet/internal/hashlist"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// DefaultPictureMegabytes is the size of a picture up to which it is held to be judged.
const DefaultPictureMegabytes = 64

// heldPictures is how many pictures of the largest size may be held at once.
const heldPictures = 8

// Pictures are what the flags --hash-list and --hash-list-megabytes say; nil without a list.
func Pictures(path string, megabytes int, log *slog.Logger) (*recorder.Pictures, error) {
	if megabytes < 1 || megabytes > 1024 {
		return nil, Usage("--hash-list-megabytes %d: want 1 to 1024", megabytes)
	}
	if path == "" {
		return nil, nil
	}
	list, err := hashlist.Open(path, log)
	if err != nil {
		return nil, fmt.Errorf("--hash-list: %w", err)
	}
	most := int64(megabytes) * 1_000_000
	return &recorder.Pictures{List: list, MaxBytes: most, MaxHeld: heldPictures * most}, nil
}
