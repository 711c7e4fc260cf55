package wasm

import "unicode/utf8"

// functionNames is the id of the subsection with the names of functions.
// See https://www.w3.org/TR/wasm-core-2/#name-section② (section 7.4.1).
const functionNames = 1

// appendNames appends the names of the module's functions, by which the engine tells
// where a guest trapped. They are a convenience: if the section is not as it should
// be, the module does without.
func (r *reader) appendNames(out []byte) []byte {
	for _, c := range r.custom {
		if c.Name != "name" {
			continue
		}
		if names := r.functionNames(c.Data); names != nil {
			content := append(appendU32(nil, uint32(len("name"))), "name"...)
			content = appendSection(content, functionNames, names)
			out = appendSection(out, secCustom, content)
		}
		break
	}
	return out
}

// functionNames finds the subsection with functions in the content of a name
// section, and returns its own content if it is well formed, or nil.
func (r *reader) functionNames(section []byte) []byte {
	c := cursor{module: section, end: len(section)}
	for c.err == nil && c.left() > 0 {
		id := c.byte()
		content := c.bytes(c.u32())
		if c.err == nil && id == functionNames {
			if r.wellNamed(content) {
				return content
			}
			return nil
		}
	}
	return nil
}

// wellNamed tells whether names is a vector of functions that exist, in order, and
// their names.
func (r *reader) wellNamed(names []byte) bool {
	c := cursor{module: names, end: len(names)}
	n := c.count("", uint32(len(r.funcs)))
	for i, next := uint32(0), uint32(0); i < n && c.err == nil; i++ {
		function := c.index("function", len(r.funcs))
		name := c.bytes(c.count("", r.caps.NameBytes))
		if function < next || !utf8.Valid(name) {
			return false
		}
		next = function + 1
	}
	return c.err == nil && c.left() == 0
}
