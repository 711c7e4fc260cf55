package masking

import "strings"

// script returns a command line for a shell, or some of them, without what its words say
// as arguments; what is in their quotes is a script again. What Text hides is still there.
func script(s string) string {
	var b strings.Builder
	from := 0
	var a arguments
	for at := 0; at < len(s); {
		if c := s[at]; isSpace(c) || isOperator(c) {
			if c == '\n' || isOperator(c) { // another command
				a = arguments{}
			}
			at++
			continue
		}
		start := at
		at = wordEnd(s, at)
		word, quote := s[start:at], ""
		if c := word[0]; (c == '"' || c == '\'') && quoteEnd(word, 0) == len(word) {
			quote = word[:1]
			word = strings.TrimSuffix(word[1:], quote)
		}
		shown, known := a.flag(word)
		if !known && quote != "" {
			shown, known = script(word), true
		}
		if known && shown != word {
			b.WriteString(s[from:start] + quote + shown + quote)
			from = at
		}
	}
	b.WriteString(s[from:])
	return b.String()
}

func isOperator(c byte) bool { return strings.IndexByte(";|&()<>`", c) >= 0 }

// wordEnd is the end of the word of a shell that begins at a place.
func wordEnd(s string, at int) int {
	for at < len(s) && !isSpace(s[at]) && !isOperator(s[at]) {
		switch s[at] {
		case '"', '\'':
			at = quoteEnd(s, at)
		case '\\':
			at = min(at+2, len(s))
		default:
			at++
		}
	}
	return at
}
