package browser

import (
	"context"
	"slices"
	"time"
)

// frameTimeout bounds what is done in one frame. A frame that hangs is passed over: the
// page is not hung for it.
const frameTimeout = 4 * time.Second

// inFrames runs something in the frames with the given addresses, as far as they can be
// reached. Errors are the frames' own and are passed over.
func (c *capture) inFrames(ctx context.Context, addresses []string, do func(context.Context, world) error) {
	for _, id := range c.acct.framesAt(addresses) {
		if !c.calm(ctx) {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, frameTimeout)
		if w, err := c.frameWorld(bounded, id); err == nil {
			_ = do(bounded, w) // it may go at any time
		}
		cancel()
	}
}

// framesAt are the frames, but for the main one, that show one of the addresses.
func (a *account) framesAt(addresses []string) []string {
	if len(addresses) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var ids []string
	for _, id := range a.order {
		if f := a.frames[id]; id != a.main && f.URL != "" && slices.Contains(addresses, f.URL) {
			ids = append(ids, id)
		}
	}
	return ids
}

// frameWorld makes a world in a frame, which may live in another process and then has a
// session of its own.
func (c *capture) frameWorld(ctx context.Context, frame string) (world, error) {
	var err error
	for _, s := range c.tab.sessions() {
		var res struct {
			ID int64 `json:"executionContextId"`
		}
		if err = s.Call(ctx, "Page.createIsolatedWorld", map[string]any{"frameId": frame, "worldName": "crawlfleet"}, &res); err == nil {
			return world{session: s, id: res.ID}, nil
		}
	}
	return world{}, err
}

// sessions are the page's own session and those of its frames in other processes.
func (t *tab) sessions() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []*session{t.session}
	for _, c := range t.children {
		list = append(list, c.session)
	}
	return list
}
