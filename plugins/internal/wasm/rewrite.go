package wasm

import (
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// rewrite puts the metered module together: the sections as they were, apart from
// what has to be added or bounded. Types, globals and exports are added last, so
// that nothing changes its index.
func (r *reader) rewrite() *Module {
	m := &Module{
		Imports:      r.imports,
		Exports:      r.exports,
		Custom:       r.custom,
		Start:        r.hasStart,
		Unrestorable: slices.Sorted(maps.Keys(r.unrestorable)),
		Usage:        r.usage(),
	}
	if len(r.memories) > 0 {
		m.Memory = &Memory{Min: r.memories[0].min, Max: r.memories[0].max, Imported: r.importedMemory}
	}
	names := r.nameGlobals(m)
	if r.hasStart {
		names = append(names, addedExport{StartExport, KindFunc, r.start})
	}

	out := append(make([]byte, 0, len(r.module)+len(r.code)), header...)
	next := 0 // the section of the module that comes next
	for id := byte(secType); id <= secData; id++ {
		if id == secCode { // the data count comes before the code
			next, out = r.copySection(out, next, secDataCount)
		}
		switch id {
		case secType:
			out = r.extendSection(out, next, id, len(r.addedTypes), r.appendTypes)
		case secTable:
			out = r.tablesSection(out)
		case secMemory:
			out = r.memoriesSection(out)
		case secGlobal:
			out = r.extendSection(out, next, id, 2, appendGlobals)
		case secExport:
			out = r.extendSection(out, next, id, len(names), func(b []byte) []byte {
				return appendExports(b, names)
			})
		case secStart: // it is exported instead
		case secCode:
			if len(r.code) > 0 {
				out = appendSection(out, id, r.code)
			}
		default:
			next, out = r.copySection(out, next, id)
			continue
		}
		if next < len(r.sections) && r.sections[next].id == id {
			next++
		}
	}
	m.Bytes = r.appendNames(out)
	return m
}

// usage is how much of each cap the module uses, in the order of Caps.
func (r *reader) usage() []Usage {
	caps := reflect.ValueOf(r.caps)
	list := make([]Usage, caps.NumField())
	for i := range list {
		name := caps.Type().Field(i).Name
		list[i] = Usage{Cap: name, Value: r.used[name], Limit: caps.Field(i).Uint()}
	}
	return list
}

// addedExport is an export that the module does not have itself.
type addedExport struct {
	name  string
	kind  Kind
	index uint32
}

// nameGlobals lists the mutable globals in m and returns the exports to be added.
func (r *reader) nameGlobals(m *Module) []addedExport {
	exported := map[uint32]string{}
	for _, e := range r.exports {
		if _, ok := exported[e.Index]; e.Kind == KindGlobal && !ok {
			exported[e.Index] = e.Name
		}
	}
	added := []addedExport{{FuelExport, KindGlobal, r.fuelGlobal()}, {DepthExport, KindGlobal, r.depthGlobal()}}
	for i := r.importedGlobals; i < len(r.globals); i++ {
		if !r.globals[i].Mutable {
			continue
		}
		name, ok := exported[uint32(i)]
		if !ok {
			name = fmt.Sprint(GlobalExportPrefix, i)
			added = append(added, addedExport{name, KindGlobal, uint32(i)})
		}
		m.Globals = append(m.Globals, MutableGlobal{Name: name, Type: r.globals[i].Type})
	}
	return added
}

func (r *reader) fuelGlobal() uint32  { return uint32(len(r.globals)) }
func (r *reader) depthGlobal() uint32 { return uint32(len(r.globals)) + 1 }

func appendSection(out []byte, id byte, content []byte) []byte {
	out = append(out, id)
	out = appendU32(out, uint32(len(content)))
	return append(out, content...)
}

// copySection appends section next of the module as it is, if it has that id, and
// returns which is next then.
func (r *reader) copySection(out []byte, next int, id byte) (int, []byte) {
	if next == len(r.sections) || r.sections[next].id != id {
		return next, out
	}
	s := r.sections[next]
	return next + 1, appendSection(out, id, r.module[s.start:s.end])
}

// extendSection appends section next of the module, which is a vector, with more
// elements added to it. If it has another id, the vector has none of its own.
func (r *reader) extendSection(out []byte, next int, id byte, more int, add func([]byte) []byte) []byte {
	var own []byte
	count := uint64(0)
	if next < len(r.sections) && r.sections[next].id == id {
		s := r.sections[next]
		content := r.module[s.start:s.end]
		size := 0
		count, size = binary.Uvarint(content)
		own = content[size:]
	}
	if count+uint64(more) == 0 {
		return out
	}
	content := appendU32(make([]byte, 0, len(own)+64*(more+1)), uint32(count)+uint32(more))
	return appendSection(out, id, add(append(content, own...)))
}

func (r *reader) appendTypes(b []byte) []byte {
	for _, t := range r.addedTypes {
		b = append(b, 0x60, 0)
		b = appendU32(b, uint32(len(t.Results)))
		for _, v := range t.Results {
			b = append(b, byte(v))
		}
	}
	return b
}

// appendGlobals appends the globals for fuel and depth, with nothing in them.
func appendGlobals(b []byte) []byte {
	for range 2 {
		b = append(b, byte(I64), 1, opI64Const, 0, opEnd)
	}
	return b
}

func appendExports(b []byte, exports []addedExport) []byte {
	for _, e := range exports {
		b = appendU32(b, uint32(len(e.name)))
		b = append(append(b, e.name...), byte(e.kind))
		b = appendU32(b, e.index)
	}
	return b
}

func appendLimits(b []byte, l limits) []byte {
	return appendU32(appendU32(append(b, 1), l.min), l.max)
}

func (r *reader) tablesSection(out []byte) []byte {
	defined := r.tables[r.importedTables:]
	if len(defined) == 0 {
		return out
	}
	content := appendU32(nil, uint32(len(defined)))
	for _, t := range defined {
		content = appendLimits(append(content, byte(t.element)), t.limits)
	}
	return appendSection(out, secTable, content)
}

func (r *reader) memoriesSection(out []byte) []byte {
	if len(r.memories) == 0 || r.importedMemory {
		return out
	}
	return appendSection(out, secMemory, appendLimits([]byte{1}, r.memories[0]))
}
