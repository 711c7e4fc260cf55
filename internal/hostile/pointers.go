package hostile

import (
	"fmt"
	"math"
	"strings"
)

// allocations are validators whose allocators return what the request must not be written to.
func allocations() []Module {
	m := func(n, does string, ptr uint32, want Outcome, says string) Module {
		return Module{
			Name: "alloc-" + n, Does: does, Want: want, Says: says,
			Wasm: validator{alloc: num(int32(ptr))}.assemble(), //nolint:gosec // the same 32 bits
		}
	}
	return []Module{
		m("null", "0", 0, Fault, "allocator returned 0"),
		m("one", "1: over its own data, which is its own affair", 1, Fault, "not a verdict"),
		m("last-byte", "the last byte of memory", page-1, Fault, "outside its memory"),
		m("end", "the end of memory", page, Fault, "outside its memory"),
		m("half", "2³¹", 1<<31, Fault, "outside its memory"),
		m("signed", "2³¹-1", math.MaxInt32, Fault, "outside its memory"),
		m("all", "2³²-1, which wraps around", math.MaxUint32, Fault, "outside its memory"),
		m("wrap", "2³²-16, which wraps around to the start", math.MaxUint32-15, Fault, "outside its memory"),
	}
}

// verdicts are validators that return every combination of addresses and lengths that
// could be mistaken for one inside memory, or for none.
func verdicts() []Module {
	const outputLimit = 64 << 10
	var list []Module
	for _, ptr := range []uint32{0, verdictAt, page - 17, page - 1, page, 1 << 31, math.MaxUint32 - 16, math.MaxUint32} {
		for _, n := range []uint32{0, 1, uint32(len(verdict)), outputLimit, outputLimit + 1, 1 << 31, math.MaxUint32} {
			m := Module{
				Name: fmt.Sprintf("verdict-%d-%d", ptr, n), Does: fmt.Sprintf("%d bytes at %d", n, ptr),
				Wasm: judging(say(ptr, n)), Want: Fault,
			}
			switch {
			case ptr == 0 && n == 0:
				m.Says = "returned 0 instead of a verdict"
			case n == 0:
				m.Says = "empty verdict"
			case n > outputLimit:
				m.Says = fmt.Sprintf("has %d bytes, more than the limit of %d", n, outputLimit)
			case uint64(ptr)+uint64(n) > page:
				m.Says = "outside its memory"
			case ptr == verdictAt && n == uint32(len(verdict)):
				m.Want = Valid
			default:
				m.Says = "not a verdict"
			}
			list = append(list, m)
		}
	}
	return list
}

// outputs are validators whose verdicts are none, or too much.
func outputs() []Module {
	at := uint32(2 * page)
	// says is a validator that has text at the address, in a memory of four pages.
	says := func(n, does, text, says, limits string) Module {
		m := Module{
			Name: "output-" + n, Does: does, Want: Fault, Says: says, Limits: limits,
			Wasm: validator{
				memory: []byte{0, 20}, data: [][]byte{seq(0, num(int32(at)), opEnd, name(text))}, //nolint:gosec // it fits
				judge: say(at, uint32(len(text))), //nolint:gosec // it fits
			}.assemble(),
		}
		if says == "" {
			m.Want = Valid
		}
		return m
	}
	many := func(n int) string {
		return `{"violations":[],"warnings":[` + strings.TrimSuffix(strings.Repeat(`{"msg":"x"},`, n), ",") + `]}`
	}
	const mib = "output: 1MiB"
	return []Module{
		says("empty-object", "{}", `{}`, `no "violations"`, ""),
		says("null", "null", `null`, `no "violations"`, ""),
		says("violations-null", "null for a list", `{"violations":null}`, `no "violations"`, ""),
		says("true", "true", `true`, "not a verdict", ""),
		says("allowed", "the verdict of another system", `{"allowed":true}`, "not a verdict", ""),
		says("array", "a list", `[]`, "not a verdict", ""),
		says("twice", "two lists, of which the last is empty", `{"violations":[{"msg":"x"}],"violations":[]}`, "not a verdict", ""),
		says("case", "names in another case", `{"Violations":[]}`, "not a verdict", ""),
		says("unknown", "a member that is not known", `{"violations":[],"patch":[]}`, "not a verdict", ""),
		says("trailing", "something after the verdict", `{"violations":[]} {"violations":[]}`, "not a verdict", ""),
		says("zero-byte", "a zero after the verdict", "{\"violations\":[]}\x00", "not a verdict", ""),
		says("not-utf8", "text that is not UTF-8", "{\"violations\":[{\"msg\":\"\xff\"}]}", "not a verdict", ""),
		says("no-message", "a violation without a message", `{"violations":[{"msg":" "}]}`, "no msg", ""),
		says("deep", "lists nested 30,000 deep", `{"violations":`+strings.Repeat("[", 30_000), "not a verdict", ""),
		says("deep-unknown", "objects nested 10,000 deep in a member that is not known", `{"x":`+strings.Repeat(`{"x":`, 10_000), "not a verdict", ""),
		says("number", "a number of 60,000 digits", `{"violations":`+strings.Repeat("9", 60_000)+`}`, "not an array", ""),
		says("findings", "1,001 findings", many(1_001), "more than 1000", ""),
		says("findings-many", "80,000 findings, in a megabyte", many(80_000), "more than 1000", mib),
		says("flood", "a megabyte of the letter a", strings.Repeat("a", 1<<20), "not a verdict", mib),
		says("flood-message", "a message of 60,000 bytes as a warning", `{"violations":[],"warnings":[{"msg":"`+strings.Repeat("m", 60_000)+`"}]}`, "", ""),
		says("too-large", "a verdict of one byte more than the limit", `{"violations":[],"warnings":[{"msg":"`+strings.Repeat("m", 159)+`"}]}`, "200 bytes, more than the limit of 199", "output: 199"),
	}
}
