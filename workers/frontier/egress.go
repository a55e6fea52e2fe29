package frontier

import (
	"context"
	"fmt"
)

// Egress says why no site at all can be reached, nil when that is not known, as
// netguard.Dialer.UpstreamDown does. A nil Egress knows nothing.
type Egress func(context.Context) error

// cut says why no site can be reached, whichever it is, nil when that is not known. What does not come
// then says nothing of a site, a page or a sitemap.
func (e Egress) cut(ctx context.Context) error {
	if e == nil {
		return nil
	}
	why := e(ctx)
	if why == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("no site can be reached: %w", why)
}
