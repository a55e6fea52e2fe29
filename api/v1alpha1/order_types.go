package v1alpha1

// SeedURL is the address of a page or sitemap to start from.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="[self.find('^[^/?#]*//[^/?#]*')].all(site, isURL(site) && url(site).getScheme() in ['http', 'https'] && url(site).getHostname().size() > 0)",message="must be a whole web address such as https://www.example.org/path: it begins with http:// or https:// and names a host"
// +kubebuilder:validation:XValidation:rule="!self.matches('[[:space:]]')",message="must not contain spaces: write %20 for a space, and give one address per entry"
// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/?#]*//[^/?#]*@')",message="must not carry a user name or password (the part before @): it would be written into every record; remove it"
// +kubebuilder:validation:XValidation:rule="!self.matches('#[!/]')",message="must not point at a route behind # (such as #/ or #!): that part is never sent to a server and cannot be told apart in an archive; give the address that the site uses without it"
// +kubebuilder:validation:XValidation:rule="[self.find('^[^/?#]*//[^/?#]*')].all(site, !isURL(site) || url(site).getPort().size() == 0 || double(url(site).getPort()) <= 65535.0)",message="must have a port from 0 to 65535, or none"
// +kubebuilder:validation:XValidation:rule=`[self.find('//[^/:?#]+')].all(host, !host.matches(r'\.\d+$') || isIP(host.substring(2)))`,message="must name the host as an IPv4 address such as 192.0.2.1, because it ends in a number"
type SeedURL string

// Seeds are the pages to start from. They are crawled whatever the scope says.
//
// +kubebuilder:validation:XValidation:rule="(has(self.urls) && self.urls.size() > 0) || (has(self.sitemaps) && self.sitemaps.size() > 0) || (has(self.configMaps) && self.configMaps.size() > 0)",message="give at least one seed: seeds.urls, seeds.sitemaps or seeds.configMaps"
type Seeds struct {
	// urls are addresses of pages. For more than 1000 use configMaps or
	// sitemaps. A part behind # is dropped.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	URLs []SeedURL `json:"urls,omitempty"`

	// sitemaps are addresses of sitemaps or sitemap indexes (sitemaps.org), or of
	// feeds (RSS 2.0, Atom), each of whose pages is a seed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Sitemaps []SeedURL `json:"sitemaps,omitempty"`

	// configMaps name ConfigMaps of the same namespace with one address a line;
	// empty lines and lines that begin with # are passed over. They are read
	// once, when the crawl starts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	ConfigMaps []SeedConfigMap `json:"configMaps,omitempty"`

	// robotsSitemaps says whether the sitemaps are read, too, that the robots.txt of a
	// seed's host names. Those of their pages that are in scope are seeds.
	// +optional
	// +default="Disabled"
	RobotsSitemaps Toggle `json:"robotsSitemaps,omitempty"`
}

// SeedConfigMap names one entry of a ConfigMap in the namespace of the CrawlJob.
type SeedConfigMap struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a ConfigMap: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// key of the entry in it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a ConfigMap: letters, digits, dashes, underscores and dots"
	Key string `json:"key,omitempty"`
}

// ScopeType says which linked pages belong to a crawl.
//
// +enum
// +kubebuilder:validation:Enum=Page;PageLinks;Prefix;Host;Domain;Custom
type ScopeType string

// The scope types, from the narrowest to the freest.
const (
	// ScopePage crawls the seeds and nothing else.
	ScopePage ScopeType = "Page"
	// ScopePageLinks crawls the seeds and every page that they link to,
	// wherever it is.
	ScopePageLinks ScopeType = "PageLinks"
	// ScopePrefix crawls what lies below the folder of a seed: for
	// https://example.org/ads/1 everything under https://example.org/ads/.
	ScopePrefix ScopeType = "Prefix"
	// ScopeHost crawls everything on the host of a seed.
	ScopeHost ScopeType = "Host"
	// ScopeDomain crawls everything on the registrable domain of a seed, with
	// all its subdomains.
	ScopeDomain ScopeType = "Domain"
	// ScopeCustom crawls what matches one of the include patterns.
	ScopeCustom ScopeType = "Custom"
)

// Pattern is a regular expression in RE2 syntax that is matched anywhere in the
// whole address of a page; ^ and $ tie it to the beginning and the end.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="'-'.matches(self) || !'-'.matches(self)",message="must be a regular expression in RE2 syntax (https://github.com/google/re2/wiki/Syntax)"
type Pattern string

