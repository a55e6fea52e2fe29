package identifiers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The numbers are those that regulators keep free for fiction: +1 202 555 0100 to 0199
// (NANPA), +44 20 7946 0000 to 0999 and +44 7700 900000 to 900999 (Ofcom), +353 20 91x xxxx
// (ComReg), +33 1 99 00 xx xx and +33 6 39 98 xx xx (ARCEP), +49 30 23125 xxx and
// +49 171 39200 xx (Bundesnetzagentur), +61 2 5550 xxxx (ACMA), +46 70 174 06 xx (PTS). There
// are none for the Netherlands.
var europe = Options{Regions: []string{"NL", "BE", "DE", "FR", "GB"}}

func values(found []Identifier) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.String())
	}
	return out
}

func TestFindPhones(t *testing.T) {
	const (
		london = "tel:+442079460123"
		mobile = "tel:+447700900123"
		paris  = "tel:+33199001234"
		french = "tel:+33639981234"
		berlin = "tel:+493023125123"
		handy  = "tel:+491713920012"
		us     = "tel:+12025550123"
	)
	gb, de, fr, na := []string{"GB"}, []string{"DE"}, []string{"FR"}, []string{"US"}
	for reason, tc := range map[string]struct {
		text    string
		regions []string
		want    []string
	}{
		"international":               {"+44 20 7946 0123", nil, []string{london}},
		"international together":      {"call +442079460123 now", nil, []string{london}},
		"00":                          {"0044 20 7946 0123", nil, []string{london}},
		"00 apart":                    {"00 44 20 7946 0123", nil, []string{london}},
		"+ and 00":                    {"+0044 20 7946 0123", nil, []string{london}},
		"(0)":                         {"+44 (0)20 7946 0123", nil, []string{london}},
		"(0) of a plan that is old":   {"+44 (0) 7700 900123", nil, []string{mobile}},
		"country in brackets":         {"(+44) 20 7946 0123", nil, []string{london}},
		"full-width plus":             {"＋４４ ２０ ７９４６ ０１２３", nil, []string{london}},
		"national":                    {"020 7946 0123", gb, []string{london}},
		"national together":           {"02079460123", gb, []string{london}},
		"area code in brackets":       {"(020) 7946 0123", gb, []string{london}},
		"(0) of a national number":    {"(0)30 23125 123", de, []string{berlin}},
		"dots":                        {"01.99.00.12.34", fr, []string{paris}},
		"dashes":                      {"020-7946-0123", gb, []string{london}},
		"dashes with space":           {"020 - 7946 0123", gb, []string{london}},
		"slash":                       {"030/23125-123", de, []string{berlin}},
		"en dash and hyphen":          {"020–7946‐0123", gb, []string{london}},
		"no-break and thin spaces":    {"020\u00a07946\u20090123", gb, []string{london}},
		"zero width":                  {"020\u200b79\u00ad46\u20600123", gb, []string{london}},
		"arabic digits":               {"٠٢٠ ٧٩٤٦ ٠١٢٣", gb, []string{london}},
		"devanagari digits":           {"०२० ७९४६ ०१२३", gb, []string{london}},
		"bold digits":                 {"𝟎𝟐𝟎 𝟕𝟗𝟒𝟔 𝟎𝟏𝟐𝟑", gb, []string{london}},
		"digits in circles":           {"⓪②⓪ ⑦⑨④⑥ ⓪①②③", gb, []string{london}},
		"keycaps":                     {"0️⃣2️⃣0️⃣7️⃣9️⃣4️⃣6️⃣0️⃣1️⃣2️⃣3️⃣", gb, []string{london}},
		"letters for digits":          {"O2O 7946 Ol23", gb, []string{london}},
		"a lone letter for a digit":   {"0 2 O 7 9 4 6 O l 2 3", gb, []string{london}},
		"spaced out":                  {"0 2 0 7 9 4 6 0 1 2 3", gb, []string{london}},
		"stars":                       {"0*2*0*7*9*4*6*0*1*2*3", gb, []string{london}},
		"underscores":                 {"020_7946_0123", gb, []string{london}},
		"bullets and stars":           {"020 • 7946 ★ 0123", gb, []string{london}},
		"emoji":                       {"020💋7946💋0123", gb, []string{london}},
		"spelled in English":          {"zero two zero seven nine four six zero one two three", gb, []string{london}},
		"spelled in Dutch":            {"nul twee nul 7946 nul één twee drie", gb, []string{london}},
		"spelled in German":           {"null drei null zwo drei eins zwei fünf eins zwei drei", de, []string{berlin}},
		"spelled in French":           {"zéro un neuf neuf zéro zéro un deux trois quatre", fr, []string{paris}},
		"spelled in Spanish":          {"cero uno nueve nueve cero cero uno dos tres cuatro", fr, []string{paris}},
		"spelled without spaces":      {"nultweenul7946nuleentweedrie", gb, []string{london}},
		"mixed":                       {"ZERO2zero-7946 zero123", gb, []string{london}},
		"after a word":                {"Tel:02079460123", gb, []string{london}},
		"stuck to a word":             {"Tel02079460123", gb, []string{london}},
		"after a sign":                {"☎02079460123", gb, []string{london}},
		"end of a sentence":           {"Bel 020 7946 0123.", gb, []string{london}},
		"before a price":              {"020 7946 0123 €100", gb, []string{london}},
		"after a price":               {"€ 100 020 7946 0123", gb, []string{london}},
		"before an age":               {"020 7946 0123, 25 jaar", gb, []string{london}},
		"before an age without comma": {"030 23125 123 25 jaar", de, []string{berlin}},
		"after a date":                {"12-03-2025 020 7946 0123", gb, []string{london}},
		"two by comma":                {"02079460123,07700900123", gb, []string{london, mobile}},
		"two by space":                {"020 7946 0123 07700 900123 tel", gb, []string{london}},
		"two by slash":                {"020 7946 0123 / +49 30 23125 123", gb, []string{london, berlin}},
		"two by newline":              {"020 7946 0123\n07700 900123", gb, []string{london, mobile}},
		"handy":                       {"0171 39200 12", de, []string{handy}},
		"not in the plan":             {"07700 900123", gb, []string{mobile}},
		"not in the plan, French":     {"06 39 98 12 34", fr, []string{french}},
		"not in the plan, Irish":      {"(020) 910 1234", []string{"IE"}, []string{"tel:+353209101234"}},
		"Australian":                  {"(02) 5550 1234", []string{"AU"}, []string{"tel:+61255501234"}},
		"Swedish":                     {"070-174 06 05", []string{"SE"}, []string{"tel:+46701740605"}},
		"American":                    {"(202) 555-0123", na, []string{us}},
		"American, dots":              {"202.555.0123", na, []string{us}},
		"American, with 1":            {"1-202-555-0123", na, []string{us}},
		"American, after a word":      {"call 2025550123", na, []string{us}},
		"American, alone":             {"Anna\n★2025550123★\n", na, []string{us}},
		"American, 011":               {"011 44 20 7946 0123", na, []string{london}},
		"no plus":                     {"44 20 7946 0123", gb, []string{london}},
		"no plus, after a word":       {"WhatsApp 442079460123", gb, []string{london}},
		"several regions":             {"01 99 00 12 34", []string{"FR", "GB", "xx", "DE"}, []string{paris}},
		"both regions":                {"06 39 98 12 34", []string{"FR", "NL"}, []string{"tel:+31639981234"}},
		"brackets and braces":         {"[020] {7946} 0123", gb, []string{london}},
		"stuck to a word behind":      {"Bel02079460123WhatsApp", gb, []string{london}},
		"stuck to a price":            {"100€02079460123", gb, []string{london}},
		"and the next":                {"020 7946 0123/4", gb, []string{london}},
		"and the next, German":        {"030 23125 123/4", de, []string{berlin}},
		// The German plan is open: it has numbers of nearly all lengths.
		"beside an open plan":         {"07700 900123", []string{"DE", "GB"}, []string{"tel:+497700900123", mobile}},
		"beside an open plan, French": {"06.39.98.12.34", []string{"DE", "FR"}, []string{"tel:+49639981234", french}},
		"no regions":                  {"020 7946 0123", nil, nil},
	} {
		t.Run(reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, values(Find(tc.text, Options{Regions: tc.regions}))); diff != "" {
				t.Errorf("Find(%q) (-want +got):\n%s", tc.text, diff)
			}
		})
	}
}

