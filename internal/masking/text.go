package masking

import (
	"math"
	"regexp"
	"strings"
)

var (
	// userinfo is the password of a URL.
	userinfo = regexp.MustCompile(`(://[^/\s:@]*):[^/\s]*@`)
	// token is what says by its form that it is a secret.
	token = regexp.MustCompile(`gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}|` +
		`AIza[\w-]{30,}|sk-[\w-]{16,}|sk_live_\w{10,}|npm_\w{30,}|hvs\.[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?`)
	// pem is a block as in RFC 7468; one that is cut off goes to the end.
	pem = regexp.MustCompile(`-----BEGIN [^-]+-----[\s\S]*?(?:-----END [^-]+-----|$)`)
	// word is what random strings are made of.
	word = regexp.MustCompile(`[A-Za-z0-9+/_=-]{20,}`)
)

// Text returns s, which may be any text that people write, without what in it looks like
// a secret.
func Text(s string) string {
	if !isSuspect(s) {
		return s
	}
	s = userinfo.ReplaceAllString(s, "$1:"+Mask+"@")
	s = pem.ReplaceAllString(s, Mask)
	return token.ReplaceAllString(assignments(s), Mask)
}

// isSuspect reports whether Text would have to look closer. Almost all that specs have is
// no suspect, and a scan is all that it costs.
func isSuspect[T text](s T) bool {
	const (
		shortestSecret = 4 // pw=x
		shortestToken  = 14
	)
	if len(s) < shortestSecret {
		return false
	}
	assigns, address := false, false
	for i := range len(s) {
		switch s[i] {
		case '=', ' ', '\t', '\n':
			assigns = true
		case ':':
			assigns = true
			address = address || hasWord(s, i, "://")
		case '@':
			if address {
				return true
			}
		case '-':
			if len(s)-i > len(pemBegin) && string(s[i:i+len(pemBegin)]) == pemBegin {
				return true
			}
		case 'g', 'x', 'A', 's', 'n', 'h', 'e':
			if len(s)-i >= shortestToken && beginsToken(s, i) {
				return true
			}
		}
	}
	return assigns && isSecretKey(s)
}

const pemBegin = "-----BEGIN "

// tokenPrefixes are what the tokens begin with that token finds.
var tokenPrefixes = [...]string{"gh", "glpat-", "xox", "AKIA", "ASIA", "AIza", "sk-", "sk_live_", "npm_", "hvs.", "eyJ"}

func beginsToken[T text](s T, i int) bool {
	for _, prefix := range tokenPrefixes {
		if s[i] == prefix[0] && len(s)-i >= len(prefix) && string(s[i:i+len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// random replaces the words of s that look as if a machine had made them up. Digests say
// that they are digests, and are no secrets.
func random(s string) string {
	if len(s) < 20 {
		return s
	}
	from := 0
	var b strings.Builder
	for _, at := range word.FindAllStringIndex(s, -1) {
		before, found := s[from:at[0]], s[at[0]:at[1]]
		if strings.HasSuffix(before, "sha256:") || strings.HasSuffix(before, "sha512:") || !isRandom(found) {
			continue
		}
		b.WriteString(before)
		b.WriteString(Mask)
		from = at[1]
	}
	b.WriteString(s[from:])
	return b.String()
}

// Random words have letters and digits, and few letters more often than others. A path of
// words, or a name with dashes, has less in it for its length.
const minEntropy = 3.2 // bits for each byte

func isRandom(word string) bool {
	letters, digits, slashes := 0, 0, 0
	var count [256]int
	for i := range len(word) {
		c := word[i]
		count[c]++
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '/':
			slashes++
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		}
	}
	if letters == 0 || digits < 2 || slashes > 0 && len(word)/(slashes+1) < 12 {
		return false
	}
	entropy, size := 0.0, float64(len(word))
	for _, n := range count {
		if n > 0 {
			p := float64(n) / size
			entropy -= p * math.Log2(p)
		}
	}
	return entropy >= minEntropy
}
