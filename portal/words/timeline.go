package words

// dutchTimeline is the page with all captures of an address.
var dutchTimeline = map[string]string{
	"first capture":                        "eerste vastlegging",
	"unchanged":                            "ongewijzigd",
	"changed":                              "gewijzigd",
	"gone":                                 "verdwenen",
	"back again":                           "terug",
	"Over time: %s":                        "Door de tijd: %s",
	"on this page":                         "op deze pagina",
	"Captures, the newest first":           "Vastleggingen, de nieuwste eerst",
	"Compare":                              "Vergelijken",
	"Since the one before":                 "Sinds de vorige",
	"Title":                                "Titel",
	"earlier":                              "eerder",
	"later":                                "later",
	"earlier: %s":                          "eerder: %s",
	"later: %s":                            "later: %s",
	"not known":                            "niet bekend",
	"text":                                 "tekst",
	"document":                             "document",
	"Compare the two that are chosen":      "De twee gekozen vergelijken",
	"Nothing of this address is archived.": "Van dit adres is niets gearchiveerd.",
	"An address counts with and without www, with http and https. Watch it to be told when it is captured.": "Een adres telt met en zonder www, met http en https. Volg het om een melding te krijgen als het wordt vastgelegd.",
	"Nothing of this address is found yet.": "Van dit adres is nog niets te vinden.",
}
