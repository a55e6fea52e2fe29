package frontier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/robots"
)

// RobotsRecorder has the requests for robots.txt recorded, so that they can be archived.
type RobotsRecorder struct {
	*recorder.Recorder
	// Dir is where the bodies lie.
	Dir string
}

// tape is a robots.txt with the redirects that led to it, as the recorder saw them.
type tape struct {
	exchanges []recorder.Exchange
	dir       string // of the bodies
}

// tapeKept is how long the bodies of a robots.txt stay that is not used any more: a bundle that
// asked it before may still be writing it into a chunk.
const tapeKept = 15 * time.Minute

// retire removes the bodies when nobody reads them any more.
func (t tape) retire() {
	if t.dir != "" {
		// They are within the worker's folder, which is removed in the end.
		time.AfterFunc(tapeKept, func() { _ = os.RemoveAll(t.dir) })
	}
}

// fetch has ask make its request with a client whose requests are recorded. What went wrong
// on the way to the origin is told as the recorder saw it; acceptBad lets a bad certificate pass.
func (r *RobotsRecorder) fetch(ctx context.Context, acceptBad bool, ask func(*http.Client) (*robots.Rules, *RobotsFailure)) (rules *robots.Rules, failure *RobotsFailure, t tape, err error) {
	session, err := r.NewSession(ctx)
	if err != nil {
		return nil, nil, t, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if t.dir, err = os.MkdirTemp(r.Dir, "robots-"); err != nil {
		return nil, nil, t, fmt.Errorf("make a folder for robots.txt: %w", err)
	}
	if err := session.Begin(recorder.Page{Dir: t.dir, MaxBody: robots.MaxSize + 1, AcceptBadCertificates: acceptBad}); err != nil {
		return nil, nil, t, err
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(r.Authority())
	rules, failure = ask(&http.Client{
		CheckRedirect: followRobots,
		Transport: &http.Transport{
			Proxy:                  http.ProxyURL(&url.URL{Scheme: "http", Host: session.Addr()}),
			TLSClientConfig:        &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxRobotsHead,
		},
	})
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), robotsTimeout) // the request's own time may be over
	defer cancel()
	if t.exchanges, err = session.End(ending); err != nil {
		return nil, nil, t, err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) { // to the recorder that is a client that goes away
		return rules, failure, t, nil
	}
	if n := len(t.exchanges); failure != nil && n > 0 && t.exchanges[n-1].Failure != "" {
		return nil, robotsFailed(t.exchanges[n-1].Failure, t.exchanges[n-1].Detail), t, nil
	}
	return rules, failure, t, nil
}
