package browser

import "strings"

// targetCrashed takes the death of a renderer. That of a tab's own page ends the page; that
// of a frame in another process leaves a page that has a hole.
func (c *chrome) targetCrashed(ev targetEvent) {
	for _, t := range c.tabs() {
		own, frame := t.has(ev.TargetID)
		switch {
		case own:
			t.abandon()
			return
		case frame:
			if a := t.account(); a != nil {
				a.frameCrashed(ev.TargetID)
			}
			return
		}
	}
}

// has reports whether a target is the tab's page, or a frame of it in another process.
func (t *tab) has(target string) (own, frame bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.children {
		frame = frame || !c.worker && c.target == target
	}
	return t.id == target, frame
}

// frameCrashed notes that a frame is gone, and no longer waits for what was asked for in
// it and in the frames below it: Chrome tells no end of that. The ID of a frame's target
// is the frame's own.
func (a *account) frameCrashed(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaving {
		return // everything that is made of the page is there
	}
	for _, r := range a.open {
		if a.within(r.line.FrameID, id) {
			r.stale = true
		}
	}
	if len(a.limits) < maxActions {
		a.bound(LimitFrame, "the renderer of a frame crashed: %s", a.whereabouts(id))
	}
	a.notify()
}

// within reports whether a frame is another one or below it. The caller holds the lock.
func (a *account) within(id, root string) bool {
	for range maxFrames { // parents are told by the browser: no circle can hold us
		if id == root {
			return true
		}
		f := a.frames[id]
		if f == nil {
			return false
		}
		id = f.Parent
	}
	return false
}

// whereabouts is a frame's address without its query, or only the scheme of one that is
// content itself, as data: is. The caller holds the lock.
func (a *account) whereabouts(id string) string {
	f := a.frames[id]
	switch {
	case f == nil || f.URL == "":
		return "its address is not known"
	case networked(f.URL):
		address, _, _ := strings.Cut(f.URL, "#")
		address, _, _ = strings.Cut(address, "?")
		return clip(address, 500)
	}
	scheme, _, _ := strings.Cut(f.URL, ":")
	return clip(scheme, 50) + ":"
}
