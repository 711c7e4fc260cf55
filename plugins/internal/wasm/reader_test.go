package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// huge is a vector's count of 0xffffffff.
var huge = []byte{0xff, 0xff, 0xff, 0xff, 0x0f}

func repeat(n int, b ...byte) []byte { return bytes.Repeat(b, n) }

// TestRefusesBombs reads the modules that are known to exhaust the memory or time of
// the engine if it is given them. None of them may cost anything here.
func TestRefusesBombs(t *testing.T) {
	oneType := sect(secType, vec(funcType(nil, nil))...)
	oneFunc := sect(secFunction, vec([]byte{0})...)
	body := func(content ...byte) []byte {
		return assemble(oneType, oneFunc, sect(secCode, vec(slices.Concat(str(string(content))))...))
	}
	tests := map[string]struct {
		module []byte
		want   string // in the message
	}{
		"type count":         {assemble(sect(secType, huge...)), "Types is 4294967295"},
		"param count":        {assemble(sect(secType, append([]byte{1, 0x60}, huge...)...)), "Params is 4294967295"},
		"result count":       {assemble(sect(secType, append([]byte{1, 0x60, 0}, huge...)...)), "Results is 4294967295"},
		"import count":       {assemble(sect(secImport, huge...)), "Imports is 4294967295"},
		"import name":        {assemble(sect(secImport, append([]byte{1}, huge...)...)), "NameBytes is 4294967295"},
		"function count":     {assemble(oneType, sect(secFunction, huge...)), "Functions is 4294967295"},
		"table count":        {assemble(sect(secTable, huge...)), "Tables is 4294967295"},
		"table size":         {assemble(sect(secTable, append([]byte{1, 0x70, 0}, huge...)...)), "TableElements is 4294967295"},
		"50 large tables":    {assemble(sect(secTable, vec(slices.Repeat([][]byte{{0x70, 0, 0xff, 0xff, 0xff, 0x3f}}, 50)...)...)), "Tables is 50"},
		"memory size":        {assemble(sect(secMemory, append([]byte{1, 0}, huge...)...)), "MemoryPages is 4294967295"},
		"memory count":       {assemble(sect(secMemory, 2, 0, 1, 0, 1)), "more than one memory"},
		"global count":       {assemble(sect(secGlobal, huge...)), "Globals is 4294967295"},
		"export count":       {assemble(sect(secExport, huge...)), "Exports is 4294967295"},
		"element count":      {assemble(sect(secTable, 1, 0x70, 0, 1), sect(secElement, huge...)), "ElementSegments is 4294967295"},
		"element items":      {assemble(sect(secTable, 1, 0x70, 0, 1), sect(secElement, append([]byte{1, 0, opI32Const, 0, opEnd}, huge...)...)), "Elements is 4294967295"},
		"passive items":      {assemble(sect(secElement, append([]byte{1, 5, 0x70}, huge...)...)), "Elements is 4294967295"},
		"data count":         {assemble(sect(secData, huge...)), "DataSegments is 4294967295"},
		"announced data":     {assemble(sect(secDataCount, huge...)), "DataSegments is 4294967295"},
		"data size":          {assemble(sect(secData, append([]byte{1, 1}, huge...)...)), "DataBytes is 4294967295"},
		"code count":         {assemble(oneType, oneFunc, sect(secCode, huge...)), "Functions is 4294967295"},
		"body size":          {assemble(oneType, oneFunc, sect(secCode, append([]byte{1}, huge...)...)), "FunctionBytes is 4294967295"},
		"local groups":       {body(huge...), "Locals is 4294967295"},
		"locals":             {body(append(append([]byte{1}, huge...), byte(I32), opEnd)...), "Locals is 4294967295"},
		"locals, summed":     {body(append(append([]byte{2, 0xff, 0x0f, byte(I32)}, 2), byte(I32), opEnd)...), "Locals is 2049"},
		"branch table":       {body(append([]byte{0, opI32Const, 0, opBrTable}, huge...)...), "Blocks is 4294967295"},
		"select types":       {body(append([]byte{0, 0x1c}, huge...)...), "Results is 4294967295"},
		"section size":       {append([]byte(header), append([]byte{secType}, huge...)...), "4294967295 bytes"},
		"custom name":        {assemble(sect(secCustom, huge...)), "NameBytes is 4294967295"},
		"nested blocks":      {body(append([]byte{0}, repeat(3000, opBlock, emptyBlock)...)...), "BlockDepth is 2049"},
		"many blocks":        {body(append([]byte{0}, repeat(20_000, opBlock, emptyBlock, opEnd)...)...), "Blocks is 16385"},
		"many branches":      {body(append([]byte{0}, repeat(20_000, opI32Const, 0, opBrIf, 0)...)...), "Blocks is 16385"},
		"endless number":     {body(0, opI32Const, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0), "longer than 32 bits"},
		"endless long":       {body(append([]byte{0, opI64Const}, repeat(20, 0x80)...)...), "longer than 64 bits"},
		"endless size":       {append([]byte(header), 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0), "longer than 32 bits"},
		"size beyond 32 bit": {append([]byte(header), 1, 0xff, 0xff, 0xff, 0xff, 0x1f), "longer than 32 bits"},
		"i32 beyond 32 bit":  {body(0, opI32Const, 0xff, 0xff, 0xff, 0xff, 0x0f, opEnd), "longer than 32 bits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, tt.module, tt.want)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = Instrument(tt.module, Caps{})
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
				t.Errorf("%d bytes were allocated for a module of %d", n, len(tt.module))
			}
		})
	}
}

