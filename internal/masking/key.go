package masking

// secretWords make a key that of a secret, wherever they are in it and in any case.
var secretWords = [...]string{
	"passw", "passphrase", "pwd", "secret", "token", "key", "cred", "auth", "bearer", "cookie", "session", "jwt", "dsn",
}

// byLetter are secretWords by their first letter.
var byLetter = func() (words [256][]string) {
	for _, word := range secretWords {
		words[word[0]] = append(words[word[0]], word)
		words[word[0]-'a'+'A'] = words[word[0]]
	}
	return words
}()

// text is what is looked at without being copied.
type text interface{ ~string | ~[]byte }

// IsSecretKey reports whether a value under this key may be secret, by the words in the
// key: DB_PASSWORD, apiKey and x-auth-token are such keys, and so is monkey.
func IsSecretKey(key string) bool { return isSecretKey(key) }

func isSecretKey[T text](key T) bool {
	for i := range len(key) {
		for _, word := range byLetter[key[i]] {
			if hasWord(key, i, word) && (word != "auth" || !isAuthor(key, i)) {
				return true
			}
		}
	}
	return hasWord(key, len(key)-len("pass"), "pass")
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
