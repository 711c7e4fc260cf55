package wasm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// chargedExactly is the module with a charge for every instruction by itself.
func chargedExactly(module []byte) ([]byte, error) {
	r := newReader(module, DefaultCaps())
	r.meter.slack, r.keepNaNs = 0, true
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.rewrite().Bytes, nil
}

// TestRandomModules makes up modules and compares three versions of each: as it is,
// metered, and with a charge for every single instruction. All do the same. What
// metering takes pays for every instruction that was executed, and not for many that
// were not.
func TestRandomModules(t *testing.T) {
	rt := newRuntime(t)
	finished, trapped := 0, 0
	rapid.Check(t, func(rtt *rapid.T) {
		module := generateModule(rtt)
		m, err := instrumentOnly(module)
		if err != nil {
			rtt.Fatalf("instrument %x: %v", module, err)
		}
		exact, err := chargedExactly(module)
		if err != nil {
			rtt.Fatalf("instrument %x: %v", module, err)
		}
		f, _ := m.Export("f")
		var args []uint64
		for _, typ := range f.Func.Params {
			args = append(args, rapid.SampledFrom(samples[typ]).Draw(rtt, "argument"))
		}
		globals := exported(m, KindGlobal)
		before, after, precise := instantiate(t, rt, module), instantiate(t, rt, m.Bytes), instantiate(t, rt, exact)
		defer before.module.Close(t.Context())
		defer after.module.Close(t.Context())
		defer precise.module.Close(t.Context())

		want := run(t, before, globals, "f", args)
		for _, g := range []*guest{after, precise} {
			if diff := cmp.Diff(want, run(t, g, globals, "f", args), cmp.AllowUnexported(state{})); diff != "" {
				rtt.Fatalf("f%v of %x (-unmetered +metered):\n%s", args, module, diff)
			}
		}
		if want.trap != "" {
			trapped++
			return
		}
		finished++
		executed, taken := plenty-precise.fuelLeft(), plenty-after.fuelLeft()
		if taken < executed || taken > executed*(1+slack) {
			rtt.Fatalf("f%v of %x took %d for %d", args, module, taken, executed)
		}
		if after.depthLeft() != plenty {
			rtt.Fatalf("f%v of %x left the depth at %d", args, module, after.depthLeft())
		}
		poor := instantiate(t, rt, m.Bytes)
		defer poor.module.Close(t.Context())
		poor.refill(taken-1, plenty)
		if _, trap := poor.call(t, "f", args...); trap == "" || poor.fuelLeft() >= 0 {
			rtt.Fatalf("f%v of %x ran on %d fuel, not %d", args, module, taken-1, taken)
		}
	})
	t.Logf("%d calls finished, %d trapped", finished, trapped)
	if finished < 10 {
		t.Errorf("%d calls finished, %d trapped: too few to tell anything", finished, trapped)
	}
}
