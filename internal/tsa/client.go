package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/digitorus/timestamp"
)

// Media types of RFC 3161 section 3.4.
const (
	queryType = "application/timestamp-query"
	replyType = "application/timestamp-reply"
)

// defaultTimeout is the time for a stamp in all.
const defaultTimeout = 30 * time.Second

// Client asks an authority for stamps. Its methods may be called at the same time.
type Client struct {
	// URL is where the authority takes requests over HTTP (RFC 3161 section 3.4).
	URL string
	// Roots are what the authority's chain must end at, nil when that is not judged.
	Roots *x509.CertPool
	// HTTP is what requests are made with, default http.DefaultClient. Redirections
	// are not followed.
	HTTP *http.Client
	// Timeout is the time for a stamp in all, default 30 seconds.
	Timeout time.Duration
}

// Answer is a stamp as an authority gave it. It has been checked.
type Answer struct {
	// Response is the whole TimeStampResp (DER), Token its TimeStampToken.
	Response, Token []byte
	Stamp           *Stamp
}

// Stamp asks for a stamp over a SHA-256 sum, with a nonce and the authority's
// certificates, and verifies what comes.
func (c *Client) Stamp(ctx context.Context, sum [sha256.Size]byte) (*Answer, error) {
	answer, err := c.stamp(ctx, sum)
	if err != nil {
		return nil, fmt.Errorf("time stamp of %s: %w", c.URL, err)
	}
	return answer, nil
}

func (c *Client) stamp(ctx context.Context, sum [sha256.Size]byte) (*Answer, error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	query, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}).Marshal()
	if err != nil {
		return nil, err
	}
	reply, err := c.post(ctx, query)
	if err != nil {
		return nil, err
	}
	// (The library goes by depth, too: see checkDER.)
	if err := checkDER(reply, 0); err != nil {
		return nil, fmt.Errorf("the answer is no time-stamp response: %w", err)
	}
	// An answer that is not granted is an error of its own: rejected, and why.
	parsed, err := timestamp.ParseResponse(reply)
	if err != nil {
		return nil, err
	}
	stamp, err := Verify(parsed.RawToken, sum, Options{Roots: c.Roots, Nonce: nonce})
	if err != nil {
		return nil, err
	}
	return &Answer{Response: reply, Token: parsed.RawToken, Stamp: stamp}, nil
}

// post sends a query and reads the reply, both within bounds.
func (c *Client) post(ctx context.Context, query []byte) ([]byte, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(query))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", queryType)
	req.Header.Set("Accept", replyType)
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, unwrapURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || t != replyType {
		return nil, fmt.Errorf("it answered with %q, not %s", resp.Header.Get("Content-Type"), replyType)
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, MaxToken+1))
	if err != nil {
		return nil, err
	}
	if len(reply) > MaxToken {
		return nil, fmt.Errorf("it answered with more than %d bytes", MaxToken)
	}
	return reply, nil
}

// client is the HTTP client, which follows no redirection: a stamp is of the authority
// that was asked.
func (c *Client) client() *http.Client {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// unwrapURL leaves out the method and address that net/http puts before an error: the
// address has been said.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
