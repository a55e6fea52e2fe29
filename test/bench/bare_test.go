package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// A bare Chrome is driven with as little as there can be: a pipe, the page's milestones, and nothing else.
type bare struct {
	cmd *exec.Cmd
	in  *os.File

	mu      sync.Mutex
	next    int
	replies map[int]chan json.RawMessage
	loads   map[string]chan struct{} // by session
	done    chan struct{}
}

// message is one of the DevTools protocol, in either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// startBare starts the Chrome that a pool uses, with the same flags and as the same user.
func startBare(pool *browser.Pool, path, profile string) (*bare, error) {
	toChrome, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, fromChrome, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b := &bare{
		cmd: exec.Command(path, append(pool.Flags(), "--user-data-dir="+profile, "about:blank")...), in: in,
		replies: make(map[int]chan json.RawMessage), loads: make(map[string]chan struct{}), done: make(chan struct{}),
	}
	b.cmd.ExtraFiles = []*os.File{toChrome, fromChrome}
	b.cmd.Dir = profile
	b.cmd.Env = []string{"HOME=" + profile, "TMPDIR=" + profile, "DBUS_SESSION_BUS_ADDRESS=disabled:", "PATH=" + os.Getenv("PATH")}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		const nobody = 65534 // as the pool's Chromes
		if err := os.Chown(profile, nobody, nobody); err != nil {
			return nil, err
		}
		b.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	go b.read(out)
	return b, errors.Join(toChrome.Close(), fromChrome.Close())
}

func (b *bare) close() error {
	err := syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	_ = b.cmd.Wait() // it was killed
	<-b.done
	return errors.Join(err, b.in.Close())
}

func (b *bare) read(out io.ReadCloser) {
	defer close(b.done)
	defer out.Close()
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(line, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		if reply := b.replies[m.ID]; m.ID != 0 && reply != nil {
			delete(b.replies, m.ID)
			if m.Error != nil {
				m.Result = m.Error
			}
			reply <- m.Result
		} else if load := b.loads[m.Session]; m.Method == "Page.loadEventFired" && load != nil {
			select {
			case load <- struct{}{}:
			default:
			}
		}
		b.mu.Unlock()
	}
}

func (b *bare) call(ctx context.Context, session, method string, params, result any) error {
	reply := make(chan json.RawMessage, 1)
	b.mu.Lock()
	b.next++
	b.replies[b.next] = reply
	raw, err := json.Marshal(message{ID: b.next, Session: session, Method: method, Params: params})
	if err == nil {
		_, err = b.in.Write(append(raw, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case raw := <-reply:
		if result == nil {
			return nil
		}
		return json.Unmarshal(raw, result)
	case <-b.done:
		return errors.New("Chrome has ended")
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

// open makes a tab in a context of its own and returns its session. proxy is empty for none.
func (b *bare) open(ctx context.Context, proxy string) (string, error) {
	if proxy == "" {
		proxy = "direct://"
	}
	var made struct {
		Context string `json:"browserContextId"`
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	view := browser.DefaultViewport
	err := b.call(ctx, "", "Target.createBrowserContext", map[string]any{"proxyServer": proxy, "proxyBypassList": "<-loopback>"}, &made)
	if err == nil {
		err = b.call(ctx, "", "Target.createTarget", map[string]any{
			"url": "about:blank", "browserContextId": made.Context, "width": view.Width, "height": view.Height,
		}, &made)
	}
	if err == nil {
		err = b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": made.Target, "flatten": true}, &made)
	}
	if err == nil {
		b.mu.Lock()
		b.loads[made.Session] = make(chan struct{}, 1)
		b.mu.Unlock()
		err = b.call(ctx, made.Session, "Page.enable", nil, nil)
	}
	return made.Session, err
}

// visit navigates and waits for the load event.
func (b *bare) visit(ctx context.Context, session, url string) error {
	b.mu.Lock()
	load := b.loads[session]
	b.mu.Unlock()
	select {
	case <-load: // of the empty page
	default:
	}
	var res struct {
		ErrorText string `json:"errorText"`
	}
	if err := b.call(ctx, session, "Page.navigate", map[string]any{"url": url}, &res); err != nil {
		return err
	}
	if res.ErrorText != "" {
		return fmt.Errorf("%s: %s", url, res.ErrorText)
	}
	select {
	case <-load:
		return nil
	case <-b.done:
		return errors.New("Chrome has ended")
	case <-ctx.Done():
		return fmt.Errorf("%s: no load event: %w", url, context.Cause(ctx))
	}
}

// runBare is the limit: navigate, wait for the load event, next. With the variant record, everything goes through a
// recorder, which writes down each page, with relay through a proxy that does no more than pass bytes on; with
// picture, the window is drawn and photographed.
func (r *run) runBare(ctx context.Context) (timing, error) {
	profile, err := os.MkdirTemp("", "crawlfleet-bench-")
	if err != nil {
		return timing{}, err
	}
	defer os.RemoveAll(profile)
	b, err := startBare(r.pool, r.chrome(), profile)
	if err != nil {
		return timing{}, err
	}
	defer b.close()
	visits := make([]func(string) error, r.Tabs)
	for i := range visits {
		visit, end, err := r.bareTab(ctx, b)
		if err != nil {
			return timing{}, err
		}
		defer end()
		visits[i] = visit
	}
	return r.measure(b.cmd.Process.Pid, visits)
}

// bareTab opens a tab and says how it visits a page.
func (r *run) bareTab(ctx context.Context, b *bare) (visit func(string) error, end func(), err error) {
	end = func() {}
	proxy := ""
	begin := func() error { return nil }
	finish := begin
	switch r.Variant {
	case variantRelay:
		address, stop, err := relay(r.URLs[0])
		if err != nil {
			return nil, end, err
		}
		proxy, end = "http://"+address, stop
	case variantRecord:
		session, err := r.recorder.NewSession(ctx)
		if err != nil {
			return nil, end, err
		}
		proxy, end = "http://"+session.Addr(), func() { _ = session.Close() }
		begin = func() error { return session.Begin(r.pageDir()) }
		finish = func() error { _, err := session.End(ctx); return err }
	}
	tab, err := b.open(ctx, proxy)
	if err != nil {
		end()
		return nil, func() {}, err
	}
	return func(url string) error {
		if err := begin(); err != nil {
			return err
		}
		err := b.visit(ctx, tab, url)
		if err == nil && r.Variant == variantPicture {
			err = b.call(ctx, tab, "Page.captureScreenshot", map[string]any{"format": "png", "optimizeForSpeed": true}, nil)
		}
		return errors.Join(err, finish())
	}, end, nil
}
