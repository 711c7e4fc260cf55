package wasm

// OwnMemory turns an imported memory into one that the module defines, of the same
// size and within the same cap, and exports it under that name if the module does not
// export it already. It is for ABIs whose modules expect their memory from the host:
// the host has one memory an instance either way, and this way it cannot be shared.
//
// It must be called once at most, and only on what Instrument returned with
// [Memory].Imported set.
func (m *Module) OwnMemory(export string) {
	c := cursor{module: m.Bytes, pos: len(header), end: len(m.Bytes)}
	out := append(make([]byte, 0, len(m.Bytes)+64), header...)
	_, exported := m.Export(export)
	for c.left() > 0 && c.err == nil {
		id, content := c.byte(), c.bytes(c.u32())
		switch {
		case id == secImport:
			out = appendSection(out, id, withoutMemory(content))
			continue
		case id == secExport && !exported: // there is one: Instrument exports the fuel
			section := cursor{module: content, end: len(content)}
			content = appendU32(nil, section.u32()+1)
			content = append(content, section.module[section.pos:]...)
			content = append(append(appendU32(content, uint32(len(export))), export...), byte(KindMemory), 0)
		}
		// Sections are in order, and Instrument always writes one of globals.
		if id == secGlobal {
			out = appendSection(out, secMemory, appendLimits([]byte{1}, limits{m.Memory.Min, m.Memory.Max}))
		}
		out = appendSection(out, id, content)
	}
	m.Bytes = out
	m.Memory.Imported = false
	m.Imports = withoutKind(m.Imports, KindMemory)
	if !exported {
		m.Exports = append(m.Exports, Export{Name: export, Kind: KindMemory})
	}
}

// withoutMemory is the content of an import section without memories.
func withoutMemory(content []byte) []byte {
	c := cursor{module: content, end: len(content)}
	kept := uint32(0)
	var entries []byte
	for n := c.u32(); n > 0; n-- {
		start := c.pos
		c.bytes(c.u32())
		c.bytes(c.u32())
		kind := Kind(c.byte())
		switch kind {
		case KindFunc:
			c.u32()
		case KindGlobal:
			c.bytes(2)
		case KindTable:
			c.byte()
			c.skipLimits()
		case KindMemory:
			c.skipLimits()
			continue
		}
		entries = append(entries, content[start:c.pos]...)
		kept++
	}
	return append(appendU32(nil, kept), entries...)
}

// skipLimits passes over a size and, if there is one, a maximum.
func (c *cursor) skipLimits() {
	hasMax := c.byte()&1 != 0
	c.u32()
	if hasMax {
		c.u32()
	}
}

func withoutKind(imports []Import, kind Kind) []Import {
	var kept []Import
	for _, imp := range imports {
		if imp.Kind != kind {
			kept = append(kept, imp)
		}
	}
	return kept
}
