package board

// The vocabulary that ads are made of. Everything is made up: places, people and things for sale.

// A kind is a sort of thing that a category offers.
type kind struct {
	en, nl string
	scene  string // the drawing that shows it
	low    int    // lowest price in euros
	high   int    // highest price in euros
	unit   string // "", "month" or "hour"
}

type vocabulary struct {
	slug, en, nl string
	kinds        []kind
	extraEN      []string
	extraNL      []string
	sayEN        []string
	sayNL        []string
}

var places = []string{"Oudebrug", "Noorderveen", "Rivierdam", "Westhaven", "Klein Zundert aan Zee", "Lindebeek", "Molenwijk", "Zandhoek"}

var conditions = []string{"As new", "Very good", "Good", "Well used"}

var (
	adjectivesEN = []string{"Blue", "Sturdy", "Well-kept", "Classic", "Bright", "Friendly", "Tidy", "Sunny", "Quiet", "Solid", "Handy", "Lovely"}
	// All Dutch nouns below are de-words, so that the adjective always takes its -e.
	adjectivesNL = []string{"Mooie", "Stevige", "Nette", "Klassieke", "Handige", "Rustige", "Lichte", "Degelijke"}
)

var closingsEN = []string{
	"Collection only, evenings after six suit me best.",
	"I can deliver within the town for a small fee.",
	"No reservations: first come, first served.",
	"Please call rather than write, I answer the same day.",
	"A cup of coffee is waiting when you come to have a look.",
	"Cash or bank transfer on the spot, whatever you prefer.",
}

var closingsNL = []string{
	"Alleen ophalen, liefst 's avonds na zessen.",
	"Bezorgen binnen de stad kan voor een kleine vergoeding.",
	"Ik reserveer niet: wie het eerst komt, het eerst maalt.",
	"Bellen gaat sneller dan schrijven, ik neem dezelfde dag nog op.",
	"De koffie staat klaar als u komt kijken.",
	"Contant of een overschrijving ter plekke, net wat u wilt.",
}