// Scope says which linked pages belong to a crawl.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(self.type == 'Custom') == (has(self.include) && self.include.size() > 0)",fieldPath=".include",message="include belongs to type Custom, which needs at least one pattern: give include patterns with type Custom, and none with any other type"
// +kubebuilder:validation:XValidation:rule="!(self.type in ['Page', 'PageLinks']) || !has(self.depth)",fieldPath=".depth",message="depth has no meaning with type Page (0) or PageLinks (1): remove it or choose Prefix, Host, Domain or Custom"
// +kubebuilder:validation:XValidation:rule="!(self.type in ['Page', 'PageLinks']) || !has(self.extraHops)",fieldPath=".extraHops",message="extraHops has no meaning with type Page or PageLinks: remove it; to crawl what a page links to, choose PageLinks"
// +kubebuilder:validation:XValidation:rule="self.type != 'Page' || !has(self.exclude)",fieldPath=".exclude",message="exclude has no meaning with type Page, which follows no links: remove it, or leave the seed out"
type Scope struct {
	// type says which linked pages are crawled. The default, Prefix, is what the
	// address of a seed suggests: the folder that it points into and nothing
	// beside it, which for the front page of a site is the whole host.
	// +optional
	// +default="Prefix"
	Type ScopeType `json:"type,omitempty"`

	// depth is how many links away from a seed a page may be: 0 is the seeds
	// alone. When it is not given, only the limits bound the crawl.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Depth *int32 `json:"depth,omitempty"`

	// extraHops is how many links beyond the scope are followed: with 1, the
	// pages are crawled too that are linked from a page in scope. None when it
	// is not given.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=5
	ExtraHops *int32 `json:"extraHops,omitempty"`

	// include are the patterns of type Custom: a page is in scope when one of
	// them matches its address.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Include []Pattern `json:"include,omitempty"`

	// exclude takes pages out of the scope: a page is left out when one of these
	// patterns matches its address. Seeds are never left out.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Exclude []Pattern `json:"exclude,omitempty"`
}

// Limits bound a crawl.
//
// +kubebuilder:validation:MinProperties=1
type Limits struct {
	// pages is how many pages are visited at most.
	// +optional
	// +default=10000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Pages int32 `json:"pages,omitempty"`

	// megabytes is how much is stored at most, in units of 1,000,000 bytes as
	// stored. Pages that are being captured when it is reached are kept.
	// +optional
	// +default=10000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Megabytes int32 `json:"megabytes,omitempty"`

	// durationSeconds is how long the crawl runs at most, counted from its start
	// and without the time that it was suspended. The default is one day, the
	// maximum 366 days.
	// +optional
	// +default=86400
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=31622400
	DurationSeconds int32 `json:"durationSeconds,omitempty"`

	// pagesPerHost is how many pages are visited on one host at most. No
	// further bound than pages when it is not given.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	PagesPerHost int32 `json:"pagesPerHost,omitempty"`

	// pagesPerPattern is how many pages of a host are visited at most whose
	// addresses differ in numbers, hashes and the values of parameters alone, such as
	// /ad/1 and /ad/2. No bound when it is not given.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	PagesPerPattern int32 `json:"pagesPerPattern,omitempty"`
}

// Politeness says how gently sites are visited.
//
// +kubebuilder:validation:MinProperties=1
type Politeness struct {
	// delaySeconds is the pause between the end of one page load from a site and
	// the start of the next. A longer pause that robots.txt asks for, or that a
	// slow site needs, takes its place. 0 is for sites of one's own.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// scope says among whom a site has one visitor at a time, and its pause between two
	// page loads: all jobs of the fleet, or this job alone.
	// +optional
	// +default="Fleet"
	Scope PolitenessScope `json:"scope,omitempty"`
}

// PolitenessScope says among whom a site has one visitor at a time.
//
// +enum
// +kubebuilder:validation:Enum=Fleet;Job
type PolitenessScope string

// The scopes of politeness.
const (
	// PolitenessFleet has the jobs of the fleet take turns at a site, and remember for
	// each other until when a site asked to be left alone.
	PolitenessFleet PolitenessScope = "Fleet"
	// PolitenessJob takes no heed of other jobs. It is for sites of one's own.
	PolitenessJob PolitenessScope = "Job"
)

// Browser says how pages are rendered.
//
// +kubebuilder:validation:MinProperties=1
type Browser struct {
	// engine is the browser that shows the pages. When it is not given, it is the
	// workers' own: HeadlessShell, unless they were started with another.
	// +optional
	Engine Engine `json:"engine,omitempty"`

	// isolation says how long what a site stores in the browser is there: cookies,
	// storage, cached answers.
	// +optional
	// +default="Host"
	Isolation Isolation `json:"isolation,omitempty"`

	// viewport is the size of the window that pages are laid out for.
	// +optional
	// +default={"width":1280,"height":800}
	Viewport Viewport `json:"viewport,omitempty,omitzero"`

	// pageTimeoutSeconds is how long one page may take to load and settle. What
	// was received until then is kept.
	// +optional
	// +default=60
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=600
	PageTimeoutSeconds int32 `json:"pageTimeoutSeconds,omitempty"`

	// profile names stored browser state that the hosts it is for are visited with:
	// a log-in that a person made. When it is not given, pages are visited as by
	// somebody who was never there.
	// +optional
	Profile ProfileReference `json:"profile,omitempty,omitzero"`
}

