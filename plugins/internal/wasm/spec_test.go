package wasm

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The test scripts of WebAssembly's specification, as the engine's source has them compiled:
// a list of commands each, and the modules they name.
type (
	specScript struct {
		Commands []specCommand `json:"commands"`
	}
	specCommand struct {
		Type, Name, As, Filename string
		Line                     int
		ModuleType               string `json:"module_type"`
		Action                   struct {
			Type, Field, Module string
			Args                []specValue
		}
		Expected []specValue
	}
	specValue struct {
		Type  string
		Value any
	}
)

// specDir is where the scripts are: in the source of the engine, in the version that go.mod
// names.
func specDir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// TestSpec runs the specification's own test scripts of WebAssembly 2.0, without SIMD, on
// modules as they are and on metered ones: every action comes to the same results, the
// expected ones, or to the same trap; and no invalid module becomes valid by metering.
func TestSpec(t *testing.T) {
	dir := specDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scripts, actions, invalid int
	refused := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasPrefix(name, "simd_") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := newSpecRun(t, dir, file)
			s.run()
			scripts, actions, invalid = scripts+1, actions+s.actions, invalid+s.invalid
			for reason, n := range s.refused {
				refused[reason] += n
			}
		})
	}
	t.Logf("%d scripts, %d actions, %d modules that are not valid; refused: %v", scripts, actions, invalid, refused)
	if scripts < 90 || actions < 23_000 || invalid < 2_000 {
		t.Errorf("there are %d scripts, %d actions and %d modules that are not valid", scripts, actions, invalid)
	}
}

// specRun is one script that is run.
type specRun struct {
	*testing.T
	dir      string // of the modules
	commands []specCommand
	plain    *specSide
	metered  *specSide
	current  string          // the module that actions without a name are for
	skipped  map[string]bool // modules that Instrument refuses

	actions, invalid int
	refused          map[string]int // valid modules, by why
}

// specSide is an engine with instances of the modules, by their names.
type specSide struct {
	rt      wazero.Runtime
	modules map[string]*guest
}

func newSpecRun(t *testing.T, dir, file string) *specRun {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script specScript
	if err := json.Unmarshal(text, &script); err != nil {
		t.Fatal(err)
	}
	environment, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	side := func() *specSide {
		s := &specSide{rt: newRuntimeOf(t, math.MaxUint16+1), modules: map[string]*guest{}}
		if _, err := s.rt.InstantiateWithConfig(t.Context(), environment, wazero.NewModuleConfig().WithName("spectest")); err != nil {
			t.Fatal(err)
		}
		return s
	}
	return &specRun{
		T: t, dir: filepath.Dir(file), commands: script.Commands, plain: side(), metered: side(),
		skipped: map[string]bool{}, refused: map[string]int{},
	}
}

func (s *specRun) run() {
	for i, c := range s.commands {
		switch c.Type {
		case "module":
			s.load(c, s.registeredAs(i), fmt.Sprint(i))
		case "assert_return", "action", "assert_trap":
			s.act(c)
		case "assert_exhaustion":
			s.exhaust(c)
		case "assert_invalid", "assert_malformed":
			if c.ModuleType == "binary" {
				s.refuse(c)
			}
		case "assert_uninstantiable":
			s.fail(c)
		case "register", "assert_unlinkable":
			// Names are given when a module is loaded; what memories and tables may be
			// linked to is narrower by their bounds.
		default:
			s.Errorf("line %d: a command %s", c.Line, c.Type)
		}
	}
}

// registeredAs is the name by which later modules import from the one of command i.
func (s *specRun) registeredAs(i int) string {
	last := i // the module that a name without a module is for
	for j, c := range s.commands[i+1:] {
		switch {
		case c.Type == "module":
			last = i + 1 + j
		case c.Type == "register" && (c.Name == "" && last == i || c.Name != "" && c.Name == s.commands[i].Name):
			return c.As
		}
	}
	return ""
}

// specCaps let through all that is not of a feature that is not supported.
var specCaps = Caps{MemoryPages: math.MaxUint16 + 1, TableElements: 1 << 27, Results: 1 << 10, Params: 1 << 10, Locals: 1 << 16, Tables: 1 << 10}

