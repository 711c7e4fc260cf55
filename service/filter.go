package service

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/containerd/containerd/v2/pkg/filters"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// maxFilterBytes bounds a filter: matching it costs time for each container.
const maxFilterBytes = 16 << 10

// maxSelectors bounds the selectors of a filter, and maxFilters how many filters a
// request may have.
const (
	maxSelectors = 64
	maxFilters   = 64
)

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
	all, selectors, err := parseSelectors(text)
	if err != nil {
		return refuse("%v", err)
	}
	var query storage.Query
	for i, sel := range selectors {
		path, err := pathOf(sel.field)
		if err != nil {
			return refuse("%s", filterProblem(text, err))
		}
		if !isKnown(path, fields) {
			return refuse("no field %q; fields are %s", strings.Join(path, "."), strings.Join(fields, ", "))
		}
		switch sel.operator {
		case "~=":
			if all[i], err = regexpSelector(path, sel.value); err != nil {
				return refuse("bad regular expression at byte %d: %v", sel.at, err)
			}
		case "==":
			// All selectors must hold, so any one of them may narrow the scan. Most
			// containers have the same runtime: any other index is better.
			query.Where = narrower(query.Where, indexTerm(path, sel.value))
		}
	}
	query.Match = func(c *plimsoll.Container) bool {
		return all.Match(filters.AdapterFunc(func(path []string) (string, bool) { return field(c, path) }))
	}
	return query, nil
}

// narrower returns the better of two terms, each of which may be nil.
func narrower(a, b *storage.Term) *storage.Term {
	if b != nil && (a == nil || a.Field == storage.FieldRuntime) {
		return b
	}
	return a
}

// parseSelectors parses a filter that is not empty with containerd's parser, and finds
// what it does not show of its selectors.
func parseSelectors(text string) (filters.All, []selector, error) {
	filter, err := filters.Parse(text)
	if err != nil {
		return nil, nil, errors.New(filterProblem(text, err))
	}
	all, ok := filter.(filters.All)
	selectors := scanSelectors(text)
	if len(selectors) > maxSelectors {
		return nil, nil, fmt.Errorf("has %d selectors; at most %d are allowed", len(selectors), maxSelectors)
	}
	if !ok || len(all) != len(selectors) {
		return nil, nil, errors.New("cannot be understood")
	}
	return all, selectors, nil
}