// refused instruments a module that must be refused for that reason.
func refused(t *testing.T, module []byte, want string) {
	t.Helper()
	m, err := Instrument(module, Caps{})
	if err == nil || m != nil {
		t.Fatal("it was accepted")
	}
	var limit *LimitError
	var format *FormatError
	if !errors.As(err, &limit) && !errors.As(err, &format) {
		t.Errorf("%T is neither a LimitError nor a FormatError", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
}

func TestRefusesMalformed(t *testing.T) {
	types := sect(secType, vec(funcType(nil, nil), funcType([]ValueType{I32}, []ValueType{I32}))...)
	funcs := sect(secFunction, vec([]byte{0})...)
	code := func(code ...byte) []byte {
		return assemble(types, funcs, sect(secTable, 1, 0x70, 0, 1), sect(secMemory, 1, 0, 1),
			sect(secGlobal, 1, byte(I32), 0, opI32Const, 0, opEnd),
			sect(secCode, vec(codeOf([]byte{2, byte(I64)}, code...))...))
	}
	tests := map[string]struct {
		module []byte
		want   string
	}{
		"empty":               {nil, "not a WebAssembly"},
		"short magic":         {[]byte("\x00as"), "not a WebAssembly"},
		"version 2":           {[]byte("\x00asm\x02\x00\x00\x00"), "not a WebAssembly"},
		"component":           {[]byte("\x00asm\x0d\x00\x01\x00"), "not a WebAssembly"},
		"section without end": {append([]byte(header), 1), "unexpected end"},
		"unknown section":     {assemble(sect(14)), "section 14 is unknown"},
		"tag section":         {assemble(sect(13, 0)), "section 13 is unknown"},
		"section order":       {assemble(sect(secFunction, 0), sect(secType, 0)), "out of order"},
		"section twice":       {assemble(sect(secType, 0), sect(secType, 0)), "repeated"},
		"data before count":   {assemble(sect(secData, 0), sect(secDataCount, 0)), "out of order"},
		"section too long":    {assemble(sect(secType, 0, 0)), "1 bytes too many"},
		"section too short":   {assemble(sect(secType, 1)), "1 elements are announced"},
		"start of a type": {assemble(sect(secType, vec(funcType([]ValueType{I32}, nil))...), funcs, sect(secStart, 0),
			sect(secCode, vec(codeOf(nil))...)), "start function is (i32); want ()"},
		"start of an import": {
			assemble(types, sect(secImport, vec(slices.Concat(str("m"), str("f"), []byte{0, 0}))...), sect(secStart, 0)),
			"start function is an import",
		},
		"start that is not":   {assemble(types, funcs, sect(secStart, 1), sect(secCode, vec(codeOf(nil))...)), "function 1 does not exist"},
		"structure type":      {assemble(sect(secType, 1, 0x5f, 0)), "type form 0x5f"},
		"recursive types":     {assemble(sect(secType, 1, 0x4e, 0)), "type form 0x4e"},
		"type of function":    {assemble(types, sect(secFunction, 1, 2)), "type 2 does not exist"},
		"type of import":      {assemble(types, sect(secImport, 1, 1, 'm', 1, 'n', 0, 2)), "type 2 does not exist"},
		"import kind":         {assemble(types, sect(secImport, 1, 1, 'm', 1, 'n', 4, 0, 0)), "import kind 0x4"},
		"import name":         {assemble(types, sect(secImport, 1, 1, 0xff, 1, 'n', 0, 0)), "not UTF-8"},
		"reserved import":     {assemble(types, sect(secImport, slices.Concat([]byte{1}, str("m"), str(FuelExport), []byte{0, 0})...)), "reserved"},
		"shared memory":       {assemble(sect(secMemory, 1, 3, 1, 1)), "flags 0x3"},
		"64-bit memory":       {assemble(sect(secMemory, 1, 4, 1)), "flags 0x4"},
		"memory max < min":    {assemble(sect(secMemory, 1, 1, 2, 1)), "maximum 1 is less than the minimum 2"},
		"table of numbers":    {assemble(sect(secTable, 1, 0x7f, 0, 1)), "i32 is not a reference type"},
		"initialized table":   {assemble(sect(secTable, 1, 0x40, 0, 0x70, 0, 1, opRefNull, 0x70, opEnd)), "value type 0x40"},
		"mutability":          {assemble(sect(secGlobal, 1, byte(I32), 2, opI32Const, 0, opEnd)), "mutability 0x2"},
		"extended constant":   {assemble(sect(secGlobal, 1, byte(I32), 0, opI32Const, 0, opI32Const, 0, 0x6a, opEnd)), "more than one instruction"},
		"vector constant":     {assemble(sect(secGlobal, 1, byte(I32), 0, 0xfd, 12)), "opcode 0xfd"},
		"constant of itself":  {assemble(sect(secGlobal, 1, byte(I32), 0, opGlobalGet, 0, opEnd)), "global 0 does not exist"},
		"exported twice":      {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export("a", KindMemory, 0), export("a", KindMemory, 0))...)), "exported twice"},
		"export of nothing":   {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export("a", KindMemory, 1))...)), "memory 1 does not exist"},
		"export of the fuel":  {assemble(sect(secExport, vec(export("a", KindGlobal, 0))...)), "global 0 does not exist"},
		"export kind":         {assemble(sect(secExport, vec(export("a", 4, 0))...)), "export kind 0x4"},
		"export fuel":         {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export(FuelExport, KindMemory, 0))...)), "reserved"},
		"export fuels":        {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export(FuelExport+"s", KindMemory, 0))...)), "reserved"},
		"export depth":        {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export(DepthExport, KindMemory, 0))...)), "reserved"},
		"export global":       {assemble(sect(secMemory, 1, 0, 1), sect(secExport, vec(export(GlobalExportPrefix+"0", KindMemory, 0))...)), "reserved"},
		"element flags":       {assemble(sect(secTable, 1, 0x70, 0, 1), sect(secElement, 1, 8)), "flags 0x8"},
		"element kind":        {assemble(sect(secTable, 1, 0x70, 0, 1), sect(secElement, 1, 1, 1, 0)), "element kind 0x1"},
		"element, no table":   {assemble(sect(secElement, 1, 0, opI32Const, 0, opEnd, 0)), "table 0, which does not exist"},
		"element, no func":    {assemble(sect(secTable, 1, 0x70, 0, 1), sect(secElement, 1, 0, opI32Const, 0, opEnd, 1, 0)), "function 0 does not exist"},
		"data flags":          {assemble(sect(secMemory, 1, 0, 1), sect(secData, 1, 3)), "flags 0x3"},
		"data, no memory":     {assemble(sect(secData, 1, 0, opI32Const, 0, opEnd, 0)), "memory 0, which does not exist"},
		"data count":          {assemble(sect(secMemory, 1, 0, 1), sect(secDataCount, 2), sect(secData, 1, 1, 0)), "2 data segments are announced, there are 1"},
		"no code":             {assemble(types, funcs), "1 functions are declared, 0 have code"},
		"no functions":        {assemble(types, sect(secCode, vec(codeOf(nil))...)), "0 functions are declared, 1 have code"},
		"body too long":       {assemble(types, funcs, sect(secCode, 1, 3, 0, opEnd, opEnd)), "1 bytes too many"},
		"body without end":    {assemble(types, funcs, sect(secCode, 1, 2, 0, 0x01)), "unexpected end"},
		"open block":          {assemble(types, funcs, sect(secCode, 1, 4, 0, opBlock, emptyBlock, opEnd)), "unexpected end"},
		"else without if":     {code(opElse), "else without an if"},
		"else twice":          {code(opI32Const, 0, opIf, emptyBlock, opElse, opElse, opEnd), "else without an if"},
		"label":               {code(opBr, 1), "label 1 does not exist"},
		"label of table":      {code(opI32Const, 0, opBrTable, 1, 0, 2), "label 2 does not exist"},
		"block type":          {code(opBlock, 2, opEnd), "block type 2 does not exist"},
		"negative block type": {code(opBlock, 0x80, 0x7f, opEnd), "block type -128 does not exist"},
		"vector block":        {code(opBlock, 0x7b, opEnd), "SIMD"},
		"local":               {code(opLocalGet, 2), "local 2 does not exist"},
		"added global":        {code(opI64Const, 0, opGlobalSet, 1), "global 1 does not exist"},
		"function":            {code(opCall, 1), "function 1 does not exist"},
		"indirect type":       {code(opI32Const, 0, opCallIndirect, 2, 0), "type 2 does not exist"},
		"indirect table":      {code(opI32Const, 0, opCallIndirect, 0, 1), "table 1 does not exist"},
		"data segment":        {code(opI32Const, 0, opI32Const, 0, opI32Const, 0, opPrefixFC, fcMemoryInit, 0, 0), "data segment 0 does not exist"},
		"element segment":     {code(opPrefixFC, fcElemDrop, 0), "element segment 0 does not exist"},
		"second memory":       {code(opI32Const, 0, opMemoryGrow, 1), "memory 1 does not exist"},
		"alignment":           {code(opI32Const, 0, 0x28, 4, 0), "alignment of 1<<4"},
		"memory bits":         {code(opI32Const, 0, 0x28, 0x42, 0, 0), "alignment of 1<<66"},
		"tail call":           {code(0x12, 0), "tail calls"},
		"exception":           {code(0x06, 0x40), "exception handling"},
		"try_table":           {code(0x1f, 0x40, 0), "exception handling"},
		"call_ref":            {code(0x14, 0), "typed references"},
		"structures":          {code(0xfb, 0, 0), "garbage collection"},
		"vector":              {code(0xfd, 12), "SIMD"},
		"atomics":             {code(0xfe, 3, 0), "threads"},
		"opcode":              {code(0xff), "unknown feature"},
		"wide arithmetic":     {code(opPrefixFC, 19), "unknown feature"},
		"vector local":        {assemble(types, funcs, sect(secCode, vec(codeOf([]byte{1, 0x7b}))...)), "SIMD"},
		"vector param":        {assemble(sect(secType, 1, 0x60, 1, 0x7b, 0)), "SIMD"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { refused(t, tt.module, tt.want) })
	}
}

// TestTruncated cuts fixtures short at every byte. What is left may be accepted only
// if it ends with a section.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"control", "multi", "memory", "tables", "bombs"} {
		module := fixture(t, name)
		ends := map[int]bool{len(header): true}
		for pos := len(header); pos < len(module); ends[pos] = true {
			size, n := binary.Uvarint(module[pos+1:])
			pos += 1 + n + int(size)
		}
		for n := range module {
			if _, err := Instrument(module[:n], Caps{}); err == nil && !ends[n] {
				t.Errorf("%s cut at %d of %d was accepted", name, n, len(module))
			}
		}
	}
}
