package wasm

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestNaNsAreCanonical computes with every instruction whose result may be no number, on
// numbers of which it then is none: what comes of it, as bits, is the same on every machine.
// Other results are what they would be without.
func TestNaNsAreCanonical(t *testing.T) {
	operands := map[ValueType][]uint64{
		F32: {0, 0x80000000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0xffc00123, 0x7f800001},
		F64: {
			0, 1 << 63, math.Float64bits(-1), math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(-1)),
			0x7ff8000000000000, 0xfff8000000000000, 0xfff8000000000123, 0x7ff0000000000001,
		},
	}
	canonical := map[ValueType]uint64{F32: 0x7fc00000, F64: 0x7ff8000000000000}
	reinterpret := map[ValueType]byte{F32: 0xbc, F64: 0xbd}
	bits := map[ValueType]ValueType{F32: I32, F64: I64}
	tested, nans := 0, 0
	for _, s := range signatures {
		for op := int(s.first); op <= int(s.last); op++ {
			if computes(byte(op)) == 0 {
				continue
			}
			if got := computes(byte(op)); got != s.result {
				t.Errorf("%#x computes %s, want %s", op, got, s.result)
			}
			code := []byte{}
			for n := range s.params {
				code = append(code, opLocalGet, byte(n))
			}
			module := function(s.params, []ValueType{bits[s.result]}, nil, append(code, byte(op), reinterpret[s.result])...)
			interpreted := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
			defer interpreted.Close(t.Context())
			rt := newRuntime(t)
			before := instantiate(t, rt, module)
			guests := []*guest{instantiate(t, rt, metered(t, module).Bytes), instantiate(t, interpreted, metered(t, module).Bytes)}
			for _, x := range operands[s.params[0]] {
				for _, y := range operands[s.params[0]] {
					args := []uint64{x, y}[:len(s.params)]
					want, _ := before.call(t, "f", args...)
					if isNaN(s.result, want[0]) {
						want, nans = []uint64{canonical[s.result]}, nans+1
					}
					for n, g := range guests {
						if got, trap := g.call(t, "f", args...); trap != "" || !slices.Equal(own(s.result, got), own(s.result, want)) {
							t.Errorf("%#x of %#x on engine %d is %#x, %s, want %#x", op, args, n, got, trap, want)
						}
					}
				}
			}
			tested++
		}
	}
	if tested != 24 || nans < 1000 {
		t.Errorf("%d instructions were tested, and %d results were no numbers", tested, nans)
	}
}

func isNaN(typ ValueType, bits uint64) bool {
	return specValue{Type: fmt.Sprint(typ)}.isNaN(bits)
}

// own are results without what the engine has left over beside them.
func own(typ ValueType, results []uint64) []uint64 {
	list := slices.Clone(results)
	for n := range list {
		list[n] = specValue{Type: fmt.Sprint(typ)}.own(list[n])
	}
	return list
}