func TestFindNames(t *testing.T) {
	for reason, tc := range map[string]struct {
		text string
		want []string
	}{
		"e-mail":                     {"Mail Name.Last+tag@Example.ORG!", []string{"mailto:name.last+tag@example.org"}},
		"IDNA":                       {"name@bücher.example", []string{"mailto:name@xn--bcher-kva.example"}},
		"[at] [dot]":                 {"name [at] example [dot] org", []string{"mailto:name@example.org"}},
		"(at)(punt)":                 {"name(at)example(punt)org", []string{"mailto:name@example.org"}},
		"{at} and a dot":             {"name {AT} example.org", []string{"mailto:name@example.org"}},
		"dots before":                {"first [dot] last [at] example [dot] org", []string{"mailto:first.last@example.org"}},
		"apenstaartje in brackets":   {"name(apenstaartje)example.org", []string{"mailto:name@example.org"}},
		"apenstaartje":               {"name apenstaartje example punt org", []string{"mailto:name@example.org"}},
		"arroba":                     {"name arroba example punto org", []string{"mailto:name@example.org"}},
		"spoken":                     {"name at example dot org", []string{"mailto:name@example.org"}},
		"[@]":                        {"name[@]example.org", []string{"mailto:name@example.org"}},
		"spaces":                     {"name @ example.org", []string{"mailto:name@example.org"}},
		"a handle in a sentence":     {"find me @example.org", []string{"handle:example.org"}},
		"end of a sentence":          {"name@example.org.", []string{"mailto:name@example.org"}},
		"stuck to a sentence":        {"name@example.org.Bel mij", []string{"mailto:name@example.org"}},
		"digits":                     {"02079460123@example.org", []string{"mailto:02079460123@example.org"}},
		"full-width":                 {"name＠example.org", []string{"mailto:name@example.org"}},
		"new domain":                 {"name@shop.examplish", []string{"mailto:name@shop.examplish"}},
		"two":                        {"a@example.org,b@example.org", []string{"mailto:a@example.org", "mailto:b@example.org"}},
		"a sentence":                 {"look at example.org", nil},
		"at home":                    {"I am at home (at) night", nil},
		"a page":                     {"info @ www.example.org", nil},
		"a picture":                  {"logo@2x.png", nil},
		"no host":                    {"name@localhost", nil},
		"two dots":                   {"na..me@example.org", nil},
		"handle":                     {"find me @Example_22", []string{"handle:example_22"}},
		"handle on a platform":       {"Telegram: @example", []string{"handle:telegram:example"}},
		"handle without @":           {"insta: example.name\nsnap: example", []string{"handle:instagram:example.name", "handle:snapchat:example"}},
		"on X":                       {"X: @example", []string{"handle:x:example"}},
		"an answer":                  {"Telegram: yes", nil},
		"a sentence on a platform":   {"Instagram: follow us today", nil},
		"a package":                  {"@types/node", nil},
		"an amount":                  {"3 @ 10", nil},
		"mail is no handle":          {"insta: name@example.org", []string{"mailto:name@example.org"}},
		"wa.me":                      {"https://wa.me/442079460123?text=hi", []string{"tel:+442079460123"}},
		"wa.me bare":                 {"(wa.me/442079460123)", []string{"tel:+442079460123"}},
		"t.me":                       {"t.me/Example_22", []string{"handle:telegram:example_22"}},
		"t.me invitation":            {"https://t.me/+AbCdEf", nil},
		"t.me number":                {"https://t.me/+442079460123", []string{"tel:+442079460123"}},
		"instagram":                  {"www.instagram.com/example/", []string{"handle:instagram:example"}},
		"a post":                     {"https://www.instagram.com/p/abc", nil},
		"onlyfans":                   {"onlyfans.com/example", []string{"handle:onlyfans:example"}},
		"snapchat":                   {"https://snapchat.com/add/example", []string{"handle:snapchat:example"}},
		"tiktok":                     {"https://www.tiktok.com/@example", []string{"handle:tiktok:example"}},
		"another page":               {"https://example.org/@example", nil},
		"tel in text":                {"tel:+442079460123", []string{"tel:+442079460123"}},
		"mailto in text":             {"mailto:name@example.org", []string{"mailto:name@example.org"}},
		"everything":                 {"Tel 020 7946 0123, name@example.org, @example", []string{"tel:+442079460123", "mailto:name@example.org", "handle:example"}},
		"no number in a mail's name": {"020 7946 0123@example.org", []string{"mailto:0123@example.org"}},
	} {
		t.Run(reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, values(Find(tc.text, Options{Regions: []string{"GB"}}))); diff != "" {
				t.Errorf("Find(%q) (-want +got):\n%s", tc.text, diff)
			}
		})
	}
}

