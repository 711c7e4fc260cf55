package wasm

import "bytes"

// The ids of sections.
// See https://www.w3.org/TR/wasm-core-2/#sections (section 5.5.2).
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// sectionOrder is where a section has to be among the others: the data count comes
// between elements and code, in spite of its id.
var sectionOrder = [...]int{
	secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6,
	secExport: 7, secStart: 8, secElement: 9, secDataCount: 10, secCode: 11, secData: 12,
}

// header is "\0asm" and version 1.
const header = "\x00asm\x01\x00\x00\x00"

// section is where a section's content is.
type section struct {
	id         byte
	start, end int
}

// reader holds what reading a module found out.
type reader struct {
	cursor
	caps Caps

	sections []section // without custom ones, in order
	types    []FuncType
	imports  []Import
	// funcs are the type indexes of functions, imported ones first; the same goes
	// for globals, tables and memories.
	funcs           []uint32
	importedFuncs   int
	globals         []GlobalType
	importedGlobals int
	tables          []table
	importedTables  int
	memories        []limits
	importedMemory  bool
	exports         []Export
	elements        int // element segments
	elementItems    int // elements in all of them
	dataCount       int // data segments as announced before the code, or -1
	bodies          int
	start           uint32 // the index of the start function, if hasStart
	hasStart        bool
	data            int // data segments
	localsTotal     uint64
	work            uint64 // see Caps.CompileWork
	custom          []CustomSection
	unrestorable    map[string]bool

	// keepNaNs leaves results that are no numbers as the machine has them, so that a metered
	// module can be compared with what it was.
	keepNaNs   bool
	meter      meter
	code       []byte         // the rewritten code section
	scratch    []byte         // one rewritten function
	addedTypes []FuncType     // without parameters
	blockTypes map[string]int // by typeKey of their results: types without parameters
}

type table struct {
	element ValueType
	limits
}

// limits are a size and what it may grow to.
type limits struct {
	min, max uint32
}

func newReader(module []byte, caps Caps) *reader {
	return &reader{
		cursor:       cursor{module: module, end: len(module), used: map[string]uint64{}},
		caps:         caps,
		dataCount:    -1,
		unrestorable: map[string]bool{},
		blockTypes:   map[string]int{},
		meter:        meter{slack: slack},
	}
}

// read reads the whole module and rewrites its code on the way.
func (r *reader) read() error {
	r.limit("ModuleBytes", uint64(len(r.module)), uint64(r.caps.ModuleBytes))
	if r.err == nil && !bytes.HasPrefix(r.module, []byte(header)) {
		r.fail(0, "not a WebAssembly 1.0 binary module: it does not start with %q", header)
	}
	r.pos = len(header)
	for last := 0; r.err == nil && r.pos < len(r.module); {
		last = r.section(last)
	}
	if r.err == nil {
		r.consistency()
	}
	return r.err
}

// section reads one section, which has to come after the one at place last, and
// returns its place.
func (r *reader) section(last int) int {
	start := r.pos
	id := r.byte()
	size := r.u32()
	if r.err != nil {
		return last
	}
	if uint64(size) > uint64(r.left()) {
		r.fail(start, "section %d announces %d bytes, %d are left", id, size, r.left())
		return last
	}
	r.end = r.pos + int(size)
	defer func() { r.end = len(r.module) }()

	if id == secCustom {
		r.customSection()
		return last
	}
	if int(id) >= len(sectionOrder) {
		r.fail(start, "section %d is unknown", id)
		return last
	}
	if sectionOrder[id] <= last {
		r.fail(start, "section %d is repeated or out of order", id)
		return last
	}
	r.sections = append(r.sections, section{id: id, start: r.pos, end: r.end})
	switch id {
	case secType:
		r.typeSection()
	case secImport:
		r.importSection()
	case secFunction:
		r.functionSection()
	case secTable:
		r.tableSection()
	case secMemory:
		r.memorySection()
	case secGlobal:
		r.globalSection()
	case secExport:
		r.exportSection()
	case secStart:
		r.startSection()
	case secElement:
		r.elementSection()
	case secDataCount:
		r.dataCount = int(r.u32())
		r.limit("DataSegments", uint64(r.dataCount), uint64(r.caps.DataSegments))
	case secCode:
		r.codeSection()
	case secData:
		r.dataSection()
	}
	if r.pos != r.end {
		r.fail(r.pos, "section %d has %d bytes too many", id, r.end-r.pos)
	}
	return sectionOrder[id]
}

// customSection keeps a custom section and, if it is the one with names, notes it.
func (r *reader) customSection() {
	r.limit("CustomSections", uint64(len(r.custom))+1, uint64(r.caps.CustomSections))
	name := r.name(r.caps.NameBytes)
	data := r.bytes(uint32(max(r.left(), 0)))
	if r.err == nil {
		r.custom = append(r.custom, CustomSection{Name: name, Data: data})
	}
}

// consistency checks what concerns more than one section.
func (r *reader) consistency() {
	if defined := len(r.funcs) - r.importedFuncs; defined != r.bodies {
		r.fail(len(r.module), "%d functions are declared, %d have code", defined, r.bodies)
	}
	if r.dataCount >= 0 && r.dataCount != r.data {
		r.fail(len(r.module), "%d data segments are announced, there are %d", r.dataCount, r.data)
	}
}
