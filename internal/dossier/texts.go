package dossier

import "crawlfleet.dev/crawlfleet/internal/custody"

// texts are the words of the report in a language.
type texts struct {
	lang, title, footer                                          string
	overview, caseName, organization, preparedBy, created        string
	supersedes, exhibits, exhibit, number, address, finalAddress string
	captured, loaded, status, server, encryption, certificate    string
	redirect, why, whySeed, whyLinked, software, executable      string
	order, clock, clockAhead, authorization, purpose, basis      string
	requestedBy, validUntil, approvedBy, file, screenshot        string
	check, checks, result, reason, pictures, record, more        string
	holds, fails, unchecked                                      string
	custody, event, at, who, to, until, wholeRun, details        string
	events                                                       map[custody.Event]string
	intro                                                        []string
	howHeading                                                   string
	how                                                          []string
	limitsHeading                                                string
	limits                                                       []string
}

// languages of the report. The first is the one of bag-info.txt.
var languages = []*texts{english, dutch}

var english = &texts{
	lang: "en", title: "Dossier %s", footer: "This report was made from the snapshots in this dossier. Where the two differ, the snapshots count.",
	overview: "Overview", caseName: "Case", organization: "Organisation", preparedBy: "Prepared by", created: "Made", supersedes: "Takes the place of",
	exhibits: "Exhibits", exhibit: "Exhibit %s: %s", number: "No.", address: "Address", finalAddress: "Address in the end", captured: "Captured", loaded: "Loaded",
	status: "Answer of the server", server: "Server", encryption: "Encryption", certificate: "Certificate", redirect: "Redirect",
	why: "Why this page", whySeed: "the order names it", whyLinked: "%d link(s) from %s, which the order names",
	software: "Software", executable: "Program file", order: "Order", clock: "Clock", clockAhead: "%d ms ahead of %s",
	authorization: "Authorisation", purpose: "Purpose", basis: "Legal basis", requestedBy: "Ordered by", validUntil: "Valid until", approvedBy: "Approved by",
	file: "Snapshot", screenshot: "Picture of the page as it was shown when it was captured",
	check: "Check", checks: "Checks", result: "Result", reason: "Reason", pictures: "Pictures on the page, as received", record: "Record (urn:uuid:)", more: "more in",
	holds: "holds", fails: "FAILS", unchecked: "not checked",
	custody: "What happened to the snapshot, as the custody log has it", event: "Event", at: "When", who: "By", to: "to", until: "until", wholeRun: "all of the run", details: "Details",
	events: map[custody.Event]string{
		custody.Captured: "captured", custody.Stored: "stored", custody.Read: "looked at", custody.Copied: "copied", custody.Exported: "handed over", custody.TiedToCase: "tied to the case",
		custody.Held: "held: not to be erased", custody.Released: "hold ended", custody.Kept: "to be kept", custody.Erased: "erased", custody.StampFetched: "time stamp fetched",
	},
	intro: []string{
		"This dossier hands over snapshots of web pages. It says what was stored, from where, when, by which software and under which authorisation. It says nothing about any person: what a page shows is for people to judge.",
		"Screenshots, texts and tables were derived from what was received; they lie beside it and are called derived. What was received is in the snapshots, unchanged.",
	},
	howHeading: "How to check this dossier",
	how: []string{
		"The folder verifier has a program that checks everything without a network: run \"verify DOSSIER\" on the folder or ZIP file. It writes a verdict for each check, with its reason. Who does not want to trust that program can build it from its source, or check by hand: the manifest lists the SHA-256 of every file (BagIt, RFC 8493), the snapshots are WACZ files, which ReplayWeb.page and other tools open.",
		"To follow a picture to the authorisation: \"verify --trace PICTURE DOSSIER\" finds the record that has these very bytes, and says from which address and server it came, on which page, in which snapshot, and under which order and authorisation it was captured.",
	},
	limitsHeading: "What a snapshot does not prove",
	limits: []string{
		"That a page was what others saw: servers may answer each visitor differently. That what it says is true. Who put it there. That it was there before or after. A server's certificate shows who answered, not who wrote.",
	},
}
