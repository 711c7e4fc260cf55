package hostile

// malformed are bytes that are no module.
func malformed() []Module {
	whole := judging(admit)
	return []Module{
		{Name: "no-bytes", Does: "an empty file", Wasm: []byte{}, Want: Refused, Says: "not a WebAssembly 1.0 binary module"},
		{Name: "elf", Does: "a program for Linux", Wasm: []byte("\x7fELF\x02\x01\x01\x00"), Want: Refused, Says: "not a WebAssembly 1.0 binary module"},
		{Name: "text-format", Does: "the text format", Wasm: []byte("(module)"), Want: Refused, Says: "not a WebAssembly 1.0 binary module"},
		{Name: "component", Does: "a component, not a module", Wasm: []byte("\x00asm\x0d\x00\x01\x00"), Want: Refused, Says: "not a WebAssembly 1.0 binary module"},
		{Name: "version-2", Does: "a later version of the format", Wasm: []byte("\x00asm\x02\x00\x00\x00"), Want: Refused, Says: "not a WebAssembly 1.0 binary module"},
		{Name: "header-alone", Does: "no sections", Wasm: module(), Want: Refused, Says: "does not export the function plimsoll_abi_1"},
		{Name: "truncated", Does: "a validator cut short", Wasm: whole[:len(whole)-9], Want: Refused, Says: "more than what is left"},
		{Name: "sections-reversed", Does: "code before functions", Wasm: module(section(secCode, vec()), section(secFunction, vec())), Want: Refused, Says: "section 3 is repeated or out of order"},
		{Name: "section-twice", Does: "two type sections", Wasm: module(section(secType, vec()), section(secType, vec())), Want: Refused, Says: "section 1 is repeated or out of order"},
		{Name: "section-unknown", Does: "a section of an unknown kind", Wasm: module(section(13, 0)), Want: Refused, Says: "section 13 is unknown"},
		{Name: "section-padded", Does: "a section longer than its content", Wasm: module(section(secType, vec(), 0)), Want: Refused, Says: "1 bytes too many"},
		{Name: "functions-without-code", Does: "functions that are declared and not there", Wasm: module(section(secType, vec(funcType(nil, nil))), section(secFunction, vec([]byte{0}, []byte{0}))), Want: Refused, Says: "2 functions are declared, 0 have code"},
		{Name: "leb128-endless", Does: "a number without end", Wasm: module(section(secType, repeat(64, 0x80))), Want: Refused, Says: "longer than 32 bits"},
		{Name: "name-not-utf8", Does: "an export whose name is not UTF-8", Wasm: module(section(secExport, vec(seq(2, 0xff, 0xfe, kindFunc, 0)))), Want: Refused, Says: "a name is not UTF-8"},
		{Name: "index-type", Does: "a function of a type that is not there", Wasm: module(section(secType, vec()), section(secFunction, vec([]byte{7}))), Want: Refused, Says: "type 7 does not exist"},
		{Name: "index-function", Does: "a call of a function that is not there", Wasm: judging(call(77), admit), Want: Refused, Says: "function 77 does not exist"},
		{Name: "index-local", Does: "a local that is not there", Wasm: judging(local(9), opDrop, admit), Want: Refused, Says: "local 9 does not exist"},
		{Name: "index-label", Does: "a branch further out than there is", Wasm: judging(opBr, 5), Want: Refused, Says: "label 5 does not exist"},
		{Name: "index-data", Does: "data that was not announced", Wasm: judging(num(0), num(0), num(0), opFC, fcMemoryInit, 3, 0, admit), Want: Refused, Says: "data segment 3 does not exist"},
		{Name: "stack-underflow", Does: "an addition of nothing", Wasm: judging(opI32Add, opDrop, admit), Want: Refused, Says: "compiling the module"},
		{Name: "stack-left-over", Does: "values that nobody takes", Wasm: judging(num(1), num(2), admit), Want: Refused, Says: "compiling the module"},
		{Name: "types-mixed", Does: "a float where an address must be", Wasm: judging(opF64Const, make([]byte, 8), opI32Load, 0, 0, opDrop, admit), Want: Refused, Says: "compiling the module"},
		{Name: "blocks-not-closed", Does: "blocks without end", Wasm: judging(repeat(8, opBlock, emptyBlock), admit), Want: Refused, Says: "unexpected end"},
		{Name: "data-outside-memory", Does: "data at the end of memory", Wasm: validator{data: [][]byte{seq(0, num(page-1), opEnd, name("ab"))}}.assemble(), Want: Refused, Says: "starting it"},
		{Name: "elements-outside-table", Does: "elements beyond the table, which are left out", Wasm: validator{tables: [][]byte{{funcRef, 0, 1}}, elements: [][]byte{seq(0, num(1), opEnd, vec([]byte{0}))}}.assemble(), Want: Valid},
	}
}
