package identifiers

import (
	"unicode"
	"unicode/utf8"
)

// digit returns the ASCII digit that a rune stands for in itself, or 0.
func digit(r rune) byte {
	switch {
	case r >= '0' && r <= '9':
		return byte(r)
	case r < 0x80:
		return 0
	case unicode.Is(unicode.Nd, r):
		return decimal(r)
	}
	return enclosed(r)
}

// decimal returns the digit of a rune of general category Nd. Those of a script lie side by
// side from zero to nine (The Unicode Standard, section 4.6), so that ranges of the table
// hold tens of them.
func decimal(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	return 0
}

// enclosed returns the digit of superscripts, subscripts and digits in circles.
func enclosed(r rune) byte {
	switch r {
	case '⁰', '₀', '⓪', '⓿':
		return '0'
	case '¹':
		return '1'
	case '²', '³':
		return '2' + byte(r-'²')
	}
	for _, first := range []rune{'①', '❶', '➀', '➊', '⓵', '⁴' - 3, '₁'} {
		if r >= first && r < first+9 {
			return '1' + byte(r-first)
		}
	}
	return 0
}

// lookalike returns the digit that a letter next to digits is read as, or 0.
func lookalike(r rune) byte {
	switch r {
	case 'O', 'o':
		return '0'
	case 'l', 'I':
		return '1'
	}
	return 0
}

// invisible tells of runes that change nothing that is seen: of width zero, marks of
// direction, variation selectors, and the frame of a keycap.
func invisible(r rune) bool {
	switch {
	case r < 0xad:
		return false
	case r == 0xad, r == 0x20e3, r == 0xfeff:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	}
	return r >= 0xfe00 && r <= 0xfe0f
}

// letter tells of what words and digits are made of.
func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return unicode.IsLetter(r) || unicode.IsMark(r)
}

// separator tells of what may stand between the digits of a number.
func separator(r rune) bool {
	switch r {
	case ' ', '\t', '.', '-', '/', '\\', '(', ')', '[', ']', '{', '}', '*', '_', '~', '|', '=', '\'', '"', '<', '>', '^', '`', '#',
		'•', '·', '‧', '∙', '⋅', '●', '‐', '‑', '‒', '–', '—', '―', '−', '⁄', '（', '）', '．', '－', '／', '‿', '«', '»', '‹', '›':
		return true
	}
	return r >= 0x80 && (unicode.Is(unicode.Zs, r) || unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r))
}
