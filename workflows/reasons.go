package workflows

// Reason is a word that says why. The same word is the reason of a condition and
// of an event, the type of a Temporal error, the label of a metric and the
// anchor in the documentation (docs/reference/crawljob.md explains each).
type Reason string

// The reasons of a run.
const (
	ReasonAccepted                 Reason = "Accepted"
	ReasonSeeding                  Reason = "Seeding"
	ReasonCrawling                 Reason = "Crawling"
	ReasonSuspended                Reason = "Suspended"
	ReasonSealing                  Reason = "Sealing"
	ReasonCompleted                Reason = "Completed"
	ReasonLimitReached             Reason = "LimitReached"
	ReasonNothingArchived          Reason = "NothingArchived"
	ReasonCancelled                Reason = "Cancelled"
	ReasonAuthorizationNotYetValid Reason = "AuthorizationNotYetValid"
	ReasonAuthorizationExpired     Reason = "AuthorizationExpired"
	ReasonFleetMissing             Reason = "FleetMissing"
	ReasonPurposeNotAllowed        Reason = "PurposeNotAllowed"
	ReasonApprovalMissing          Reason = "ApprovalMissing"
	ReasonApprovalWithdrawn        Reason = "ApprovalWithdrawn"
	ReasonStoreUnreachable         Reason = "StoreUnreachable"
	ReasonStoreDenied              Reason = "StoreDenied"
	ReasonBucketMissing            Reason = "BucketMissing"
	ReasonStoreFull                Reason = "StoreFull"
	ReasonStoreUnfit               Reason = "StoreUnfit"
	ReasonClocksDiffer             Reason = "ClocksDiffer"
	ReasonDiskUnwritable           Reason = "DiskUnwritable"
	ReasonEgressUnreachable        Reason = "EgressUnreachable"
	ReasonSigningFailed            Reason = "SigningFailed"
	ReasonCustodyFailed            Reason = "CustodyFailed"
	ReasonTemporalUnreachable      Reason = "TemporalUnreachable"
	ReasonPayloadKeysUnreadable    Reason = "PayloadKeysUnreadable"
	ReasonWaitingForWorkers        Reason = "WaitingForWorkers"
	ReasonSeedUnreachable          Reason = "SeedUnreachable"
	ReasonHostUnreachable          Reason = "HostUnreachable"
	ReasonHostBusy                 Reason = "HostBusy"
	ReasonHostShared               Reason = "HostShared"
	ReasonConfigMapMissing         Reason = "ConfigMapMissing"
	ReasonInvalidSeeds             Reason = "InvalidSeeds"
	ReasonInvalidScript            Reason = "InvalidScript"
	ReasonEarlierRunNotFound       Reason = "EarlierRunNotFound"
	ReasonEarlierRunNotSealed      Reason = "EarlierRunNotSealed"
	ReasonProfileNotFound          Reason = "ProfileNotFound"
	ReasonProfilesDisabled         Reason = "ProfilesDisabled"
	ReasonProfileSealed            Reason = "ProfileSealed"
	ReasonSecretNotFound           Reason = "SecretNotFound"
	ReasonSecretForbidden          Reason = "SecretForbidden"
	ReasonStateInvalid             Reason = "StateInvalid"
	ReasonLoginExpired             Reason = "LoginExpired"
	ReasonBooksUnbalanced          Reason = "BooksUnbalanced"
	ReasonRunLost                  Reason = "RunLost"
	ReasonOrderNotWidened          Reason = "OrderNotWidened"
	ReasonEngineMissing            Reason = "EngineMissing"
	ReasonWorkerFault              Reason = "WorkerFault"
)

// The reasons of the condition Retained: what is left of a run's captures.
const (
	ReasonScreening      Reason = "Screening"
	ReasonKept           Reason = "Kept"
	ReasonHeld           Reason = "Held"
	ReasonErased         Reason = "Erased"
	ReasonRetentionDrift Reason = "RetentionDrift"
	ReasonErasureBlocked Reason = "ErasureBlocked"
)

// The outcomes of a page that was archived or failed.
const (
	ReasonArchived          Reason = "Archived"
	ReasonDNSFailed         Reason = "DNSFailed"
	ReasonConnectFailed     Reason = "ConnectFailed"
	ReasonTLSFailed         Reason = "TLSFailed"
	ReasonConnectionReset   Reason = "ConnectionReset"
	ReasonPageTimeout       Reason = "PageTimeout"
	ReasonRendererCrashed   Reason = "RendererCrashed"
	ReasonBrowserCrashed    Reason = "BrowserCrashed"
	ReasonAddressBlocked    Reason = "AddressBlocked"
	ReasonNavigationBlocked Reason = "NavigationBlocked"
	ReasonTooManyRedirects  Reason = "TooManyRedirects"
	ReasonDiskFull          Reason = "DiskFull"
	ReasonPoison            Reason = "Poison"
	ReasonAborted           Reason = "Aborted"
	ReasonKnownIllegalImage Reason = "KnownIllegalImage"
	ReasonImageNotJudged    Reason = "ImageNotJudged"
	ReasonImagesOff         Reason = "ImagesOff"
)

// The reasons for which a discovered page is not visited.
const (
	ReasonOutOfScope          Reason = "OutOfScope"
	ReasonRobotsDisallowed    Reason = "RobotsDisallowed"
	ReasonRobotsUnreachable   Reason = "RobotsUnreachable"
	ReasonPageLimit           Reason = "PageLimit"
	ReasonHostLimit           Reason = "HostLimit"
	ReasonByteLimit           Reason = "ByteLimit"
	ReasonDurationLimit       Reason = "DurationLimit"
	ReasonDepthLimit          Reason = "DepthLimit"
	ReasonTrapPathDepth       Reason = "TrapPathDepth"
	ReasonTrapRepeatedSegment Reason = "TrapRepeatedSegment"
	ReasonTrapCalendar        Reason = "TrapCalendar"
	ReasonTrapFacets          Reason = "TrapFacets"
	ReasonTrapSession         Reason = "TrapSession"
	ReasonPatternLimit        Reason = "PatternLimit"
	ReasonTrapQuery           Reason = "TrapQuery"
	ReasonTrapLength          Reason = "TrapLength"
	ReasonUnsupportedScheme   Reason = "UnsupportedScheme"
	ReasonInvalidURL          Reason = "InvalidURL"
	ReasonDuplicate           Reason = "Duplicate"
)
