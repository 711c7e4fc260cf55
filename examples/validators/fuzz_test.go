package validators_test

import (
	"math/rand/v2"
	"testing"
)

// Whatever the payload is, there is a verdict: no trap, no end of fuel, no output that
// the host would refuse. judge fails the test otherwise.
func FuzzSpec(f *testing.F) {
	v := loadDefault(f)
	for _, name := range []string{"linux-default", "linux-rlimits-devices", "linux-userns", "windows"} {
		spec := fixture(f, name)
		f.Add(spec)
		for seed := range uint64(100) {
			f.Add(mutated(spec, seed))
		}
	}
	f.Fuzz(func(t *testing.T, spec []byte) {
		judge(t, v, input(spec))
	})
}

// mutated is the spec with a few random changes, most of which leave it JSON.
func mutated(spec []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	spec = append([]byte(nil), spec...)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(spec))
		switch random.IntN(4) {
		case 0:
			spec[at] = byte(random.IntN(256))
		case 1: // another digit, letter or delimiter that is in the spec already
			spec[at] = spec[random.IntN(len(spec))]
		case 2:
			spec = append(spec[:at], spec[at+1:]...)
		case 3: // a part of it twice
			end := min(len(spec), at+random.IntN(60))
			spec = append(spec[:end:end], spec[at:]...)
		}
	}
	return spec
}
