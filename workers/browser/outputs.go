package browser

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the scripts that are run in pages
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"
)

//go:embed js/probe.js
var probeOnly string

//go:embed js/scroll.js
var scrollScript string

//go:embed js/extract.js
var extractScript string

//go:embed js/piece.js
var pieceScript string

const (
	maxLinks     = 100_000
	inlineChars  = 1 << 20
	pieceChars   = 2 << 20
	maxTextChars = 64 << 20
	maxDOMChars  = 256 << 20
	// maxScreenshotHeight is the height in pixels that a picture is cut at:
	// Chrome cannot draw surfaces above 16,384 pixels in software.
	maxScreenshotHeight = 16_384
	fontsTimeout        = 3 * time.Second
	screenshotTimeout   = 20 * time.Second
)

// world is an isolated JavaScript world in the main frame: it sees the DOM but
// none of the page's own objects, and the page sees nothing of it.
type world struct {
	session  *session
	id       int64
	document int // the account's number of the document
	// gesture has what runs there count as a person's doing, so that media may play.
	gesture bool
}

// world gives the world of the document that is there; every document has one
// of its own, made when it is first needed.
func (c *capture) world(ctx context.Context) (world, error) {
	document := c.acct.progress().documents
	if c.made.id != 0 && c.made.document == document {
		return c.made, nil
	}
	var res struct {
		ID int64 `json:"executionContextId"`
	}
	err := c.tab.session.Call(ctx, "Page.createIsolatedWorld", map[string]any{"frameId": c.tab.id, "worldName": "crawlfleet"}, &res)
	if err != nil {
		return world{}, err
	}
	c.made = world{session: c.tab.session, id: res.ID, document: document}
	return c.made, nil
}

// eval runs an expression and decodes what it gives.
func (w world) eval(ctx context.Context, expression string, v any) error {
	return evaluate(ctx, w.session, map[string]any{"expression": expression, "contextId": w.id, "userGesture": w.gesture}, v)
}

