package identifiers

import (
	"strings"
	"testing"
)

// Most digits are no telephone numbers.
func TestFindNothing(t *testing.T) {
	regions := Options{Regions: []string{"NL", "BE", "DE", "FR", "GB", "ES", "IT", "US"}}
	wrong := 0
	lines := strings.Split(strings.TrimSpace(negatives), "\n")
	for _, text := range lines {
		if got := Find(text, regions); len(got) > 0 {
			wrong++
			t.Errorf("Find(%q) = %v, want none", text, values(got))
		}
	}
	t.Logf("%d of %d wrong", wrong, len(lines))
}

const negatives = `
2024
In 2024 waren er 1.250.000 bezoekers
€ 100,00
€ 1.234.567,89
$1,299.00 or 12 x $108.25
Prijs: 150 euro per uur, 80 voor 30 min
120€ / 200€ / 350€
12-03-2025
03/12/2025 09:30
2025-03-12
2025-03-12T09:30:00.000Z
01.02.2024 - 03.04.2024
01-02-2024 t/m 28-02-2024
Geplaatst op 05-06-2024 om 07:08:09
09.00 - 17.30
Ma-Vr 08.00-18.00 uur
Ma 09:00-17:00 Di 09:00-17:00
52.370216, 4.895168
52.3702160 / 4.8951680
0.123456789
-0.0612345678
GPS 51.050409 03.722200
3.14159265358979
NL91 ABNA 0417 1643 00
NL91ABNA0417164300
BE68 5390 0754 7034
DE89 3704 0044 0532 0130 00
FR76 3000 6000 0112 3456 7890 189
IBAN: GB29 NWBK 6016 1331 9268 19
KvK 01234567
KvK-nummer: 06123456
BTW NL001234567B01
BSN 012345678
Rekening 0417 1643 00
ISBN 978-0-306-40615-7
ISBN 0-306-40615-2
EAN 0123456789012
0012345678905
4111 1111 1111 1111
Ordernr. 0301234567
order-0201234567
order_id=0201234567
ref #0201234567
Artikel 0201234567
IMG_0201234567.jpg
photo-0201234567.png
https://example.org/ad/0201234567
https://example.org/?id=0301234567&p=2
www.example.org/0201234567.html
example.org/a-0201234567
192.0.2.1
192.168.100.200
v1.02.03.0405
550e8400-e29b-41d4-a716-446655440000
0612345a-1234-5678-9012-345678901234
AB0201234567
0201234567XY
0x0201234567
a0201234567b
#020123
1700000000
1700000000000
posted 1712345678 ago
12345678
123456789
1234567890
0123456789
0000000000
00000000000000
1111111111
1 2 3 4 5 6 7 8 9 10 11 12 13
01 02 03 04 05 06 07 08 09 10 11 12 13 14 15
1 234 567 890
Er zijn 612.345.678 gevonden
612.345.678 views
100 000 000 views
+18
18+ only
+1 more
+100 000 000
+5 / -3
1,70 m 55 kg 85-60-90
85C 60-90
165cm / 52kg / 24 jaar
30 min 80 45 min 110 60 min 140
Vandaag 10-18 uur, morgen 12-20 uur
24/7
7/7 24/24
1012 AB 12
75008 Paris
10115 Berlin
SW1A 2AA
12 345 67 89 12 345 67 89 1
0,5 l 0,75 l 1,5 l
6 7 8 9
een twee drie vier
one two three four five six seven
width=0201234567
1920x1080 1280x720
2x 3x 10x
05 06 07 08 (4)
Bus 12, 14, 170, 172
A4 210 x 297 mm
ID 0301234567
id:0301234567
12:06:12345678
name@2x.png
`
