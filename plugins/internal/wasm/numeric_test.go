package wasm

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// signature is a run of opcodes with the same types.
type signature struct {
	first, last byte
	params      []ValueType
	result      ValueType
}

// signatures are those of all numeric instructions without immediates.
// See https://www.w3.org/TR/wasm-core-2/#numeric-instructions⑥ (section 5.4.7).
var signatures = []signature{
	{0x45, 0x45, []ValueType{I32}, I32},      // i32.eqz
	{0x46, 0x4f, []ValueType{I32, I32}, I32}, // i32 comparisons
	{0x50, 0x50, []ValueType{I64}, I32},      // i64.eqz
	{0x51, 0x5a, []ValueType{I64, I64}, I32}, // i64 comparisons
	{0x5b, 0x60, []ValueType{F32, F32}, I32}, // f32 comparisons
	{0x61, 0x66, []ValueType{F64, F64}, I32}, // f64 comparisons
	{0x67, 0x69, []ValueType{I32}, I32},      // i32 clz, ctz, popcnt
	{0x6a, 0x78, []ValueType{I32, I32}, I32}, // i32 arithmetic
	{0x79, 0x7b, []ValueType{I64}, I64},      // i64 clz, ctz, popcnt
	{0x7c, 0x8a, []ValueType{I64, I64}, I64}, // i64 arithmetic
	{0x8b, 0x91, []ValueType{F32}, F32},      // f32 abs to sqrt
	{0x92, 0x98, []ValueType{F32, F32}, F32}, // f32 arithmetic
	{0x99, 0x9f, []ValueType{F64}, F64},      // f64 abs to sqrt
	{0xa0, 0xa6, []ValueType{F64, F64}, F64}, // f64 arithmetic
	{0xa7, 0xa7, []ValueType{I64}, I32},      // i32.wrap_i64
	{0xa8, 0xa9, []ValueType{F32}, I32},      // i32.trunc_f32
	{0xaa, 0xab, []ValueType{F64}, I32},      // i32.trunc_f64
	{0xac, 0xad, []ValueType{I32}, I64},      // i64.extend_i32
	{0xae, 0xaf, []ValueType{F32}, I64},      // i64.trunc_f32
	{0xb0, 0xb1, []ValueType{F64}, I64},      // i64.trunc_f64
	{0xb2, 0xb3, []ValueType{I32}, F32},      // f32.convert_i32
	{0xb4, 0xb5, []ValueType{I64}, F32},      // f32.convert_i64
	{0xb6, 0xb6, []ValueType{F64}, F32},      // f32.demote_f64
	{0xb7, 0xb8, []ValueType{I32}, F64},      // f64.convert_i32
	{0xb9, 0xba, []ValueType{I64}, F64},      // f64.convert_i64
	{0xbb, 0xbb, []ValueType{F32}, F64},      // f64.promote_f32
	{0xbc, 0xbc, []ValueType{F32}, I32},      // i32.reinterpret_f32
	{0xbd, 0xbd, []ValueType{F64}, I64},      // i64.reinterpret_f64
	{0xbe, 0xbe, []ValueType{I32}, F32},      // f32.reinterpret_i32
	{0xbf, 0xbf, []ValueType{I64}, F64},      // f64.reinterpret_i64
	{0xc0, 0xc1, []ValueType{I32}, I32},      // i32.extend8_s, extend16_s
	{0xc2, 0xc4, []ValueType{I64}, I64},      // i64.extend8_s to extend32_s
}

// saturating are those after prefix 0xfc.
var saturating = []signature{
	{0, 1, []ValueType{F32}, I32},
	{2, 3, []ValueType{F64}, I32},
	{4, 5, []ValueType{F32}, I64},
	{6, 7, []ValueType{F64}, I64},
}

// samples are values of each type that tell instructions apart.
var samples = map[ValueType][]uint64{
	I32: {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff},
	I64: {0, 1, 7, 0xffffffff, math.MaxInt64, 1 << 63, math.MaxUint64},
	F32: {
		uint64(math.Float32bits(0)), uint64(math.Float32bits(-1.5)), uint64(math.Float32bits(3e9)),
		uint64(math.Float32bits(float32(math.Inf(1)))), 0x7fc00000,
	},
	F64: {
		math.Float64bits(0), math.Float64bits(-1.5), math.Float64bits(2.5), math.Float64bits(1e19),
		math.Float64bits(math.Inf(-1)), 0x7ff8000000000000,
	},
}

// arguments are all combinations of samples.
func arguments(params []ValueType) [][]uint64 {
	if len(params) == 0 {
		return [][]uint64{nil}
	}
	var all [][]uint64
	for _, v := range samples[params[0]] {
		for _, rest := range arguments(params[1:]) {
			all = append(all, append([]uint64{v}, rest...))
		}
	}
	return all
}

// TestNumeric calls a function for each numeric instruction, before and after.
func TestNumeric(t *testing.T) {
	seen := map[byte]bool{}
	for _, s := range signatures {
		for op := int(s.first); op <= int(s.last); op++ {
			seen[byte(op)] = true
			t.Run(fmt.Sprintf("%#x", op), func(t *testing.T) { testNumeric(t, s, byte(op)) })
		}
	}
	for op := firstNumeric; op <= lastNumeric; op++ {
		if !seen[byte(op)] {
			t.Errorf("opcode %#x is not tested", op)
		}
	}
	for _, s := range saturating {
		for op := s.first; op <= s.last; op++ {
			t.Run(fmt.Sprintf("0xfc %d", op), func(t *testing.T) { testNumeric(t, s, opPrefixFC, op) })
		}
	}
}

func testNumeric(t *testing.T, s signature, opcode ...byte) {
	var code []byte
	for i := range s.params {
		code = append(code, opLocalGet, byte(i))
	}
	module := function(s.params, []ValueType{s.result}, nil, append(code, opcode...)...)
	rt := newRuntime(t)
	before, after := instantiate(t, rt, module), instantiate(t, rt, meteredOnly(t, module).Bytes)
	trapped := 0
	all := arguments(s.params)
	for _, args := range all {
		want, wantTrap := before.call(t, "f", args...)
		got, gotTrap := after.call(t, "f", args...)
		if gotTrap != wantTrap || !cmp.Equal(got, want) {
			t.Errorf("f(%#x) = %#x, %q; unmetered %#x, %q", args, got, gotTrap, want, wantTrap)
		}
		if gotTrap != "" {
			trapped++
		}
	}
	if trapped == len(all) {
		t.Error("every call trapped: the module is not what it should be")
	}
}
