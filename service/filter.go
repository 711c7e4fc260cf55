package service

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/containerd/containerd/v2/pkg/filters"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// maxFilterBytes bounds a filter: matching it costs time for each container.
const maxFilterBytes = 16 << 10

// filterField returns the value of a field of a container, for a filter.
type filterField func(c *plimsoll.Container, path []string) (value string, present bool)

// parseFilter parses a filter in containerd's grammar with containerd's own parser
// (pkg/filters) into what selects the containers from a store. It refuses what
// containerd lets pass and then never matches: fields that do not exist and bad
// regular expressions.
func parseFilter(text string, fields []string, field filterField) (storage.Query, error) {
	refuse := func(format string, args ...any) (storage.Query, error) {
		return storage.Query{}, &plimsoll.RequestError{Field: "filter", Problem: fmt.Sprintf(format, args...)}
	}
	if text == "" {
		return storage.Query{}, nil
	}
	if len(text) > maxFilterBytes {
		return refuse("has %d bytes; at most %d are allowed", len(text), maxFilterBytes)
	}
	filter, err := filters.Parse(text)
	if err != nil {
		return refuse("%s", filterProblem(text, err))
	}
	if path := unknownField(filter, fields); path != nil {
		return refuse("no field %q; fields are %s", strings.Join(path, "."), strings.Join(fields, ", "))
	}
	query := storage.Query{Match: func(c *plimsoll.Container) bool {
		return filter.Match(filters.AdapterFunc(func(path []string) (string, bool) { return field(c, path) }))
	}}
	for _, selector := range splitSelectors(text) {
		if at, err := checkRegexp(selector); err != nil {
			return refuse("bad regular expression at byte %d: %v", strings.Index(text, selector)+at, err)
		}
		if query.Where == nil {
			query.Where = indexTerm(selector)
		}
	}
	return query, nil
}

// filterProblem says where a filter is wrong. containerd's parser marks the
// character in its message: `[id >|=|< web]: expected …`.
func filterProblem(text string, err error) string {
	message := strings.TrimPrefix(err.Error(), "filters: ")
	message = strings.TrimPrefix(message, "parse error: ")
	position := len(text)
	if before, _, ok := strings.Cut(message, " >|"); ok {
		position = len(before) - len("[")
	}
	return fmt.Sprintf("at byte %d: %s", position, message)
}

// unknownField returns the path of a selector that is none of fields. A field that
// ends in .KEY stands for any key.
func unknownField(filter filters.Filter, fields []string) []string {
	selectors, ok := filter.(filters.All)
	if !ok {
		return nil
	}
	var unknown []string
	for _, selector := range selectors {
		selector.Match(filters.AdapterFunc(func(path []string) (string, bool) {
			known := slices.ContainsFunc(fields, func(f string) bool {
				if keyed, ok := strings.CutSuffix(f, ".KEY"); ok {
					parts := strings.Split(keyed, ".")
					return len(path) > len(parts) && slices.Equal(path[:len(parts)], parts)
				}
				return slices.Equal(path, strings.Split(f, "."))
			})
			if !known && unknown == nil {
				unknown = slices.Clone(path)
			}
			return "", false
		}))
	}
	return unknown
}

// splitSelectors splits a valid filter at the commas between its selectors. A comma
// inside quotes is none of them; quotes count where a field or a value begins, as in
// containerd's scanner (pkg/filters/scanner.go).
func splitSelectors(text string) []string {
	var selectors []string
	start, valueNext := 0, false
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsSpace(r):
			i += size
		case r == '"' || valueNext && (r == '/' || r == '|'):
			i = afterQuoted(text, i)
			valueNext = false
		case valueNext:
			for i < len(text) && text[i] != ',' && !unicode.IsSpace(r) {
				i += size
				r, size = utf8.DecodeRuneInString(text[i:])
			}
			valueNext = false
		case r == '=' || r == '!' || r == '~':
			i += size
			valueNext = i == len(text) || !strings.ContainsRune("=!~", rune(text[i]))
		case r == ',':
			selectors = append(selectors, text[start:i])
			i += size
			start = i
		default:
			i += size
		}
	}
	return append(selectors, text[start:])
}

// afterQuoted returns the index after the quoted literal that begins at i.
func afterQuoted(text string, i int) int {
	quote := text[i]
	for i++; i < len(text) && text[i] != quote; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(text))
}

// checkRegexp checks the regular expression of a selector, if it has one, and
// returns where in the selector it begins. containerd only logs a bad one, once for
// each record.
func checkRegexp(selector string) (at int, err error) {
	at = strings.Index(selector, "~=")
	if at < 0 {
		return 0, nil
	}
	at += len("~=")
	expr := strings.TrimSpace(selector[at:])
	if len(expr) >= 2 {
		switch expr[0] {
		case '"':
			if expr, err = strconv.Unquote(expr); err != nil {
				return at, nil // escapes are the parser's business
			}
		case '/', '|':
			expr = expr[1 : len(expr)-1]
		}
	}
	_, err = regexp.Compile(expr)
	return at, err
}

// plainEquality is a selector that needs no unquoting to be understood.
var plainEquality = regexp.MustCompile(`^(image|runtime|labels\.[A-Za-z0-9_.]+)\s*==\s*([^"/|\s]\S*)$`)

// indexTerm returns the index entry that a selector asks for, or nil if it is not
// that simple. All selectors of a filter must hold, so any one of them may narrow
// the scan; the filter itself still decides.
func indexTerm(selector string) *storage.Term {
	m := plainEquality.FindStringSubmatch(strings.TrimSpace(selector))
	if m == nil {
		return nil
	}
	return &storage.Term{Field: m[1], Value: m[2]}
}
