package wasm

import "slices"

// The functions below assemble modules byte by byte, for what no text format will
// write.

// assemble is a module of those sections.
func assemble(sections ...[]byte) []byte {
	return append([]byte(header), slices.Concat(sections...)...)
}

// sect is a section or anything else with an id and a size.
func sect(id byte, content ...byte) []byte { return appendSection(nil, id, content) }

// vec is a vector of items.
func vec(items ...[]byte) []byte {
	return append(appendU32(nil, uint32(len(items))), slices.Concat(items...)...)
}

// str is a name.
func str(s string) []byte { return append(appendU32(nil, uint32(len(s))), s...) }

// funcType is a function type.
func funcType(params, results []ValueType) []byte {
	return slices.Concat([]byte{0x60}, str(typeKey(params)), str(typeKey(results)))
}

// export is an entry of the export section.
func export(name string, kind Kind, index uint32) []byte {
	return appendU32(append(str(name), byte(kind)), index)
}

// codeOf is a function of the code section, with declarations of locals given as
// counts and types in turn, and code without its last end.
func codeOf(locals []byte, code ...byte) []byte {
	body := slices.Concat(vec(), code, []byte{opEnd})
	if len(locals) > 0 {
		body = slices.Concat(appendU32(nil, uint32(len(locals)/2)), locals, code, []byte{opEnd})
	}
	return append(appendU32(nil, uint32(len(body))), body...)
}

// function is a module of one function, exported as f.
func function(params, results []ValueType, locals []byte, code ...byte) []byte {
	return assemble(
		sect(secType, vec(funcType(params, results))...),
		sect(secFunction, vec([]byte{0})...),
		sect(secMemory, vec([]byte{0, 1})...),
		sect(secExport, vec(export("f", KindFunc, 0))...),
		sect(secCode, vec(codeOf(locals, code...))...),
	)
}