// Engine is a browser that shows pages.
//
// +enum
// +kubebuilder:validation:Enum=HeadlessShell;Chromium
type Engine string

// The engines.
const (
	// EngineHeadlessShell is Chromium's shell for what nobody looks at. It shows the
	// same pages in half the time and half the memory.
	EngineHeadlessShell Engine = "HeadlessShell"
	// EngineChromium is the whole of Chromium, without a window, for sites that need
	// what the shell leaves out, such as its PDF viewer.
	EngineChromium Engine = "Chromium"
)

// Isolation says how long what a site stores in the browser is there.
//
// +enum
// +kubebuilder:validation:Enum=Host;Page
type Isolation string

// The isolations.
const (
	// IsolationHost shows the pages of a host one after another, as to a visitor who
	// goes from page to page.
	IsolationHost Isolation = "Host"
	// IsolationPage shows every page as to a visitor who was never there. It takes
	// about twice as long.
	IsolationPage Isolation = "Page"
)

// Viewport is the size of a browser window in CSS pixels.
//
// +kubebuilder:validation:MinProperties=1
type Viewport struct {
	// width in CSS pixels.
	// +optional
	// +default=1280
	// +kubebuilder:validation:Minimum=320
	// +kubebuilder:validation:Maximum=3840
	Width int32 `json:"width,omitempty"`

	// height in CSS pixels.
	// +optional
	// +default=800
	// +kubebuilder:validation:Minimum=240
	// +kubebuilder:validation:Maximum=2160
	Height int32 `json:"height,omitempty"`
}

// Screenshot says what is photographed of a page.
//
// +enum
// +kubebuilder:validation:Enum=None;Viewport;FullPage
type Screenshot string

// What is photographed of a page.
const (
	// ScreenshotNone takes no screenshot.
	ScreenshotNone Screenshot = "None"
	// ScreenshotViewport photographs what the window shows.
	ScreenshotViewport Screenshot = "Viewport"
	// ScreenshotFullPage photographs the page from top to bottom.
	ScreenshotFullPage Screenshot = "FullPage"
)

// Toggle switches a part of the capture.
//
// +enum
// +kubebuilder:validation:Enum=Enabled;Disabled
type Toggle string

// The positions of a Toggle.
const (
	// Enabled switches it on.
	Enabled Toggle = "Enabled"
	// Disabled switches it off.
	Disabled Toggle = "Disabled"
)

// Capture says what is kept of a page beside the recorded traffic.
//
// +kubebuilder:validation:MinProperties=1
type Capture struct {
	// screenshot says what is photographed when the page has settled.
	// +optional
	// +default="FullPage"
	Screenshot Screenshot `json:"screenshot,omitempty"`

	// text says whether the text that the rendered page shows is stored, which
	// makes it searchable.
	// +optional
	// +default="Enabled"
	Text Toggle `json:"text,omitempty"`

	// behaviors say what is done to a page once it has loaded.
	// +optional
	// +default={"scroll":"Enabled","media":"Enabled","expand":"Enabled","consent":"Enabled"}
	Behaviors Behaviors `json:"behaviors,omitempty,omitzero"`

	// limits bound how much of a page is kept.
	// +optional
	// +default={"bodyMegabytes":1000,"pageMegabytes":2000}
	Limits CaptureLimits `json:"limits,omitempty,omitzero"`

	// badCertificates says what becomes of what comes from a server whose
	// certificate does not verify.
	// +optional
	// +default="Refuse"
	BadCertificates BadCertificates `json:"badCertificates,omitempty"`

	// recorder says who takes down what pages load over TLS. With the default, Wire,
	// what is stored are the bytes on the wire; a page that refuses the recorder's own
	// TLS is captured once more with Browser, and both are kept.
	// +optional
	// +default="Wire"
	Recorder Recorder `json:"recorder,omitempty"`

	// images says whether pictures are taken. Off leaves them out of pages and
	// screenshots.
	// +optional
	// +default="Keep"
	Images Images `json:"images,omitempty"`

	// scriptPosts says to whom scripts may send what is more than a question, as many
	// do to get the content that they show. Forms are never submitted.
	// +optional
	// +default="SameSite"
	ScriptPosts ScriptPosts `json:"scriptPosts,omitempty"`
}

// Storage says where in the store the snapshots are put.
//
// +kubebuilder:validation:XValidation:rule="has(self.bucket) || has(self.prefix)",message="storage must name a bucket or a prefix: give one, or leave storage out"
type Storage struct {
	// bucket is the bucket that the snapshots are put into. It must exist, and the
	// workers' credentials must be allowed to write to it.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$') && !self.contains('..')",message="must be the name of a bucket: lower case letters, digits, dashes and single dots, beginning and ending with a letter or digit"
	Bucket string `json:"bucket,omitempty"`

	// prefix is put before the names of all objects, as a folder.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$')",message="must be one or more folder names divided by single slashes, of letters, digits, dots, dashes and underscores; no folder may begin with a dot"
	Prefix string `json:"prefix,omitempty"`
}
