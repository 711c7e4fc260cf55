package wasm

import (
	"bytes"
	"slices"
	"testing"
)

// TestMovesArePaid checks that what control carries along at joins has a price: a function
// may have thousands of locals, each of which a branch of two instructions moves.
func TestMovesArePaid(t *testing.T) {
	set := func(locals int) []byte {
		var code []byte
		for n := range locals {
			code = appendU32(append(code, opI64Const, 1, opLocalSet), uint32(n))
		}
		return code
	}
	charges := func(locals int, code ...[]byte) (amounts []int64) {
		r := newReader(slices.Concat(code...), DefaultCaps())
		r.types = []FuncType{{Params: slices.Repeat([]ValueType{I64}, 96), Results: slices.Repeat([]ValueType{I64}, 24)}}
		r.meter.start(0, 0, locals)
		b := body{locals: locals}
		for r.err == nil && len(r.meter.frames) > 0 {
			r.instruction(&b)
		}
		if r.err != nil {
			t.Fatal(r.err)
		}
		for _, e := range r.meter.edits {
			if e.kind == editCharge {
				amounts = append(amounts, e.amount)
			}
		}
		return amounts
	}
	end := []byte{opEnd}
	for _, tt := range []struct {
		name   string
		locals int
		code   [][]byte
		want   []int64 // amounts of its charges
	}{
		{"a block that sets few", 16, [][]byte{{opBlock, emptyBlock}, set(16), end, end}, []int64{2 + 16}},
		{"a block that sets many", 1016, [][]byte{{opBlock, emptyBlock}, set(1016), end, end}, []int64{2 + 1016 + 1000}},
		{"a block that sets one again and again", 1, [][]byte{{opBlock, emptyBlock}, bytes.Repeat(set(1), 1000), end, end}, []int64{2 + 1000}},
		{"a loop that sets many", 1016, [][]byte{{opLoop, emptyBlock}, set(1016), end, end}, []int64{2, 1 + 1016 + 1000}},
		{"blocks in blocks", 1016, [][]byte{{opBlock, emptyBlock, opBlock, emptyBlock}, set(1016), end, end, end}, []int64{2 + 1016 + 2*1000}},
		{"a block of values", 0, [][]byte{{opBlock, 0}, {opUnreachable}, end, end}, []int64{2 + 1 + 104}},
		{"a block that cannot be reached", 1016, [][]byte{{opUnreachable, opBlock, emptyBlock}, set(1016), end, end}, []int64{2 + 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := charges(tt.locals, tt.code...); !slices.Equal(got, tt.want) {
				t.Errorf("charges are %d, want %d", got, tt.want)
			}
		})
	}
}
