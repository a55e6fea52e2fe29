package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/internal/profile"
)

// readTimeout bounds the reading of one origin's storage.
const readTimeout = 10 * time.Second

// State reads what the person's log-ins have left behind: all cookies, and the storage of
// every origin that was visited. The pages that are open are left for it. What could not
// be read is named by the second result.
func (p *Person) State(ctx context.Context) (*profile.State, []string, error) {
	var got struct {
		Cookies []profile.Cookie `json:"cookies"`
	}
	if err := p.proc.conn.root.Call(ctx, "Storage.getCookies", nil, &got); err != nil {
		return nil, nil, p.closed(err)
	}
	pages, err := p.tabs(ctx)
	if err != nil {
		return nil, nil, p.closed(err)
	}
	r := reading{person: p, found: map[string]*profile.Origin{}}
	for _, id := range pages {
		if err := p.with(ctx, id, func(page *session) error { return r.frames(ctx, page) }); err != nil {
			return nil, nil, p.closed(err)
		}
	}
	p.mu.Lock()
	visited := slices.Clone(p.origins)
	p.mu.Unlock()
	for _, id := range pages {
		if err := p.with(ctx, id, func(page *session) error { return r.storage(ctx, page, visited) }); err != nil {
			return nil, nil, p.closed(err)
		}
	}
	state := &profile.State{Cookies: got.Cookies, Origins: []profile.Origin{}}
	for _, origin := range visited {
		if o := r.found[origin]; o != nil && len(o.LocalStorage)+len(o.SessionStorage) > 0 {
			state.Origins = append(state.Origins, *o)
		}
	}
	if state.Cookies == nil {
		state.Cookies = []profile.Cookie{}
	}
	slices.Sort(r.unread)
	return state, slices.Compact(r.unread), nil
}

// closed tells a browser that the person has closed from other trouble.
func (p *Person) closed(err error) error {
	if errors.Is(err, errLost) {
		return ErrBrowserClosed
	}
	return fmt.Errorf("read the browser's state: %w", err)
}

// tabs are the pages that are open.
func (p *Person) tabs(ctx context.Context) ([]string, error) {
	var got struct {
		TargetInfos []struct {
			TargetID string `json:"targetId"`
			Type     string `json:"type"`
		} `json:"targetInfos"`
	}
	if err := p.proc.conn.root.Call(ctx, "Target.getTargets", nil, &got); err != nil {
		return nil, err
	}
	var ids []string
	for _, t := range got.TargetInfos {
		if t.Type == "page" {
			ids = append(ids, t.TargetID)
		}
	}
	return ids, nil
}

// with has a page at hand.
func (p *Person) with(ctx context.Context, id string, do func(page *session) error) error {
	root := p.proc.conn.root
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	if err := root.Call(ctx, "Target.attachToTarget", map[string]any{"targetId": id, "flatten": true}, &attached); err != nil {
		return err
	}
	defer root.post("Target.detachFromTarget", map[string]any{"sessionId": attached.SessionID})
	return do(p.proc.conn.session(attached.SessionID))
}

// reading gathers storage from page to page.
type reading struct {
	person *Person
	found  map[string]*profile.Origin
	unread []string
}

// frameTree is a frame with those in it.
type frameTree struct {
	Frame struct {
		URL string `json:"url"`
	} `json:"frame"`
	Children []frameTree `json:"childFrames"`
}

// frames notes the origins of the frames that a page has.
func (r *reading) frames(ctx context.Context, page *session) error {
	var got struct {
		FrameTree frameTree `json:"frameTree"`
	}
	if err := page.Call(ctx, "Page.getFrameTree", nil, &got); err != nil {
		return err
	}
	r.person.mu.Lock()
	defer r.person.mu.Unlock()
	var walk func(t frameTree)
	walk = func(t frameTree) {
		r.person.visited(t.Frame.URL)
		for _, c := range t.Children {
			walk(c)
		}
	}
	walk(got.FrameTree)
	return nil
}

// storage reads the storage of all origins in a page. Local storage is the same in every
// page; session storage is of the page.
func (r *reading) storage(ctx context.Context, page *session, visited []string) error {
	for _, method := range []string{"Page.enable", "Network.enable"} {
		if err := page.Call(ctx, method, nil, nil); err != nil {
			return err
		}
	}
	// No service worker of the site answers for it.
	if err := page.Call(ctx, "Network.setBypassServiceWorker", map[string]any{"bypass": true}, nil); err != nil {
		return err
	}
	o, err := newOrigins(ctx, page)
	if err != nil {
		return err
	}
	for _, origin := range visited {
		bounded, cancel := context.WithTimeout(ctx, readTimeout)
		got, err := o.read(bounded, origin)
		cancel()
		if errors.Is(err, errLost) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			r.unread = append(r.unread, origin)
			continue
		}
		if before := r.found[origin]; before == nil {
			r.found[origin] = &got
		} else if len(before.SessionStorage) == 0 {
			before.SessionStorage = got.SessionStorage
		}
	}
	_, err = o.close(ctx)
	return err
}
