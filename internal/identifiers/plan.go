package identifiers

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// plan reads digits by the numbering plans of the regions that are configured.
//
// A number that the library calls valid is in a range that was given out when the library
// was made. Ranges are given out all the time, and a number that is missed is a lead that
// is lost; on the other hand nearly all digits that begin with 0 are possible numbers of
// some region. So a valid number is one wherever it stands, and one that is merely
// plausible only where the text says so as well: see scanner.plausible. (To ask for no more
// than a possible one would read a page full of figures as numbers, to ask for a valid one
// would miss the ranges that regulators keep for fiction, such as +44 7700 900, as it would
// those of next year.) Plausible is what
// the library calls possible, of the length that an ordinary mobile or fixed line of that
// region has, and not a round figure.
type plan struct {
	regions []region
	read    map[string]reading // by region and digits: pages repeat numbers
	// ordinary is the lengths of mobile and fixed lines by calling code, as sets of bits.
	ordinary map[int32]uint32
}

type region struct {
	code  string
	cc    string // the country calling code
	trunk string // the national prefix, such as "0"
	// lengths are those of numbers behind a national prefix "0", as a set of bits; none when
	// the prefix is not that alone. To look here first is a hundred times faster than to
	// have the library read digits.
	lengths uint32
}

// reading is what digits are in E.164, and whether that is valid.
type reading struct {
	e164   string
	valid  bool
	number *phonenumbers.PhoneNumber
}

// possible tells whether a reading has a length that numbers of its region have.
func (r reading) possible() bool {
	return r.valid || r.number != nil && phonenumbers.IsPossibleNumberWithReason(r.number) == phonenumbers.IS_POSSIBLE
}

// maxReadings bounds how many readings are remembered.
const maxReadings = 1 << 14

func newPlan(o Options) *plan {
	p := &plan{read: map[string]reading{}, ordinary: map[int32]uint32{}}
	known := phonenumbers.GetSupportedRegions()
	for _, code := range o.Regions {
		code = strings.ToUpper(code)
		if !known[code] {
			continue
		}
		p.regions = append(p.regions, region{
			code: code, cc: strconv.Itoa(phonenumbers.GetCountryCodeForRegion(code)),
			trunk: phonenumbers.GetNddPrefixForRegion(code, true), lengths: lengths(code),
		})
	}
	return p
}

// lengths returns the lengths of a region's numbers, for region.lengths.
func lengths(code string) uint32 {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return 0
	}
	for _, m := range all.GetMetadata() {
		prefix := m.GetNationalPrefixForParsing()
		if m.GetId() != code || prefix != "0" && !strings.HasPrefix(prefix, "0|1") || m.GetNationalPrefixTransformRule() != "" {
			continue
		}
		var set uint32
		for _, n := range m.GetGeneralDesc().GetPossibleLength() {
			set |= 1 << n
		}
		return set
	}
	return 0
}

// international reads digits that begin with a country calling code.
func (p *plan) international(digits string) reading { return p.parse("+"+digits, "ZZ") }

// abroad returns the digits after "00", or after "011" where the North American Numbering
// Plan is one of those configured.
func (p *plan) abroad(digits string) (string, bool) {
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		return rest, true
	}
	for _, r := range p.regions {
		if rest, ok := strings.CutPrefix(digits, "011"); ok && r.cc == "1" && len(digits) > 11 {
			return rest, true
		}
	}
	return "", false
}

// national reads digits as they are dialled in a region.
func (p *plan) national(digits string, r region) reading {
	// (The library strips the prefix only where that leaves a number.)
	if n := len(digits); r.lengths != 0 && digits[0] == '0' && r.lengths&(1<<n|1<<(n-1)) == 0 {
		return reading{}
	}
	read := p.parse(digits, r.code)
	if !strings.HasPrefix(read.e164, "+"+r.cc) {
		return reading{}
	}
	return read
}

func (p *plan) parse(digits, region string) reading {
	key := region + digits
	if read, ok := p.read[key]; ok {
		return read
	}
	if len(p.read) == maxReadings {
		clear(p.read)
	}
	read := parse(digits, region)
	p.read[key] = read
	return read
}

func parse(digits, region string) reading {
	n, err := phonenumbers.Parse(digits, region)
	if err != nil {
		return reading{}
	}
	return reading{e164: phonenumbers.Format(n, phonenumbers.E164), valid: phonenumbers.IsValidNumber(n), number: n}
}

// plausible tells whether a reading is valid, or is what a valid number may look like as
// well.
func (p *plan) plausible(r reading) bool {
	return r.valid || r.possible() && p.isOrdinary(r.number)
}

// isOrdinary tells whether a possible number is as long as those of ordinary lines of its
// country, does not begin as none there does, and is no round figure.
func (p *plan) isOrdinary(n *phonenumbers.PhoneNumber) bool {
	number := phonenumbers.GetNationalSignificantNumber(n)
	if strings.HasSuffix(number, "000000") || strings.Count(number, number[:1]) == len(number) {
		return false
	}
	home := phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	trunk := phonenumbers.GetNddPrefixForRegion(home, true)
	if len(trunk) == 1 && strings.HasPrefix(number, trunk) {
		return false
	}
	set, known := p.ordinary[n.GetCountryCode()]
	if !known {
		set = ordinaryLengths(home)
		p.ordinary[n.GetCountryCode()] = set
	}
	return set&(1<<len(number)) != 0
}

func ordinaryLengths(region string) uint32 {
	var set uint32
	for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE} {
		if example := phonenumbers.GetExampleNumberForType(region, kind); example != nil {
			set |= 1 << len(phonenumbers.GetNationalSignificantNumber(example))
		}
	}
	return set
}
