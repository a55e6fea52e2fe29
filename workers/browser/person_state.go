package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto"

	"crawlfleet.dev/crawlfleet/internal/profile"
)

// readTimeout bounds the reading of one origin's storage.
const readTimeout = 10 * time.Second

// State reads what the person's log-ins have left behind: all cookies, and the storage of
// every origin that was visited. The pages that are open are left for it. What could not
// be read, or not all of it, is named by the second result.
func (p *Person) State(ctx context.Context) (*profile.State, []string, error) {
	var got struct {
		Cookies []profile.Cookie `json:"cookies"`
	}
	if err := p.proc.conn.root.Call(ctx, "Storage.getCookies", nil, &got); err != nil {
		return nil, nil, p.closed(err)
	}
	r := reading{person: p, found: map[string]*profile.Origin{}}
	if err := r.all(ctx); err != nil {
		return nil, nil, p.closed(err)
	}
	state := &profile.State{Cookies: got.Cookies, Origins: []profile.Origin{}}
	for _, origin := range p.seen() {
		o := r.found[origin]
		if o == nil {
			r.unread = append(r.unread, origin)
		} else if len(o.LocalStorage)+len(o.SessionStorage) > 0 {
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

// tabInfo is a page that is open. Its address may be one that it is only on its way to.
type tabInfo struct {
	ID   string `json:"targetId"`
	Type string `json:"type"`
	URL  string `json:"url"`
}

// tabs are the pages that are open.
func (p *Person) tabs(ctx context.Context) ([]tabInfo, error) {
	var got struct {
		TargetInfos []tabInfo `json:"targetInfos"`
	}
	if err := p.proc.conn.root.Call(ctx, "Target.getTargets", nil, &got); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(got.TargetInfos, func(t tabInfo) bool { return t.Type != "page" }), nil
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

// pageGone reports whether an error is that of a page which has been closed.
func pageGone(err error) bool {
	var answer *cdproto.Error
	return errors.Is(err, errDetached) ||
		errors.As(err, &answer) && (strings.Contains(answer.Message, "No target with given id") || strings.Contains(answer.Message, "Session with given id"))
}

// reading gathers storage from page to page.
type reading struct {
	person *Person
	found  map[string]*profile.Origin
	unread []string // of which some is missing
}

// all reads all pages, each of which may be closed meanwhile.
func (r *reading) all(ctx context.Context) error {
	pages, err := r.person.tabs(ctx)
	if err != nil {
		return err
	}
	// First what pages show, as they are: what a page has just written can be seen in it
	// before it can be seen elsewhere, and it may clear away when it is left.
	shown := map[string]string{}
	for _, t := range pages {
		if err := r.person.with(ctx, t.ID, func(page *session) (err error) {
			shown[t.ID], err = r.live(ctx, page)
			return err
		}); r.ends(ctx, err) {
			return err
		}
	}
	visited := r.person.seen()
	for _, t := range pages {
		others := slices.DeleteFunc(slices.Clone(visited), func(origin string) bool { return origin == shown[t.ID] })
		err := r.person.with(ctx, t.ID, func(page *session) error { return r.storage(ctx, page, others) })
		if r.ends(ctx, err) {
			return err
		}
		if err != nil && !pageGone(err) {
			r.unread = append(r.unread, others...)
		}
	}
	// Local storage needs no page of the person's.
	rest := slices.DeleteFunc(visited, func(origin string) bool { return r.found[origin] != nil })
	if len(rest) == 0 {
		return nil
	}
	var own struct {
		TargetID string `json:"targetId"`
	}
	if err := r.person.proc.conn.root.Call(ctx, "Target.createTarget", map[string]any{"url": "about:blank"}, &own); err != nil {
		return err
	}
	err = r.person.with(ctx, own.TargetID, func(page *session) error { return r.storage(ctx, page, rest) })
	if r.ends(ctx, err) {
		return err
	}
	return nil // what it could not read is not found
}

// ends reports whether an error ends all reading.
func (r *reading) ends(ctx context.Context, err error) bool {
	return err != nil && (errors.Is(err, errLost) || ctx.Err() != nil)
}

// frameTree is a frame with those in it.
type frameTree struct {
	Frame struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	} `json:"frame"`
	Children []frameTree `json:"childFrames"`
}

// live notes the origins of the frames that a page has, and reads the storage that its
// document sees. It returns the origin of that, empty when there is none to read.
func (r *reading) live(ctx context.Context, page *session) (origin string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout) // a dialog may keep the page from answering
	defer cancel()
	var got struct {
		FrameTree frameTree `json:"frameTree"`
	}
	if err := page.Call(ctx, "Page.getFrameTree", nil, &got); err != nil {
		return "", err
	}
	var walk func(t frameTree)
	walk = func(t frameTree) {
		r.person.visited(t.Frame.URL)
		for _, c := range t.Children {
			walk(c)
		}
	}
	walk(got.FrameTree)
	// A world of its own, in which no script of the site has changed what storage does.
	var world struct {
		ID int64 `json:"executionContextId"`
	}
	if err := page.Call(ctx, "Page.createIsolatedWorld", map[string]any{"frameId": got.FrameTree.Frame.ID, "worldName": "crawlfleet"}, &world); err != nil {
		return "", err
	}
	var found profile.Origin
	if err := evaluate(ctx, page, map[string]any{"expression": "(" + readStorage + ")(location.origin)", "contextId": world.ID}, &found); err != nil {
		return "", err // an error page, or another document without storage, too
	}
	if !strings.HasPrefix(found.Origin, "http") {
		return "", nil
	}
	r.person.visited(found.Origin)
	r.add(found)
	return found.Origin, nil
}

// storage reads the storage of origins in a page, with documents of ours. Local storage
// is the same in every page; session storage is of the page.
func (r *reading) storage(ctx context.Context, page *session, list []string) error {
	begin, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for _, method := range []string{"Page.enable", "Network.enable"} {
		if err := page.Call(begin, method, nil, nil); err != nil {
			return err
		}
	}
	// No service worker of the site answers for it.
	if err := page.Call(begin, "Network.setBypassServiceWorker", map[string]any{"bypass": true}, nil); err != nil {
		return err
	}
	o, err := newOrigins(begin, page)
	if err != nil {
		return err
	}
	for _, origin := range list {
		bounded, cancel := context.WithTimeout(ctx, readTimeout)
		got, err := o.read(bounded, origin)
		cancel()
		switch {
		case err == nil:
			r.add(got)
		case r.ends(ctx, err), pageGone(err):
			return err
		default:
			r.unread = append(r.unread, origin)
		}
	}
	end, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	_, err = o.close(end)
	return err
}

// add takes what was read of an origin: of local storage the first, of session storage
// that of the first page that has any.
func (r *reading) add(got profile.Origin) {
	before := r.found[got.Origin]
	if before == nil {
		r.found[got.Origin] = &got
	} else if len(before.SessionStorage) == 0 {
		before.SessionStorage = got.SessionStorage
	}
}