// parseContainerdFilters parses the filters of containerd's own APIs, any of which may match. It
// takes all that containerd takes, and gives it the same meaning: a field that does not
// exist is absent, and a bad regular expression matches nothing (pkg/filters). term, if
// there is one, is an index entry that all matches of a container have.
func parseContainerdFilters(texts []string) (filter filters.Filter, term *storage.Term, err error) {
	refuse := func(format string, args ...any) (filters.Filter, *storage.Term, error) {
		return nil, nil, &plimsoll.RequestError{Field: "filters", Problem: fmt.Sprintf(format, args...)}
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > maxFilterBytes || len(texts) > maxFilters {
		return refuse("are %d of %d bytes; at most %d of %d are allowed", len(texts), size, maxFilters, maxFilterBytes)
	}
	if len(texts) == 0 {
		return filters.Always, nil, nil
	}
	var matches filters.Any
	for i, text := range texts {
		one, narrow, err := parseLikeContainerd(text)
		if err != nil {
			return refuse("filter %d %v", i+1, err)
		}
		matches = append(matches, one)
		if len(texts) == 1 {
			term = narrow
		}
	}
	return matches, term, nil
}

func parseLikeContainerd(text string) (filters.Filter, *storage.Term, error) {
	if text == "" {
		return filters.Always, nil, nil
	}
	all, selectors, err := parseSelectors(text)
	if err != nil {
		return nil, nil, err
	}
	var term *storage.Term
	for i, sel := range selectors {
		path, err := pathOf(sel.field)
		if err != nil {
			return nil, nil, errors.New(filterProblem(text, err))
		}
		switch sel.operator {
		case "~=":
			all[i], err = regexpSelector(path, sel.value)
			if _, bad := errors.AsType[*syntax.Error](err); bad {
				all[i], err = filters.FilterFunc(func(filters.Adaptor) bool { return false }), nil
			}
			if err != nil {
				return nil, nil, fmt.Errorf("regular expression at byte %d: %w", sel.at, err)
			}
		case "==":
			term = narrower(term, indexTerm(path, sel.value))
		}
	}
	return all, term, nil
}

// matchesFields reports whether filter matches what field says of a record.
func matchesFields(filter filters.Filter, field func(path []string) (value string, present bool)) bool {
	return filter.Match(filters.AdapterFunc(field))
}

// labelField is what containerd's filters see of labels below labels (checkMap of
// core/metadata/adaptors.go).
func labelField(labels map[string]string, path []string) (string, bool) {
	value, ok := labels[strings.Join(path, ".")]
	return value, ok
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

// pathOf parses the field of a selector. A field alone is a filter for its presence,
// which asks an adaptor for the parsed path.
func pathOf(field string) (path []string, err error) {
	presence, err := filters.Parse(field)
	if err != nil {
		return nil, err
	}
	presence.Match(filters.AdapterFunc(func(asked []string) (string, bool) {
		path = slices.Clone(asked)
		return "", false
	}))
	return path, nil
}

// isKnown reports whether path is one of fields. A field that ends in .KEY stands
// for any key.
func isKnown(path, fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool {
		if keyed, ok := strings.CutSuffix(f, ".KEY"); ok {
			return len(path) > 1 && path[0] == keyed
		}
		return strings.Join(path, ".") == f
	})
}

// selector is what containerd's selectors do not show of themselves.
type selector struct {
	field    string // as written
	operator string // empty asks for presence
	value    string // as written
	at       int    // where in the filter the value is
}

// scanSelectors finds fields, operators and values in a filter that containerd's parser has
// accepted. So it need not look out for errors, only for quotes, in which anything
// may be; they count where a field or a value begins (pkg/filters/scanner.go).
func scanSelectors(text string) []selector {
	var selectors []selector
	for i := 0; ; i++ { // over the comma
		start := i
		for i < len(text) && !strings.ContainsRune("=!~,", rune(text[i])) {
			if text[i] == '"' {
				i = afterQuoted(text, i)
			} else {
				i++
			}
		}
		s := selector{field: strings.TrimRightFunc(text[start:i], unicode.IsSpace)}
		if i < len(text) && text[i] != ',' {
			s.operator = text[i : i+2]
			s.at = len(text) - len(strings.TrimLeftFunc(text[i+2:], unicode.IsSpace))
			if strings.ContainsRune(`"/|`, rune(text[s.at])) {
				i = afterQuoted(text, s.at)
			} else {
				i = s.at + len(text[s.at:])
				if comma := strings.IndexByte(text[s.at:], ','); comma >= 0 {
					i = s.at + comma
				}
			}
			s.value = text[s.at:i]
		}
		selectors = append(selectors, s)
		if i == len(text) {
			return selectors
		}
	}
}

// afterQuoted returns the index after the quoted literal that begins at i.
func afterQuoted(text string, i int) int {
	quote := text[i]
	for i++; text[i] != quote; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquote returns the value that a literal stands for: quotes are those of Go, and
// slashes and pipes are quotes like them.
func unquote(literal string) (string, error) {
	quote := literal[0]
	if !strings.ContainsRune(`"/|`, rune(quote)) {
		return literal, nil
	}
	if quote != '"' {
		inner := literal[1 : len(literal)-1]
		inner = strings.NewReplacer(`\\`, `\\`, `\`+string(quote), string(quote), `"`, `\"`).Replace(inner)
		literal = `"` + inner + `"`
	}
	return strconv.Unquote(literal)
}

// Bounds on a regular expression. A short one may compile to a large program:
// (a{1000}){1000} to a million instructions.
const (
	maxRegexpBytes = 1 << 10
	maxRegexpSize  = 4 << 10
)

// regexpSize estimates how many instructions re compiles to, before it does.
func regexpSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxRegexpSize+1)
}

// regexpSelector is containerd's selector for ~=, but compiles its expression once
// instead of for each record, and tells when it is bad.
func regexpSelector(path []string, literal string) (filters.Filter, error) {
	expr, err := unquote(literal)
	if err != nil {
		return nil, err
	}
	if len(expr) > maxRegexpBytes {
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", len(expr), maxRegexpBytes)
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if regexpSize(parsed) > maxRegexpSize {
		return nil, fmt.Errorf("it is too complex: it stands for more than %d steps", maxRegexpSize)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return filters.FilterFunc(func(a filters.Adaptor) bool {
		value, _ := a.Field(path)
		return re.MatchString(value)
	}), nil
}

// indexTerm returns the index entry that a selector for equality asks for, or nil if
// there is no such index.
func indexTerm(path []string, literal string) *storage.Term {
	value, err := unquote(literal)
	switch {
	case err != nil:
		return nil
	case path[0] == "labels":
		return &storage.Term{Field: storage.FieldLabel + strings.Join(path[1:], "."), Value: value}
	case path[0] == storage.FieldImage && value != "", path[0] == storage.FieldRuntime:
		return &storage.Term{Field: path[0], Value: value}
	}
	return nil
}