func (s *specRun) module(c specCommand) []byte {
	s.Helper()
	module, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	if err != nil {
		s.Fatal(err)
	}
	return module
}

// load makes an instance of a module on both sides, and runs its start function.
func (s *specRun) load(c specCommand, as, key string) {
	module := s.module(c)
	s.current = key
	m, err := Instrument(module, specCaps)
	if err != nil {
		s.skipped[key] = true
		_, reason, _ := strings.Cut(err.Error(), ": ")
		s.refused[reason]++
		if !strings.Contains(reason, "not supported") && !strings.Contains(reason, "the start function is an import") {
			s.Errorf("line %d: %v", c.Line, err)
		}
	} else if !s.linked(m) {
		s.skipped[key] = true // to a module that was refused
	} else {
		s.plain.load(s.T, c, module, as, key)
		s.metered.load(s.T, c, m.Bytes, as, key)
		if m.Start {
			if _, trap := s.metered.modules[key].call(s.T, StartExport); trap != "" {
				s.Errorf("line %d: the start function: %s", c.Line, trap)
			}
		}
	}
	if c.Name != "" {
		s.plain.modules[c.Name], s.metered.modules[c.Name] = s.plain.modules[key], s.metered.modules[key]
		s.skipped[c.Name] = s.skipped[key]
	}
}

// fail has a module fail while an instance of it is made, or by its start function. What it
// did until then to what it is linked with stays.
func (s *specRun) fail(c specCommand) {
	module := s.module(c)
	m, err := Instrument(module, specCaps)
	if err != nil || !s.linked(m) {
		return
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	_, failed := s.plain.rt.InstantiateWithConfig(s.Context(), module, config) // the engine lets a few pass
	instance, err := s.metered.rt.InstantiateWithConfig(s.Context(), m.Bytes, config)
	trapped := err != nil
	if err == nil {
		s.metered.modules[c.Filename] = withFuel(instance) // others may call what it left behind
	}
	if err == nil && m.Start {
		s.metered.refill(plenty)
		_, trap := s.metered.modules[c.Filename].call(s.T, StartExport)
		trapped = trap != ""
	}
	if trapped != (failed != nil) {
		s.Errorf("line %d: an instance of %s fails: %v, and metered: %t", c.Line, c.Filename, failed, trapped)
	}
}

// linked tells whether all that a module imports is there.
func (s *specRun) linked(m *Module) bool {
	return !slices.ContainsFunc(m.Imports, func(i Import) bool { return s.metered.rt.Module(i.Module) == nil })
}

func (s *specSide) load(t *testing.T, c specCommand, module []byte, as, key string) {
	t.Helper()
	m, err := s.rt.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	if err != nil {
		t.Fatalf("line %d: %v", c.Line, err)
	}
	s.modules[key] = withFuel(m)
}

// refill gives every instance fuel: modules call each other.
func (s *specSide) refill(depth int64) {
	for g := range maps.Values(s.modules) {
		if g != nil && g.fuel != nil {
			g.refill(plenty, depth)
		}
	}
}

func (s *specRun) target(c specCommand) (key string, ok bool) {
	key = s.current
	if c.Action.Module != "" {
		key = c.Action.Module
	}
	return key, !s.skipped[key]
}

// act does something on both sides and compares what comes of it, with what should as well.
func (s *specRun) act(c specCommand) {
	key, ok := s.target(c)
	if !ok {
		return
	}
	s.actions++
	s.metered.refill(plenty)
	want, wantTrap := s.plain.act(s.T, key, c)
	got, trap := s.metered.act(s.T, key, c)
	if trap != wantTrap || len(got) != len(want) {
		s.Fatalf("line %d: %s is %d, %q, and metered %d, %q", c.Line, c.Action.Field, want, wantTrap, got, trap)
	}
	if (trap != "") != (c.Type == "assert_trap") {
		s.Errorf("line %d: %s trapped: %q", c.Line, c.Action.Field, trap)
	}
	if g := s.metered.modules[key]; trap == "" && g.depthLeft() != plenty {
		s.Errorf("line %d: %s left the depth at %d", c.Line, c.Action.Field, g.depthLeft())
	}
	for i, e := range c.Expected[:min(len(got), len(c.Expected))] {
		before, after := e.own(want[i]), e.own(got[i])
		switch {
		case e.Type == "funcref":
			if (before == 0) != (after == 0) {
				s.Errorf("line %d: %s is %#x, and metered %#x", c.Line, c.Action.Field, before, after)
			}
		case e.isNaN(before) && e.isNaN(after): // which one it is, is up to the machine, or to metering
		case before != after:
			s.Errorf("line %d: %s is %#x, and metered %#x", c.Line, c.Action.Field, before, after)
		case c.Type == "assert_return" && !e.is(after):
			s.Errorf("line %d: %s is %#x, want %v", c.Line, c.Action.Field, after, e)
		}
	}
}

func (s *specSide) act(t *testing.T, key string, c specCommand) ([]uint64, string) {
	t.Helper()
	g := s.modules[key]
	if c.Action.Type == "get" {
		return []uint64{g.module.ExportedGlobal(c.Action.Field).Get()}, ""
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits())
	}
	return g.call(t, c.Action.Field, args...)
}

