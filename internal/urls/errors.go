package urls

import "fmt"

// Reasons why a URL is not one that can be crawled.
const (
	ReasonEmpty       = "Empty"       // nothing but white space
	ReasonScheme      = "Scheme"      // a scheme other than http and https, such as mailto
	ReasonRelative    = "Relative"    // no scheme, and no base to resolve against
	ReasonHost        = "Host"        // no host, or one that no name or address can be
	ReasonPort        = "Port"        // not a number from 0 to 65535
	ReasonCredentials = "Credentials" // a user name or password before the host
	ReasonTooLong     = "TooLong"     // more than MaxLength bytes
)

// MaxLength is the length in bytes above which a URL is refused. Chromium
// navigates to no URL longer than 2 MiB; servers refuse far shorter ones.
const MaxLength = 64 << 10

// Error says why a URL was refused.
type Error struct {
	// URL as it was given, shortened to a length that fits a message.
	URL string
	// Reason is one of the Reason constants, for programs.
	Reason string
	// Scheme is the scheme in lower case, where it is the reason.
	Scheme string
	// Detail is for people.
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("url %q: %s", e.URL, e.Detail) }
