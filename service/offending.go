package service

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/internal/masking"
)

// Bounds on what is told of offending values.
const (
	maxValueBytes = 120
	// maxValues is for how many violations, and for how many warnings, the value is looked
	// up. People do not read further.
	maxValues = 100
)

// addValues tells of each violation and warning what the container has in its field,
// without secrets. Rules are not asked for it: what they say is remembered, values are not.
// What they quote in their texts themselves is hidden if it looks like a secret.
func (r *result) addValues() {
	all := [][]plimsoll.Violation{r.decision.Verdict.Violations, r.decision.Verdict.Warnings}
	for _, shadow := range r.decision.Verdict.Shadows {
		all = append(all, shadow.Violations, shadow.Warnings)
	}
	for _, found := range all {
		for i := range found {
			v := &found[i]
			v.Message, v.Fix = masking.Text(v.Message), masking.Text(v.Fix)
			if i < maxValues {
				v.Value = r.shownValue(v.Field)
			}
		}
	}
}

// shownValue is the value in a field, as JSON, without secrets; empty if there is none.
func (r *result) shownValue(field string) string {
	c := r.input.Object
	var text string
	switch key, isLabel := strings.CutPrefix(field, "labels."); {
	case field == "" || c == nil:
		return ""
	case isLabel && !strings.HasPrefix(key, "["):
		text = masking.Pair(key, c.Labels[key])
	case field == "id":
		text = masking.Text(c.ID)
	case field == "image":
		text = masking.Text(c.Image)
	default:
		return r.documentValue(field)
	}
	if text == "" {
		return ""
	}
	return quoted(text)
}

func quoted(text string) string {
	value, err := json.Marshal(text)
	if err != nil {
		return ""
	}
	return string(masking.Cut(value, maxValueBytes))
}

// documentValue looks the value up in the document that rules judged.
func (r *result) documentValue(field string) string {
	if r.shown == nil {
		shown, err := shownInput(r.input)
		if err != nil {
			return "" // what cannot be masked is not shown
		}
		var document struct {
			Object json.RawMessage `json:"object"`
		}
		if json.Unmarshal(shown, &document) != nil {
			return ""
		}
		r.shown, r.shownObject = shown, &node{json: document.Object}
	}
	value, ok := r.shownObject.lookUp(field)
	if !ok {
		return ""
	}
	return string(masking.Cut(value, maxValueBytes))
}

// shownInput is the document that rules judged, without secrets.
func shownInput(in *plimsoll.Input) ([]byte, error) {
	doc, err := in.JSON()
	if err != nil {
		return nil, err
	}
	return masking.Document(doc)
}

// node is a value in a document. What is in it is read when it is first asked for, and once:
// rules may name a hundred places in a large document.
type node struct {
	json     json.RawMessage
	isRead   bool
	members  map[string]*node
	elements []*node
}

// maxLookUpDepth bounds how deep in a document values are looked up. Each level costs
// another reading of what is below.
const maxLookUpDepth = 16

// read reads what is in n, one level of it.
func (n *node) read() {
	if n.isRead {
		return
	}
	n.isRead = true
	var members map[string]json.RawMessage
	if json.Unmarshal(n.json, &members) == nil {
		n.members = make(map[string]*node, len(members))
		for key, value := range members {
			n.members[key] = &node{json: value}
		}
		return
	}
	var elements []json.RawMessage
	if json.Unmarshal(n.json, &elements) == nil {
		for _, value := range elements {
			n.elements = append(n.elements, &node{json: value})
		}
	}
}

// lookUp finds what is at a path, as rules and validators write them: spec.mounts[2].source,
// spec.annotations["a.b"], and, since rules put paths together from keys, also
// spec.annotations.a.b, where the longest key that there is counts.
func (n *node) lookUp(path string) (json.RawMessage, bool) {
	for depth := 0; path != ""; depth++ {
		if depth == maxLookUpDepth {
			return nil, false
		}
		n.read()
		var below *node
		if strings.HasPrefix(path, "[") {
			index, rest, ok := cutIndex(path)
			if !ok {
				return nil, false
			}
			path = strings.TrimPrefix(rest, ".")
			below = n.element(index)
		} else {
			for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
				if below = n.members[path[:end]]; below != nil {
					path = strings.TrimPrefix(path[end:], ".")
					break
				}
			}
		}
		if below == nil {
			return nil, false
		}
		n = below
	}
	return n.json, len(n.json) > 0
}

// cutIndex takes [2] or ["key"] off a path.
func cutIndex(path string) (index, rest string, ok bool) {
	if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil && quoted[0] == '"' {
		var key string
		if json.Unmarshal([]byte(quoted), &key) != nil {
			return "", "", false
		}
		rest, ok = strings.CutPrefix(path[1+len(quoted):], "]")
		return `"` + key, rest, ok
	}
	return strings.Cut(path[1:], "]")
}

// element is that of an array, or, if index is a key after a quotation mark, of an object.
func (n *node) element(index string) *node {
	if key, ok := strings.CutPrefix(index, `"`); ok {
		return n.members[key]
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(n.elements) {
		return nil
	}
	return n.elements[i]
}
