package wasm

import (
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// TestFeaturesNotSupported gives modules that use what Instrument does not support,
// each valid, to an engine that has all of it, and to Instrument.
func TestFeaturesNotSupported(t *testing.T) {
	types := sect(secType, vec(funcType(nil, nil))...)
	funcs := sect(secFunction, vec([]byte{0})...)
	memory := sect(secMemory, 1, 0, 1)
	code := func(code ...byte) []byte {
		return assemble(types, funcs, memory, sect(secCode, vec(codeOf(nil, code...))...))
	}
	tests := map[string]struct {
		module []byte
		want   string
	}{
		"SIMD":               {code(append(append([]byte{0xfd, 12}, make([]byte, 16)...), 0x1a)...), "SIMD"},
		"threads":            {code(opI32Const, 0, 0xfe, 0x10, 2, 0, 0x1a), "threads"},
		"shared memory":      {assemble(sect(secMemory, 1, 3, 1, 1)), "shared"},
		"tail calls":         {code(0x12, 0), "tail calls"},
		"extended constants": {assemble(sect(secGlobal, 1, byte(I32), 0, opI32Const, 1, opI32Const, 2, 0x6a, opEnd)), "constant expression"},
		"exceptions":         {assemble(types, funcs, sect(13, 1, 0, 0), sect(secCode, vec(codeOf(nil, 0x08, 0))...)), "section 13"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rt := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfig().WithCoreFeatures(
				features|experimental.CoreFeaturesThreads|experimental.CoreFeaturesTailCall|
					experimental.CoreFeaturesExtendedConst|experimental.CoreFeaturesExceptionHandling))
			defer rt.Close(t.Context())
			if _, err := rt.CompileModule(t.Context(), tt.module); err != nil {
				t.Fatalf("the module is not valid: %v", err)
			}
			refused(t, tt.module, tt.want)
		})
	}
}