func TestFindPlaces(t *testing.T) {
	for text, want := range map[string]string{
		"a ★ (020) 7946 0123. b":   "020) 7946 0123",
		"x +44 20 7946 0123 y":     "+44 20 7946 0123",
		"x ０２０７９４６０１２３ y":          "０２０７９４６０１２３",
		"Tel02079460123":           "02079460123",
		"a name [at] example.org.": "name [at] example.org",
		"a @example b":             "@example",
		"insta: example":           "example",
	} {
		got := Find(text, europe)
		if len(got) != 1 || text[got[0].Start:got[0].End] != want {
			t.Errorf("Find(%q) = %v, want one at %q", text, got, want)
		}
	}
}

func TestFromLink(t *testing.T) {
	for href, want := range map[string][]string{
		"tel:+44-20-7946-0123":                                {"tel:+442079460123"},
		"tel:020%207946%200123":                               {"tel:+442079460123"},
		"tel:+442079460123;ext=5":                             {"tel:+442079460123"},
		"TEL:07700900123":                                     {"tel:+447700900123"},
		"tel://+442079460123":                                 {"tel:+442079460123"},
		"sms:+442079460123?body=hi":                           {"tel:+442079460123"},
		"mailto:Name@example.org?subject=x":                   {"mailto:name@example.org"},
		"mailto:a@example.org,b@example.org":                  {"mailto:a@example.org", "mailto:b@example.org"},
		"mailto:?to=a@example.org":                            {"mailto:a@example.org"},
		"https://api.whatsapp.com/send?phone=%2B442079460123": {"tel:+442079460123"},
		"whatsapp://send?phone=442079460123":                  {"tel:+442079460123"},
		"tg://resolve?domain=example":                         {"handle:telegram:example"},
		"https://x.com/Example":                               {"handle:x:example"},
		"https://twitter.com/intent/tweet":                    nil,
		"https://example.org/":                                nil,
		"javascript:void(0)":                                  nil,
		"tel:112":                                             nil,
		"tel:":                                                nil,
		"mailto:tel:+442079460123":                            nil,
		"mailto:":                                             nil,
		"%zz":                                                 nil,
		"":                                                    nil,
	} {
		got := FromLink(href, Options{Regions: []string{"GB"}})
		if diff := cmp.Diff(want, values(got)); diff != "" {
			t.Errorf("FromLink(%q) (-want +got):\n%s", href, diff)
		}
		for _, f := range got {
			if f.Start != 0 || f.End != len(href) {
				t.Errorf("FromLink(%q) is at %d to %d", href, f.Start, f.End)
			}
		}
	}
}

