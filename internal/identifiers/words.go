package identifiers

import (
	"strings"
	"unicode/utf8"
)

// numerals are the digits as they are spelled in English, Dutch, German, French and
// Spanish, in lower case.
var numerals = map[string]byte{
	"zero": '0', "oh": '0', "nul": '0', "null": '0', "zéro": '0', "cero": '0',
	"one": '1', "een": '1', "één": '1', "eins": '1', "un": '1', "une": '1', "uno": '1',
	"two": '2', "twee": '2', "zwei": '2', "zwo": '2', "deux": '2', "dos": '2',
	"three": '3', "drie": '3', "drei": '3', "trois": '3', "tres": '3',
	"four": '4', "vier": '4', "quatre": '4', "cuatro": '4',
	"five": '5', "vijf": '5', "fünf": '5', "fuenf": '5', "cinq": '5', "cinco": '5',
	"six": '6', "zes": '6', "sechs": '6', "seis": '6',
	"seven": '7', "zeven": '7', "sieben": '7', "sept": '7', "siete": '7',
	"eight": '8', "acht": '8', "huit": '8', "ocho": '8',
	"nine": '9', "negen": '9', "neun": '9', "neuf": '9', "nueve": '9',
}

// maxNumeral is the length in bytes of the longest numeral.
const maxNumeral = 6

// numeralStart are the bytes that a numeral begins with, to tell most words by one look.
const numeralStart = "zoncéeudtvqfscah"

// spelled returns the digits that a word in lower case spells, such as "06" for "nulzes".
func spelled(word string) (string, bool) {
	var digits []byte
	for word != "" {
		if len(digits) == maxDigits {
			return "", false
		}
		digit, length := numeral(word)
		if length == 0 {
			return "", false
		}
		digits, word = append(digits, digit), word[length:]
	}
	return string(digits), len(digits) > 0
}

// numeral returns the digit of the longest numeral that a word begins with.
func numeral(word string) (digit byte, length int) {
	if first, _ := utf8.DecodeRuneInString(word); !strings.ContainsRune(numeralStart, first) {
		return 0, 0
	}
	for length = min(len(word), maxNumeral); length > 1; length-- {
		if digit, ok := numerals[word[:length]]; ok {
			return digit, length
		}
	}
	return 0, 0
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		out[word] = true
	}
	return out
}

// cues are words before a telephone number.
var cues = set(`tel telephone telefon telefoon telefono teléfono téléphone telefoonnummer telefonnummer
	telnr phone phonenumber mob mobile mobiel mobil mobilnummer móvil movil portable handy handynummer gsm cell cellphone
	call calls callme text txt sms bel bellen belt ring anrufen anruf ruf rufen appelle appelez appeler
	llama llamar llámame llamame contact contacto contactez kontakt whatsapp whatsap whats wapp watsapp wa
	app appen appje appnummer viber signal telegram fax`)

// anticues are words before a number of another sort.
var anticues = set(`iban bic swift kvk btw vat tva ust ustid bsn ssn nif nie cif dni siret siren isbn issn
	ean gtin upc sku asin imei order ordernr ordernummer bestelling bestelnummer bestellnummer commande pedido ref
	reference referentie referenz référence invoice factuur rechnung facture factura id uid guid serial
	serienummer rekening rekeningnummer konto kontonummer account compte cuenta kenteken lat lon lng gps
	latitude longitude coordinates coördinaten article artikel artikelnr artikelnummer version versie copyright
	views likes hits price prijs preis prix precio isrc doi pmid tracking zip postcode plz hrb hrnr`)

// units are words and signs after an amount.
var units = set(`€ $ £ ¥ % eur euro euros usd gbp chf dollar dollars pond pounds km m cm mm kg g mb gb kb tb
	px uur uhr h hr hrs hours min minuten minutes jaar jaren jahre years year yrs yo ans años likes views
	keer x`)

// platforms are words that say on which platform a handle is.
var platforms = map[string]string{
	"telegram": "telegram", "tg": "telegram",
	"instagram": "instagram", "insta": "instagram", "ig": "instagram",
	"snapchat": "snapchat", "snap": "snapchat", "sc": "snapchat",
	"tiktok": "tiktok", "onlyfans": "onlyfans", "twitter": "x", "x": "x",
}

// allPlatforms are those that a handle can be on, in order.
var allPlatforms = []string{"instagram", "onlyfans", "snapchat", "telegram", "tiktok", "x"}

// answers stand after the name of a platform and are no handles.
var answers = set(`yes no ja nee nein oui non si sí ok on op available free follow link bio dm me my here hier
	soon only and en und et online offline account direct http https www none all us`)

// atWords stand for "@" when in brackets, plainAtWords without.
var (
	atWords      = set(`@ ＠ at apenstaartje apenstaart apestaart apestaartje ät klammeraffe arroba arobase arobas chez`)
	plainAtWords = set(`apenstaartje apenstaart apestaart apestaartje klammeraffe arroba arobase arobas`)
	dotWords     = set(`. dot punt punkt point punto stip`)
)
