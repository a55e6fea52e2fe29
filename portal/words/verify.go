package words

// dutchVerify is the page with the verdict on a snapshot.
var dutchVerify = map[string]string{
	"Verification": "Controle",
	"holds":        "klopt",
	"fails":        "klopt niet",
	"unchecked":    "niet gecontroleerd",
	"Every check of the file holds: it is as it was stored, and who made it and when is vouched for.":                   "Elke controle van het bestand klopt: het is zoals het werd opgeslagen, en voor wie het maakte en wanneer wordt ingestaan.",
	"The file is not as it should be. Do not rely on it; tell whoever runs the archive.":                                "Het bestand is niet zoals het moet zijn. Vertrouw er niet op; meld het aan wie het archief beheert.",
	"Nothing speaks against the file, but not all could be checked. Each check that is open says what would be needed.": "Niets spreekt tegen het bestand, maar niet alles kon gecontroleerd worden. Bij elke open controle staat wat daarvoor nodig is.",
	"Checked":                        "Gecontroleerd op",
	"Signed by":                      "Ondertekend door",
	"Signed at":                      "Ondertekend op",
	"nobody":                         "niemand",
	"proven by a time stamp: %s":     "bewezen met een tijdstempel: %s",
	"%s hold, %s fail, %s are open.": "%s kloppen, %s kloppen niet, %s zijn open.",
	"Check":                          "Controle",
	"Reason":                         "Reden",
	"Verify it yourself":             "Zelf controleren",
	"Download the file with all that verifies it": "Het bestand downloaden met alles om het te controleren",
	"Only the WACZ file":                          "Alleen het WACZ-bestand",
	"Whoever gets it checks the same as the portal does, on a machine of their own and offline:":                                                 "Wie het krijgt, controleert hetzelfde als de portal, op een eigen computer en offline:",
	"FINGERPRINT is that of the signing key. It has to be asked from the agency itself, by another way than the file: not taken from this page.": "FINGERPRINT is die van de ondertekeningssleutel. Vraag die aan de instantie zelf, langs een andere weg dan het bestand: neem die niet van deze pagina over.",
	"You may not download files of this namespace.":                                                                                              "U mag geen bestanden van deze namespace downloaden.",
	"You may not add to cases of this namespace.":                                                                                                "U mag in deze namespace niets aan zaken toevoegen.",
}
