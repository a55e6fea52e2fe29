package frontier

import (
	"errors"
	"fmt"
)

// Log calls visit for every page that failed or was skipped, in the order in which that
// was decided, until it returns false.
func (s *State) Log(visit func(Page) bool) error {
	errStop := errors.New("stop")
	each := func(r row) error {
		p, err := readLogRow(r)
		if err == nil && !visit(*p) {
			err = errStop
		}
		return err
	}
	read := func() error {
		for _, ref := range s.manifest.Tables.Log {
			seg, err := s.fetch(ref, kindLog)
			if err != nil {
				return err
			}
			if err := seg.scan(s.codec, each); err != nil {
				return err
			}
		}
		for _, r := range s.log {
			if err := each(r); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(); err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}
