package masking

// secretWords make a key that of a secret, wherever they are in it and in any case.
var secretWords = [...]string{
	"passw", "passphrase", "passcode", "pwd", "secret", "token", "key", "cred", "auth", "bearer", "cookie", "session", "jwt", "dsn", "signature",
}

// Shorter ones are such words only where they end, or stand alone: compassion is none.
var (
	lastWords  = [...]string{"pass"}
	aloneWords = [...]string{"pw", "sig"}
)

// byLetter are all of them by their first letter.
var byLetter = func() (words [256][]secretWord) {
	add := func(text string, ends, begins bool) {
		for _, letter := range []byte{text[0], text[0] - 'a' + 'A'} {
			words[letter] = append(words[letter], secretWord{text, ends, begins})
		}
	}
	for _, word := range secretWords {
		add(word, false, false)
	}
	for _, word := range lastWords {
		add(word, true, false)
	}
	for _, word := range aloneWords {
		add(word, true, true)
	}
	return words
}()

// secretWord is a word that makes a key that of a secret.
type secretWord struct {
	text         string
	ends, begins bool // where no other word does
}

// text is what is looked at without being copied.
type text interface{ ~string | ~[]byte }

// IsSecretKey reports whether a value under this key may be secret, by the words in the
// key: DB_PASSWORD, apiKey and x-auth-token are such keys, and so is monkey.
func IsSecretKey(key string) bool { return isSecretKey(key) }

func isSecretKey[T text](key T) bool {
	for i := range len(key) {
		for _, word := range byLetter[key[i]] {
			switch {
			case !hasWord(key, i, word.text), word.text == "auth" && isAuthor(key, i):
			case word.ends && !isBorder(key, i+len(word.text)), word.begins && !isBorder(key, i):
			default:
				return true
			}
		}
	}
	return false
}

// isBorder reports whether one word ends before i in s, and another may begin there: in
// passFile and pass_file, but not in passive.
func isBorder[T text](s T, i int) bool {
	if i == 0 || i == len(s) {
		return true
	}
	isLetter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	isUpper := func(c byte) bool { return isLetter(c) && c&0x20 == 0 }
	return !isLetter(s[i-1]) || !isLetter(s[i]) || isUpper(s[i]) && !isUpper(s[i-1])
}

// hasWord reports whether word, in any case, is at i in s.
func hasWord[T text](s T, i int, word string) bool {
	if i < 0 || len(s)-i < len(word) {
		return false
	}
	for j := range len(word) {
		if s[i+j]|0x20 != word[j] {
			return false
		}
	}
	return true
}

// isAuthor reports whether author or authors is at i in s, who are no authorization.
func isAuthor[T text](s T, i int) bool {
	const author = "author"
	return hasWord(s, i, author) && !hasWord(s, i, author+"i")
}

// Pair returns value, as it may be shown under key.
func Pair(key, value string) string {
	if value != "" && IsSecretKey(key) {
		return Mask
	}
	return Text(value)
}
