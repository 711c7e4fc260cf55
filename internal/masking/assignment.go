package masking

import "strings"

// assignments returns s without the values that it gives to names of secrets: with = or :,
// after a flag, or after the word bearer. It reads s once.
func assignments(s string) string {
	var b strings.Builder
	from, line := 0, 0 // what is written already, and where the line began
	for at := 0; at < len(s); {
		if !isNameByte(s[at]) {
			if s[at] == '\n' {
				line = at + 1
			}
			at++
			continue
		}
		start := at
		for at < len(s) && isNameByte(s[at]) {
			at++
		}
		value, end := assigned(s, start, at, start-line)
		if end <= value {
			continue
		}
		b.WriteString(s[from:value])
		b.WriteString(Mask)
		if newline := strings.LastIndexByte(s[at:end], '\n'); newline >= 0 {
			line = at + newline + 1
		}
		from, at = end, end
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

func isNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func skipSpace(s string, at int) int {
	for at < len(s) && isSpace(s[at]) {
		at++
	}
	return at
}

// assigned tells where the value is that s gives to the name between start and end, which
// is at a column of its line. It is empty if there is none, or the name is not that of a
// secret.
func assigned(s string, start, end, column int) (from, to int) {
	name := s[start:end]
	if !isSecretKey(name) {
		return 0, 0
	}
	after := end
	for after < len(s) && s[after] == '\\' { // JSON in JSON
		after++
	}
	if after < len(s) && (s[after] == '"' || s[after] == '\'') {
		after++
	}
	separator := skipSpace(s, after)
	isFlag := name[0] == '-' || strings.EqualFold(name, "bearer")
	switch {
	case separator < len(s) && (s[separator] == '=' || s[separator] == ':'):
		from = skipSpace(s, separator+1)
		if to := blockEnd(s, separator+1, from, column); to > 0 {
			return from, to
		}
	case isFlag && separator > end:
		from = separator
	default:
		return 0, 0
	}
	from = skipScheme(s, from)
	return from, valueEnd(s, from)
}

// skipScheme skips how an authorization is meant to be read.
func skipScheme(s string, at int) int {
	for _, scheme := range []string{"bearer", "basic", "token"} {
		if next := at + len(scheme); hasWord(s, at, scheme) && next < len(s) && isSpace(s[next]) {
			return skipSpace(s, next)
		}
	}
	return at
}

// blockEnd is the end of a value in YAML that is on lines of its own: those that are
// indented more than the name, or are elements of a list. It is 0 if there is none.
// The separator ends at after, and what comes next begins at from.
func blockEnd(s string, after, from, column int) int {
	if from >= len(s) {
		return 0
	}
	next := from // where the lines are, or the one before them
	switch {
	case s[from] == '|' || s[from] == '>':
		for next < len(s) && strings.IndexByte("|>+-0123456789 \t\r", s[next]) >= 0 {
			next++
		}
		if next == len(s) || s[next] != '\n' {
			return 0
		}
		next++
	case s[from] == '"', s[from] == '\'', s[from] == '{', s[from] == '[', !strings.Contains(s[after:from], "\n"):
		return 0
	default:
		next = after + strings.LastIndexByte(s[after:from], '\n') + 1
	}
	end := 0
	for next < len(s) {
		text := next
		for text < len(s) && (s[text] == ' ' || s[text] == '\t') {
			text++
		}
		newline := strings.IndexByte(s[text:], '\n')
		if newline < 0 {
			newline = len(s) - text
		}
		stop := text + newline
		isElement := text-next == column && strings.HasPrefix(s[text:], "-")
		switch blank := strings.TrimSpace(s[text:stop]) == ""; {
		case blank:
		case text-next > column, isElement:
			end = stop
		default:
			return end
		}
		next = stop + 1
	}
	return end
}

// valueEnd is the end of the value that begins at a place: something in quotes or
// brackets, or a word. What is not closed goes to the end.
func valueEnd(s string, at int) int {
	if at < len(s) && (s[at] == '{' || s[at] == '[') {
		return bracketEnd(s, at)
	}
	if at < len(s) && (s[at] == '"' || s[at] == '\'') {
		at = quoteEnd(s, at)
		if at < len(s) && strings.IndexByte("}])", s[at]) >= 0 {
			return at
		}
	}
	for at < len(s) {
		switch c := s[at]; {
		case isSpace(c) || c == ',' || c == ';' || c == '&':
			return at
		case c == '"' || c == '\'': // a part of the word, as in shells, or the end of what it is in
			end := at + 1
			for end < len(s) && s[end] != c && !isSpace(s[end]) {
				end++
			}
			if end == len(s) || s[end] != c {
				return at
			}
			at = end + 1
		case c == '\\':
			at = min(at+2, len(s))
		default:
			at++
		}
	}
	return at
}

// quoteEnd is the end of what is in the quotes that begin at a place.
func quoteEnd(s string, at int) int {
	quote := s[at]
	for at++; at < len(s); at++ {
		switch s[at] {
		case quote:
			return at + 1
		case '\\':
			if quote == '"' {
				at++
			}
		}
	}
	return len(s)
}

// bracketEnd is the end of what is in the brackets that begin at a place.
func bracketEnd(s string, at int) int {
	for depth := 0; at < len(s); {
		switch s[at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		case '"':
			at = quoteEnd(s, at)
			continue
		}
		at++
	}
	return len(s)
}
