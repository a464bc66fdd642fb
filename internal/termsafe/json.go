package termsafe

import (
	"unicode/utf8"
)

// AppendJSON appends the JSON text doc to dst in a form that is safe to show on a terminal and
// means the same: inside strings U+007F to U+009F and bidirectional controls become \u escapes, and
// bytes that are no UTF-8 become U+FFFD. Valid JSON has all other controls escaped already; in what
// is not valid they go.
func AppendJSON(dst, doc []byte) []byte {
	for i := 0; i < len(doc); {
		c := doc[i]
		if c < utf8.RuneSelf {
			switch {
			case c == 0x7f:
				dst = appendEscape(dst, 0x7f)
			case c >= 0x20 || c == '\n' || c == '\t':
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(doc[i:])
		switch {
		case isC1(r) || isMark(r) || bidiName(r) != "":
			dst = appendEscape(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		i += size
	}
	return dst
}

func appendEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
