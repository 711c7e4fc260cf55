package masking

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Edit is what a mask of a policy does to one place of a decision's event, as OPA's
// data.system.log.mask says it: it removes what is there, or puts another value there.
type Edit struct {
	// Path are the keys and indexes that lead there. The first is input or result.
	Path []string
	// Remove says to remove it; otherwise Value takes its place.
	Remove bool
	// Value is as encoding/json decodes it.
	Value any
}

// The parts of an event that may be edited.
const (
	PartInput  = "input"
	PartResult = "result"
)

// maxEdits bounds those of one event, and maxEditDepth how deep they reach.
const (
	maxEdits     = 1000
	maxEditDepth = 64
)

// ReadEdits reads what a mask says: a list of JSON pointers (RFC 6901), which remove, and of
// objects such as {"op": "upsert", "path": "/input/object/labels/x", "value": "…"}. Errors
// do not quote it.
func ReadEdits(said any) ([]Edit, error) {
	list, ok := said.([]any)
	if !ok {
		return nil, errors.New("it is no set")
	}
	if len(list) > maxEdits {
		return nil, fmt.Errorf("it has more than %d members", maxEdits)
	}
	edits := make([]Edit, 0, len(list))
	for _, member := range list {
		e, err := readEdit(member)
		if err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	return edits, nil
}

func readEdit(member any) (e Edit, err error) {
	e.Remove = true
	path, ok := member.(string)
	if object, isObject := member.(map[string]any); isObject {
		path, ok = object["path"].(string)
		e.Remove = object["op"] == "remove"
		e.Value = object["value"]
		for key := range object {
			ok = ok && slices.Contains([]string{"op", "path", "value"}, key)
		}
		if !ok || !e.Remove && object["op"] != "upsert" {
			return e, errors.New(`a member is an object, but not like {"op": "remove", "path": "/input/…"} or {"op": "upsert", "path": "/input/…", "value": …}`)
		}
	}
	if !ok {
		return e, errors.New("a member is neither a JSON pointer nor an object")
	}
	e.Path, err = readPointer(path)
	return e, err
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func readPointer(pointer string) ([]string, error) {
	path, ok := strings.CutPrefix(pointer, "/")
	parts := strings.Split(path, "/")
	if !ok || parts[0] != PartInput && parts[0] != PartResult {
		return nil, errors.New("a member's path begins with neither /input nor /result")
	}
	if len(parts) > maxEditDepth {
		return nil, fmt.Errorf("a member's path has more than %d elements", maxEditDepth)
	}
	for i, part := range parts {
		parts[i] = unescape.Replace(part)
	}
	return parts, nil
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// String is the pointer to where e is.
func (e Edit) String() string {
	var b strings.Builder
	for _, part := range e.Path {
		_, _ = b.WriteString("/" + escape.Replace(part))
	}
	return b.String()
}

// Below returns e as it is seen from where a prefix of its path leads; false if it does
// not lead there. What is above it concerns all that is below.
func (e Edit) Below(prefix ...string) (Edit, bool) {
	n := min(len(prefix), len(e.Path))
	if !slices.Equal(e.Path[:n], prefix[:n]) {
		return Edit{}, false
	}
	e.Path = e.Path[n:]
	return e, true
}

// Apply makes an edit in a value that was decoded with numbers as json.Number, and returns
// the value, which is changed in place where that can be, and what was there. What is
// removed must be there; what is put there need not, but the array that it is in must.
// Otherwise nothing is done, and ok is false.
func (e Edit) Apply(value any) (edited, before any, ok bool) {
	if len(e.Path) == 0 {
		if e.Remove {
			return nil, value, value != nil
		}
		return e.Value, value, true
	}
	below := Edit{Path: e.Path[1:], Remove: e.Remove, Value: e.Value}
	switch v := value.(type) {
	case map[string]any:
		child, there := v[e.Path[0]]
		switch {
		case e.Remove && !there:
			return value, nil, false
		case e.Remove && len(below.Path) == 0:
			delete(v, e.Path[0])
			return v, child, true
		case !there && len(below.Path) > 0:
			child = map[string]any{}
		}
		if child, before, ok = below.Apply(child); ok {
			v[e.Path[0]] = child
		}
		return v, before, ok
	case []any:
		i, err := strconv.Atoi(e.Path[0])
		switch {
		case err != nil || i < 0 || i >= len(v):
			return value, nil, false
		case e.Remove && len(below.Path) == 0:
			before = v[i]
			return slices.Delete(v, i, i+1), before, true
		}
		if child, was, done := below.Apply(v[i]); done {
			v[i] = child
			return v, was, true
		}
		return value, nil, false
	}
	return value, nil, false
}

// Sort puts edits into the order in which they are to be made: those that remove from an
// array begin at its end, so that the others still point at what they were meant for.
func Sort(edits []Edit) {
	slices.SortFunc(edits, func(a, b Edit) int {
		return slices.CompareFunc(b.Path, a.Path, func(x, y string) int {
			i, errX := strconv.Atoi(x)
			j, errY := strconv.Atoi(y)
			if errX == nil && errY == nil {
				return i - j
			}
			return strings.Compare(x, y)
		})
	})
}

// Decode decodes JSON as Apply takes it.
func Decode(doc []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// maxTexts bounds what Texts returns.
const maxTexts = 1024

// Texts are the strings in a value that texts may quote and that are long enough to be told
// from other words in them; longer ones come first. Those that are written otherwise in
// quotes are there in that form, too. If there are more than can be looked for, all is false.
func Texts(value any) (texts []string, all bool) {
	const shortest = 3
	found := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		if len(found) > maxTexts {
			return
		}
		switch v := v.(type) {
		case string:
			if len(v) >= shortest {
				found[v] = true
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		case map[string]any:
			for _, below := range v {
				walk(below)
			}
		}
	}
	walk(value)
	if len(found) > maxTexts {
		return nil, false
	}
	for text := range found {
		texts = append(texts, text)
		for _, quoted := range quotedForms(text) {
			if !found[quoted] {
				texts = append(texts, quoted)
			}
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(texts), true
}

// quotedForms are text as it is between quotes, by Go's rules and by those of JSON.
func quotedForms(text string) []string {
	quoted := strconv.Quote(text)
	forms := []string{quoted[1 : len(quoted)-1]}
	if asJSON, err := json.Marshal(text); err == nil { // a string always can be
		forms = append(forms, string(asJSON[1:len(asJSON)-1]))
	}
	return forms
}

// HideCut hides in text what is left of hidden texts that were cut off: their beginnings
// before an ellipsis. One that is shorter than three bytes tells nothing.
func HideCut(text string, hidden []string) string {
	const shortest = 3
	for _, dots := range []string{"...", "…"} {
		for at := strings.LastIndex(text, dots); at >= 0; at = strings.LastIndex(text[:at], dots) {
			longest := 0
			for _, h := range hidden {
				longest = max(longest, overlap(text[:at], h))
			}
			if longest >= shortest {
				text = text[:at-longest] + Mask + text[at:]
				at -= longest
			}
		}
	}
	return text
}

// overlap is how long the longest beginning of word is that text ends with. It takes time
// that is linear in the length of text (Knuth, Morris and Pratt).
func overlap(text, word string) int {
	word = word[:min(len(word), len(text))]
	border := make([]int, len(word)+1) // of word[:i]: its longest end that it begins with
	for i, k := 1, 0; i < len(word); i++ {
		for k > 0 && word[i] != word[k] {
			k = border[k]
		}
		if word[i] == word[k] {
			k++
		}
		border[i+1] = k
	}
	k := 0
	for i := range len(text) {
		for k > 0 && (k == len(word) || text[i] != word[k]) {
			k = border[k]
		}
		if k < len(word) && text[i] == word[k] {
			k++
		}
	}
	return k
}