// evaluate runs an expression in a page and decodes what it gives.
func evaluate(ctx context.Context, page *session, params map[string]any, v any) error {
	params["returnByValue"], params["awaitPromise"] = true, true
	var res struct {
		Result struct {
			Value jsonv2.Value `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	if err := page.Call(ctx, "Runtime.evaluate", params, &res); err != nil {
		return err
	}
	if res.Exception != nil {
		return fmt.Errorf("script: %s %s", res.Exception.Text, clip(res.Exception.Exception.Description, 300))
	}
	if v == nil {
		return nil
	}
	return decode(res.Result.Value, v)
}

// apply calls a function expression with arguments.
func (w world) apply(ctx context.Context, function string, v any, args ...any) error {
	list := make([]string, len(args))
	for i, a := range args {
		raw, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("encode a script's argument: %w", err)
		}
		list[i] = string(raw)
	}
	return w.eval(ctx, "("+function+"\n)("+strings.Join(list, ",")+")", v)
}

// extracted is what extract.js gives.
type extracted struct {
	Title       string         `json:"title"`
	URL         string         `json:"url"`
	Fonts       bool           `json:"fonts"`
	Links       []Link         `json:"links"`
	Dropped     int            `json:"dropped"`
	Width       int            `json:"width"`
	Height      int            `json:"height"`
	ShadowRoots int            `json:"shadowRoots"`
	Lengths     map[string]int `json:"lengths"`
	Text        *string        `json:"text"`
	DOM         *string        `json:"dom"`
}

// extract takes text, DOM, links and title, and writes the large ones to files.
func (c *capture) extract(ctx context.Context) error {
	w, err := c.world(ctx)
	if err != nil {
		return err
	}
	var got extracted
	err = w.apply(ctx, extractScript, &got, map[string]any{
		"text": c.visit.Text, "dom": c.visit.DOM, "fonts": fontsTimeout.Milliseconds(),
		"maxURL": maxURL, "maxLinks": maxLinks, "inline": inlineChars,
	})
	if err != nil {
		return fmt.Errorf("extract: %w", err)
	}
	p := c.page
	p.Title = clip(strings.Join(strings.Fields(got.Title), " "), 1000)
	p.Links = got.Links
	c.height, c.width = got.Height, got.Width
	if !got.Fonts {
		c.acct.limit("Fonts", "not all fonts were ready after %s", fontsTimeout)
	}
	if got.Dropped > 0 {
		c.acct.limit("Links", "%d links were too long or too many and were left out", got.Dropped)
	}
	if c.visit.Text {
		if p.TextFile, err = c.keep(ctx, w, "text", got.Text, "text.txt", got.Lengths["text"], maxTextChars); err != nil {
			return err
		}
	}
	if c.visit.DOM {
		if p.DOMFile, err = c.keep(ctx, w, "dom", got.DOM, "dom.html", got.Lengths["dom"], maxDOMChars); err != nil {
			return err
		}
	}
	return nil
}

// keep writes a derived text to a file: at once when it came along, in pieces
// when it was too large for that.
func (c *capture) keep(ctx context.Context, w world, name string, inline *string, file string, length, limit int) (string, error) {
	path := filepath.Join(c.visit.Dir, file)
	if inline != nil {
		if err := os.WriteFile(path, []byte(*inline), 0o600); err != nil {
			return "", &localError{err}
		}
		return path, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return "", &localError{err}
	}
	defer f.Close() // closed with its error below
	buf := bufio.NewWriterSize(f, 64<<10)
	for at := 0; at < min(length, limit); {
		var got struct {
			Piece string `json:"piece"`
			Next  int    `json:"next"`
		}
		if err := w.apply(ctx, pieceScript, &got, name, at, pieceChars); err != nil {
			return "", fmt.Errorf("fetch the %s: %w", name, err)
		}
		if got.Next <= at {
			break
		}
		at = got.Next
		if _, err := buf.WriteString(got.Piece); err != nil {
			return "", &localError{err}
		}
	}
	if length > limit {
		c.acct.limit("Size", "the %s was cut at %d characters", name, limit)
	}
	if err := errors.Join(buf.Flush(), f.Close()); err != nil {
		return "", &localError{err}
	}
	return path, nil
}

// screenshot takes the picture that was asked for.
func (c *capture) screenshot(ctx context.Context) error {
	bound := screenshotTimeout
	if c.acct.progress().document.failure != "" {
		bound = failedTimeout // of a document that was not shown there may never be a picture
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	view := c.stay.opts.Viewport
	width, height := view.Width, view.Height
	params := map[string]any{"format": "png", "optimizeForSpeed": true}
	if c.visit.Screenshot == ScreenshotFull && c.height > height {
		height = c.height
		if height > maxScreenshotHeight {
			c.acct.limit("Screenshot", "the picture was cut at %d of %d pixels", maxScreenshotHeight, height)
			height = maxScreenshotHeight
		}
		params["captureBeyondViewport"] = true
		params["clip"] = map[string]any{"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
	}
	answer, err := c.tab.session.callRaw(ctx, "Page.captureScreenshot", params)
	if err != nil {
		return fmt.Errorf("screenshot: %w", err)
	}
	defer answer.done()
	path := filepath.Join(c.visit.Dir, "screenshot.png")
	if err := writeBase64(path, answer.Result); err != nil {
		return err
	}
	c.page.ScreenshotFile = path
	c.page.ScreenshotWidth, c.page.ScreenshotHeight = width, height
	return nil
}

// writeBase64 writes the "data" member of a result to a file, without decoding
// the whole of it in memory first.
func writeBase64(path string, result []byte) error {
	_, rest, ok := bytes.Cut(result, []byte(`"data":"`))
	data, _, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed {
		return errors.New("screenshot: the answer holds no picture")
	}
	f, err := os.Create(path)
	if err != nil {
		return &localError{err}
	}
	_, err = io.Copy(f, base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data)))
	if err = errors.Join(err, f.Close()); err != nil {
		return &localError{err}
	}
	return nil
}

// localError is a failure of our own disk and not of the page.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }
