package dossier

import "crawlfleet.dev/crawlfleet/internal/custody"

var dutch = &texts{
	lang: "nl", title: "Dossier %s", footer: "Dit verslag is gemaakt uit de opnamen in dit dossier. Waar de twee verschillen, gelden de opnamen.",
	overview: "Overzicht", caseName: "Zaak", organization: "Organisatie", preparedBy: "Opgesteld door", created: "Gemaakt", supersedes: "Komt in de plaats van",
	exhibits: "Bewijsstukken", exhibit: "Bewijsstuk %s: %s", number: "Nr.", address: "Adres", finalAddress: "Adres aan het eind", captured: "Vastgelegd", loaded: "Geladen",
	status: "Antwoord van de server", server: "Server", encryption: "Versleuteling", certificate: "Certificaat", redirect: "Doorverwijzing",
	why: "Waarom deze pagina", whySeed: "de opdracht noemt haar", whyLinked: "%d link(s) vanaf %s, die de opdracht noemt",
	software: "Software", executable: "Programmabestand", order: "Opdracht", clock: "Klok", clockAhead: "%d ms voor op %s",
	authorization: "Machtiging", purpose: "Doel", basis: "Rechtsgrond", requestedBy: "Opdracht van", validUntil: "Geldig tot", approvedBy: "Goedgekeurd door",
	file: "Opname", screenshot: "Beeld van de pagina zoals zij bij het vastleggen werd getoond",
	check: "Controle", checks: "Controles", result: "Uitkomst", reason: "Reden", pictures: "Afbeeldingen op de pagina, zoals ontvangen", record: "Record (urn:uuid:)", more: "meer in",
	holds: "klopt", fails: "KLOPT NIET", unchecked: "niet gecontroleerd",
	custody: "Wat er met de opname is gebeurd, volgens het logboek", event: "Gebeurtenis", at: "Wanneer", who: "Door", to: "aan", until: "tot en met", wholeRun: "hele run", details: "Bijzonderheden",
	events: map[custody.Event]string{
		custody.Captured: "vastgelegd", custody.Stored: "opgeslagen", custody.Read: "ingezien", custody.Copied: "gekopieerd", custody.Exported: "overgedragen", custody.TiedToCase: "aan de zaak gekoppeld",
		custody.Held: "mag niet worden gewist", custody.Released: "mag weer worden gewist", custody.Kept: "te bewaren", custody.Erased: "gewist", custody.StampFetched: "tijdstempel opgehaald",
	},
	intro: []string{
		"Dit dossier draagt opnamen van webpagina's over. Het zegt wat is opgeslagen, waarvandaan, wanneer, met welke software en onder welke machtiging. Het zegt niets over personen: wat een pagina laat zien, beoordelen mensen.",
		"Schermbeelden, teksten en tabellen zijn afgeleid van wat is ontvangen; ze liggen ernaast en heten afgeleid. Wat is ontvangen staat onveranderd in de opnamen.",
	},
	howHeading: "Hoe dit dossier te controleren is",
	how: []string{
		"In de map verifier staat een programma dat alles zonder netwerk controleert: start \"verify DOSSIER\" met de map of het ZIP-bestand. Het schrijft per controle een oordeel met de reden (in het Engels). Wie dat programma niet wil vertrouwen, kan het uit de broncode bouwen of met de hand controleren: het manifest geeft van elk bestand de SHA-256 (BagIt, RFC 8493) en de opnamen zijn WACZ-bestanden, die ReplayWeb.page en andere programma's openen.",
		"Om een afbeelding tot de machtiging te volgen: \"verify --trace AFBEELDING DOSSIER\" vindt het record met precies deze bytes en zegt van welk adres en welke server het kwam, op welke pagina, in welke opname, en onder welke opdracht en machtiging het is vastgelegd.",
	},
	limitsHeading: "Wat een opname niet bewijst",
	limits: []string{
		"Dat anderen de pagina zo zagen: servers kunnen elke bezoeker anders antwoorden. Dat waar is wat er staat. Wie het daar heeft gezet. Dat het er eerder of later stond. Het certificaat van een server laat zien wie antwoordde, niet wie schreef.",
	},
}
