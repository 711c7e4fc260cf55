package plimsoll

import (
	"path"
	"strings"
)

// MatchesName reports whether a pattern matches all of the name of a namespace, a
// runtime or the like. Patterns are those of [path.Match], but * and ? match slashes too,
// which names of runtimes and types may contain: otherwise some names would go unjudged.
// The error is [path.ErrBadPattern].
func MatchesName(pattern, name string) (bool, error) {
	const standIn = "\x00"
	return path.Match(strings.ReplaceAll(pattern, "/", standIn), strings.ReplaceAll(name, "/", standIn))
}

// BadPattern reports whether no name can be matched by pattern, because it is none.
func BadPattern(pattern string) bool {
	_, err := MatchesName(pattern, "")
	return err != nil || pattern == ""
}