func TestQuery(t *testing.T) {
	for text, want := range map[string][]string{
		"+44 20 7946 0123":             {"tel:+442079460123"},
		"0044 (0)20 7946 0123":         {"tel:+442079460123"},
		"020 7946 0123":                {"tel:+442079460123"},
		"07700 900123":                 {"tel:+497700900123", "tel:+447700900123"},
		"06 39 98 12 34":               {"tel:+31639981234", "tel:+49639981234", "tel:+32639981234", "tel:+33639981234"},
		"442079460123":                 {"tel:+442079460123"},
		"Tel: 030 - 23125 123":         {"tel:+493023125123", "tel:+443023125123"},
		"nul twee nul 7946 nul123":     {"tel:+442079460123"},
		"tel:+442079460123":            {"tel:+442079460123"},
		" Name [at] example [dot] org": {"mailto:name@example.org"},
		"mailto:name@example.org":      {"mailto:name@example.org"},
		"https://t.me/example":         {"handle:telegram:example"},
		"telegram:example":             {"handle:telegram:example"},
		"Insta @example":               {"handle:instagram:example"},
		"telegram: @Example":           {"handle:telegram:example"},
		"@example": {"handle:example", "handle:instagram:example", "handle:onlyfans:example", "handle:snapchat:example",
			"handle:telegram:example", "handle:tiktok:example", "handle:x:example"},
		"":                       nil,
		"example":                nil,
		"red car":                nil,
		"2024":                   nil,
		"2024 2025":              nil,
		"100,00":                 nil,
		"€ 1.250.000":            nil,
		"12-03-2025":             nil,
		"2025-03-12":             nil,
		"20250312":               nil,
		"12.03.2025":             nil,
		"09.00-17.30":            nil,
		"call 020 7946 0123 now": nil,
		"https://example.org/":   nil,
		"name@example.org words": nil,
		"0000000000":             nil,
		"1234567":                nil,
	} {
		var got []string
		for _, a := range Query(text, europe) {
			got = append(got, a.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Query(%q) (-want +got):\n%s", text, diff)
		}
	}
}

// What is found in one writing is what a query in another means.
func TestQueryMeetsFind(t *testing.T) {
	writings := []string{
		"+44 20 7946 0123", "0044 20 7946 0123", "020 7946 0123", "(020) 7946-0123", "O2O.7946.Ol23",
		"0️⃣2️⃣0️⃣ 7946 0123", "zero two zero 7946 zero one 23", "+44 (0)20 7946 0123", "wa.me/442079460123",
	}
	for _, query := range writings {
		meant := map[string]bool{}
		for _, a := range Query(query, europe) {
			meant[a.String()] = true
		}
		for _, text := range writings {
			met := false
			for _, f := range Find("Bel mij: "+text, europe) {
				met = met || meant[f.String()]
			}
			if !met {
				t.Errorf("Query(%q) misses what Find has of %q", query, text)
			}
		}
	}
}

func TestDigits(t *testing.T) {
	for digits := range strings.FieldsSeq("٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹ ०१२३४५६७८९ ০১২৩৪৫৬৭৮৯ ๐๑๒๓๔๕๖๗๘๙ ０１２３４５６７８９ 𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗 𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡 𝟬𝟭𝟮𝟯𝟰𝟱𝟲𝟳𝟴𝟵 𝟶𝟷𝟸𝟹𝟺𝟻𝟼𝟽𝟾𝟿 ⓪①②③④⑤⑥⑦⑧⑨ ⓿❶❷❸❹❺❻❼❽❾ ⁰¹²³⁴⁵⁶⁷⁸⁹ ₀₁₂₃₄₅₆₇₈₉") {
		got := ""
		for _, r := range digits {
			got += string(digit(r))
		}
		if got != "0123456789" {
			t.Errorf("the digits of %s are %q", digits, got)
		}
	}
}