// exhaust calls what recurses without end. Only the metered module is asked: the other one
// would use up the engine's stack.
func (s *specRun) exhaust(c specCommand) {
	key, ok := s.target(c)
	if !ok {
		return
	}
	s.actions++
	s.metered.refill(10_000)
	if _, trap := s.metered.act(s.T, key, c); trap == "" || s.metered.modules[key].depthLeft() >= 0 {
		s.Errorf("line %d: %s: %q with %d frames left", c.Line, c.Action.Field, trap, s.metered.modules[key].depthLeft())
	}
}

// refuse has a module that is not valid refused, here or by the engine.
func (s *specRun) refuse(c specCommand) {
	s.invalid++
	module := s.module(c)
	m, err := Instrument(module, specCaps)
	if err != nil || s.plain.compiles(s.T, module) { // the engine takes a few of them
		return
	}
	if s.metered.compiles(s.T, m.Bytes) && !declaredByStart[c.Filename] {
		s.Errorf("line %d: %s is valid when it is metered", c.Line, c.Filename)
	}
}

// declaredByStart are modules that are not valid because they refer to a function that
// nothing declares, but for a start section. Metering exports the start function, which
// does.
var declaredByStart = map[string]bool{"ref_func.5.wasm": true}

func (s *specSide) compiles(t *testing.T, module []byte) bool {
	t.Helper()
	compiled, err := s.rt.CompileModule(t.Context(), module)
	return err == nil && compiled.Close(t.Context()) == nil
}

// bits is a value as the engine takes it. References are opaque, and 0 is null.
func (v specValue) bits() uint64 {
	text, _ := v.Value.(string)
	switch {
	case text == "" || text == "null":
		return 0
	case v.Type == "externref":
		n, _ := strconv.ParseUint(text, 10, 64)
		return n + 1
	case strings.HasSuffix(v.Type, "32"):
		if n, err := strconv.ParseInt(text, 10, 33); err == nil {
			return api.EncodeU32(uint32(n))
		}
	default:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return uint64(n)
		}
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// own are the bits that belong to a value of that type: what the engine has in the others is
// left over.
func (v specValue) own(bits uint64) uint64 {
	if strings.HasSuffix(v.Type, "32") {
		return uint64(uint32(bits))
	}
	return bits
}

// is tells whether bits are those of the value, or of any number that is none if it says so.
func (v specValue) is(bits uint64) bool {
	if text, _ := v.Value.(string); strings.HasPrefix(text, "nan:") {
		return v.isNaN(bits)
	}
	return bits == v.bits()
}

// isNaN tells whether bits are a number of the value's type that is none.
func (v specValue) isNaN(bits uint64) bool {
	return v.Type == "f32" && math.IsNaN(float64(api.DecodeF32(bits))) || v.Type == "f64" && math.IsNaN(api.DecodeF64(bits))
}