var vocabularies = []vocabulary{
	{
		slug: "bikes", en: "Bikes", nl: "Fietsen",
		kinds: []kind{
			{en: "city bike", nl: "stadsfiets", scene: "bike", low: 60, high: 340},
			{en: "cargo bike", nl: "bakfiets", scene: "cargo", low: 450, high: 1600},
			{en: "children's bike", nl: "kinderfiets", scene: "bike", low: 20, high: 120},
			{en: "touring bike", nl: "toerfiets", scene: "bike", low: 180, high: 700},
			{en: "tandem", nl: "tandem", scene: "tandem", low: 150, high: 600},
		},
		extraEN: []string{"with new tyres", "with a wicker basket", "with seven gears", "with a child seat", "with dynamo lights"},
		extraNL: []string{"met nieuwe banden", "met rieten mand", "met zeven versnellingen", "met kinderzitje", "met dynamoverlichting"},
		sayEN: []string{
			"Ridden to the station and back for two years and always kept indoors.",
			"The chain and both brake cables were replaced last spring.",
			"One mudguard has a small dent, which you can see in the second picture.",
			"Two keys and the original manual come with it.",
			"The frame is 54 centimetres high and suits anybody between 165 and 180 centimetres.",
			"It rolls so lightly that you will take the long way home.",
		},
		sayNL: []string{
			"Twee jaar lang naar het station gereden en altijd binnen gestald.",
			"De ketting en beide remkabels zijn dit voorjaar vervangen.",
			"In het ene spatbord zit een deukje, te zien op de tweede foto.",
			"Er horen twee sleutels en het boekje bij.",
			"De framehoogte is 54 centimeter, goed voor iedereen tussen 1,65 en 1,80 meter.",
			"Hij rijdt zo licht dat u vanzelf een blokje om gaat.",
		},
	},
	{
		slug: "home", en: "Home & garden", nl: "Huis en tuin",
		kinds: []kind{
			{en: "two-seat sofa", nl: "tweezitsbank", scene: "sofa", low: 40, high: 380},
			{en: "reading lamp", nl: "leeslamp", scene: "lamp", low: 10, high: 90},
			{en: "bookcase", nl: "boekenkast", scene: "shelf", low: 25, high: 180},
			{en: "house plant", nl: "kamerplant", scene: "plant", low: 5, high: 45},
			{en: "kitchen table", nl: "keukentafel", scene: "table", low: 30, high: 260},
		},
		extraEN: []string{"from a smoke-free home", "with spare parts", "because of a move", "in two parts", "made of beech"},
		extraNL: []string{"uit rookvrij huis", "met reserveonderdelen", "wegens verhuizing", "in twee delen", "van beukenhout"},
		sayEN: []string{
			"It stood in the spare room and was hardly used.",
			"There is a light scratch on the left side that a little wax hides.",
			"It comes apart with four screws and fits into a small car.",
			"We are moving to a smaller place and have to part with it.",
			"The cover can be taken off and washed at thirty degrees.",
			"Three neighbours have already asked where we bought it.",
		},
		sayNL: []string{
			"Heeft in de logeerkamer gestaan en is nauwelijks gebruikt.",
			"Links zit een lichte kras die met wat was verdwijnt.",
			"Met vier schroeven uit elkaar te halen en past in een kleine auto.",
			"Wij gaan kleiner wonen en moeten er afscheid van nemen.",
			"De hoes kan eraf en mag op dertig graden gewassen worden.",
			"Drie buren vroegen al waar wij het gekocht hebben.",
		},
	},
	{
		slug: "electronics", en: "Electronics", nl: "Elektronica",
		kinds: []kind{
			{en: "laptop", nl: "laptop", scene: "laptop", low: 90, high: 620},
			{en: "telephone", nl: "telefoon", scene: "phone", low: 40, high: 310},
			{en: "film camera", nl: "filmcamera", scene: "camera", low: 35, high: 280},
			{en: "kitchen radio", nl: "keukenradio", scene: "radio", low: 8, high: 70},
		},
		extraEN: []string{"with charger", "in its box", "with a leather case", "for parts or repair", "with receipt"},
		extraNL: []string{"met oplader", "in doos", "met leren hoes", "voor onderdelen", "met aankoopbon"},
		sayEN: []string{
			"The battery lasts a whole working day and has been tested this week.",
			"It has been wiped and is ready for its next owner.",
			"There are signs of use on the corners and none on the glass.",
			"The warranty runs for another five months and can be passed on.",
			"Everything that was in the box when it was new is still there.",
			"You may try it out at the kitchen table before you decide.",
		},
		sayNL: []string{
			"De accu gaat een hele werkdag mee en is deze week nog getest.",
			"Alles is gewist, klaar voor een volgende eigenaar.",
			"Gebruikssporen op de hoeken, geen enkele op het glas.",
			"De garantie loopt nog vijf maanden en gaat mee over.",
			"Alles wat er nieuw bij zat, zit er nog bij.",
			"U mag het eerst aan de keukentafel uitproberen.",
		},
	},
	{
		slug: "rooms", en: "Rooms", nl: "Kamers",
		kinds: []kind{
			{en: "furnished room", nl: "gemeubileerde kamer", scene: "window", low: 310, high: 620, unit: "month"},
			{en: "room under the roof", nl: "zolderkamer", scene: "bed", low: 280, high: 540, unit: "month"},
			{en: "studio with a garden view", nl: "studio met tuinzicht", scene: "window", low: 520, high: 890, unit: "month"},
			{en: "workshop space", nl: "werkplaats", scene: "toolbox", low: 120, high: 350, unit: "month"},
		},
		extraEN: []string{"near the station", "for one year", "by the canal", "with its own kitchen", "from the first of the month"},
		extraNL: []string{"bij het station", "voor een jaar", "aan de gracht", "met eigen keuken", "vanaf de eerste van de maand"},
		sayEN: []string{
			"Eighteen square metres on the second floor, with a window to the east.",
			"Heating, water and internet are part of the rent.",
			"The kitchen is shared with two others who cook well and wash up.",
			"A written contract and a receipt for the deposit go without saying.",
			"The bus stops at the door and the market is five minutes on foot.",
			"Viewing is on Saturday between ten and noon.",
		},
		sayNL: []string{
			"Achttien vierkante meter op de tweede verdieping, raam op het oosten.",
			"Verwarming, water en internet zitten bij de huur in.",
			"De keuken wordt gedeeld met twee anderen die goed koken en afwassen.",
			"Een schriftelijk contract en een bewijs van de borg spreken vanzelf.",
			"De bus stopt voor de deur en de markt is vijf minuten lopen.",
			"Bezichtigen kan zaterdag tussen tien en twaalf.",
		},
	},
	{
		slug: "work", en: "Odd jobs", nl: "Klusjes",
		kinds: []kind{
			{en: "help with painting", nl: "hulp bij het schilderen", scene: "paint", low: 15, high: 32, unit: "hour"},
			{en: "gardening help", nl: "hulp in de tuin", scene: "plant", low: 14, high: 28, unit: "hour"},
			{en: "bicycle repair", nl: "fietsreparatie", scene: "toolbox", low: 12, high: 30, unit: "hour"},
			{en: "moving help", nl: "verhuishulp", scene: "boxes", low: 16, high: 35, unit: "hour"},
		},
		extraEN: []string{"on weekends", "with own tools", "in and around town", "for small jobs", "at short notice"},
		extraNL: []string{"in het weekend", "met eigen gereedschap", "in en om de stad", "voor kleine klussen", "op korte termijn"},
		sayEN: []string{
			"Fifteen years in the trade, and references from the whole street.",
			"The price is agreed beforehand and does not change afterwards.",
			"Tools and ladders are there; material is bought together.",
			"An invoice is written for every job, however small.",
			"Weekends are possible when the neighbours do not mind.",
			"What is broken on the way is repaired for nothing.",
		},
		sayNL: []string{
			"Vijftien jaar in het vak en aanbevelingen uit de hele straat.",
			"De prijs spreken wij vooraf af en verandert achteraf niet.",
			"Gereedschap en ladders zijn er; hout en verf kopen wij samen.",
			"Voor elke klus komt een rekening, hoe klein ook.",
			"In het weekend kan ook, als de buren het goed vinden.",
			"Wat onderweg stukgaat, wordt voor niets gemaakt.",
		},
	},
	{
		slug: "lessons", en: "Lessons", nl: "Lessen",
		kinds: []kind{
			{en: "guitar lessons", nl: "gitaarles", scene: "guitar", low: 18, high: 40, unit: "hour"},
			{en: "help with maths", nl: "bijles wiskunde", scene: "blackboard", low: 15, high: 35, unit: "hour"},
			{en: "Dutch conversation", nl: "taalles Nederlands", scene: "books", low: 10, high: 30, unit: "hour"},
			{en: "drawing course", nl: "tekencursus", scene: "blackboard", low: 12, high: 28, unit: "hour"},
		},
		extraEN: []string{"for beginners", "at your home or mine", "in small groups", "on weekday evenings", "for all ages"},
		extraNL: []string{"voor beginners", "bij u of bij mij thuis", "in kleine groepjes", "op doordeweekse avonden", "voor alle leeftijden"},
		sayEN: []string{
			"The first hour costs nothing, so that we can see whether it suits us both.",
			"An instrument or a book can be borrowed for the first month.",
			"I have taught for nine years and still learn something every week.",
			"Groups are never larger than four.",
			"Whoever cannot come calls the day before and pays nothing.",
			"At the end of the season we show the neighbours what we can do.",
		},
		sayNL: []string{
			"Het eerste uur kost niets, dan zien wij of het klikt.",
			"Een instrument of boek is de eerste maand te leen.",
			"Ik geef negen jaar les en leer zelf elke week nog bij.",
			"Groepen zijn nooit groter dan vier.",
			"Wie niet kan, belt een dag van tevoren en betaalt niets.",
			"Aan het eind van het seizoen laten wij de buurt horen wat wij kunnen.",
		},
	},
}

var (
	handleFirst  = []string{"quiet", "amber", "river", "north", "paper", "copper", "early", "mossy", "velvet", "tiny", "brisk", "silver"}
	handleSecond = []string{"heron", "otter", "magpie", "badger", "finch", "hare", "tulip", "kettle", "lantern", "walnut", "pebble", "sparrow"}
)
