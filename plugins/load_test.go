package plugins

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

func TestRefusedModules(t *testing.T) {
	for _, tt := range []struct {
		fixture string
		want    []string // all in the error
	}{
		{"refused-no-marker", []string{"does not export the function plimsoll_abi_1", "_start", "extism:host/env", "opa_wasm_abi_version"}},
		{"refused-later", []string{"speaks version 2", "speaks 1"}},
		{"refused-marker-global", []string{"export plimsoll_abi_1 is a global; want a function ()"}},
		{"refused-no-memory", []string{`does not export its memory as "memory"`}},
		{"refused-no-alloc", []string{"plimsoll_alloc(i32) → i32", "malloc", "cabi_realloc"}},
		{"refused-no-validate", []string{"does not export the function plimsoll_validate(i32, i32) → i64"}},
		{"refused-types", []string{
			"plimsoll_alloc is (i64) → i32; want (i32) → i32",
			"plimsoll_validate is (i32, i32) → i32; want (i32, i32) → i64",
			"plimsoll_validate_settings is (i32) → i64; want (i32, i32) → i64",
			"_initialize is (i32); want ()",
		}},
		{"refused-start", []string{"start function", "_initialize"}},
		{"refused-import", []string{"imports the function env.http_get", "wasi_snapshot_preview1 only"}},
		{"refused-import-memory", []string{"imports the memory env.memory", "imports its memory"}},
		{"refused-wasi-unknown", []string{"imports the function wasi_snapshot_preview1.fd_teleport"}},
		{"refused-wasi-type", []string{"random_get", "(i64, i32) → i32; want a function (i32, i32) → i32"}},
		{"extism-early", []string{"_initialize: it trapped: it called Extism's kernel before"}},
		{"refused-extism-http", []string{"imports the function extism:host/env.http_request", "extism:host/env and wasi_snapshot_preview1 only"}},
		{"refused-extism-host", []string{"imports the function extism:host/user.lookup", "validate is (i32) → i32; want () → i32"}},
		{"refused-ctors-types", []string{
			"_initialize is (i32); want ()", "does not export its memory", "alloc as a function (i32) → i64; want a function (i64) → i64",
		}},
		{"refused-opa-version", []string{"version 2.3 of OPA's ABI; want 1.2"}},
		{"refused-opa-minor", []string{"version 1.1 of OPA's ABI; want 1.2"}},
		{"refused-opa-table", []string{"entrypoints: it is not a table"}},
		{"refused-opa-none", []string{"it has 0 entrypoints"}},
		{"refused-opa-builtin", []string{"uses the builtin http.send", "uses the builtin http.send, time.now_ns", "there are crypto.sha256"}},
		{"refused-memory", []string{"starts with 64 MiB of memory, more than the limit of 32 MiB", "limits.memory"}},
		{"refused-invalid", []string{"compiling the module"}},
		{"initialize-spin", []string{"_initialize: out of fuel"}},
		{"initialize-trap", []string{"_initialize: it trapped: unreachable"}},
		{"settings-trap", []string{"validators[0].settings: checking them", "unreachable"}},
	} {
		t.Run(tt.fixture, func(t *testing.T) {
			t.Parallel()
			v, err := tryLoad(t, tt.fixture)
			if err == nil {
				t.Fatal("it was loaded", v.Close())
			}
			for _, want := range append(tt.want, "validators.yaml: validators[0]") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

// TestDamagedModules truncates a module at every length and damages every byte:
// whatever comes of it, loading returns.
func TestDamagedModules(t *testing.T) {
	whole := fixture(t, "counter")
	try := func(module []byte) {
		v, err := Load(t.Context(), Options{}, FS(files(bound("m", module, "limits: {fuel: 10000}"),
			map[string][]byte{"m": module}), "validators.yaml"))
		if err != nil {
			return
		}
		defer v.Close()
		verdict, err := v.Judge(t.Context(), input(smallSpec))
		if got := outcomeOf(verdict, err); got == other {
			t.Errorf("outcome is %s: %v", got, err)
		}
	}
	for n := range whole {
		try(whole[:n])
		damaged := append([]byte(nil), whole...)
		damaged[n] ^= 1 << (n % 8)
		try(damaged)
	}
}

func TestLoadNothing(t *testing.T) {
	for name, sources := range map[string][]Source{
		"no source":  nil,
		"empty list": {FS(fstest.MapFS{"v.yaml": {Data: []byte("validators: []\n")}}, "v.yaml")},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Load(t.Context(), Options{}, sources...)
			if err != nil {
				t.Fatal(err)
			}
			closeLater(t, v)
			verdict, err := v.Judge(t.Context(), input(smallSpec))
			if diff := cmp.Diff(plimsoll.Verdict{}, verdict); err != nil || diff != "" {
				t.Errorf("error %v, verdict (-want +got):\n%s", err, diff)
			}
			if len(v.List()) != 0 || v.Digest() == "" {
				t.Errorf("list is %v, digest %q", v.List(), v.Digest())
			}
		})
	}
}

func TestConfigProblems(t *testing.T) {
	module := fixture(t, "valid")
	pin := "sha256: " + digest(module)
	for _, tt := range []struct {
		name, config string
		want         []string // the problems, in order
	}{
		{"empty", "", []string{"validators is missing; an empty list of them is []"}},
		{"null", "validators:\n", []string{"validators is missing; an empty list of them is []"}},
		{"not YAML", "validators: [", []string{"line 1"}},
		{"duplicate key", "validators: []\nvalidators: []\n", []string{`"validators" already set`}},
		{"two documents", "validators: []\n---\nvalidators: []\n", []string{"more than one YAML document"}},
		{"misspelt", "validator: []\n", []string{`unknown key "validator"; did you mean "validators"?`}},
		{"a list", "- module: m.wasm\n", []string{"want an object, got array"}},
		{"wrong type", "validators: {}\n", []string{"validators: want an array, got object"}},
		{"scalar entry", "validators: [m.wasm]\n", []string{"validators[0]: want an object, got string"}},
		{
			"everything at once", `validators:
- name: Upper Case
  modul: m.wasm
  sha256: 123
- module: /etc/m.wasm
  sha256: zz
  match: {runtime: [a], namespaces: [], operations: [CREAT], spec_types: ["[a"], labels: {}}
  enforcement: dryrun
  limits: {memory: 1KiB, timeout: soon, fuel: -1, output: 1GiB, concurrency: 0, cpu: 1}
- module: ../m.wasm
- module: https://example.org/m.wasm
  match: {labels: {tier: "", "": a, x: "[a", y: 1}}
`, []string{
				`validators[0]: unknown key "modul"; did you mean "module"?`,
				`validators[0].sha256: want a string, got number`,
				`validators[0].name: "Upper Case" is not a name`,
				`validators[0]: module is missing`,
				`validators[1].match: unknown key "runtime"; did you mean "runtimes"?`,
				`validators[1].match.namespaces: an empty list matches nothing`,
				`validators[1].match.spec_types[0]: "[a" is not a pattern`,
				`validators[1].match.labels: it names no label`,
				`validators[1].match.operations[0]: unknown operation "CREAT"`,
				`validators[1].limits: unknown key "cpu"; known are concurrency, fuel, memory, output, timeout`,
				`validators[1].limits.fuel: want a whole number in range, got number -1`,
				`validators[1].limits.timeout: "soon" is not a duration`,
				`validators[1].limits.memory: 1.0 KiB is not between 64 KiB and 1.0 GiB`,
				`validators[1].limits.output: 1.0 GiB is not between 64 B and 1.0 MiB`,
				`validators[1].limits.concurrency: 0 is not between 1 and 1,024`,
				`validators[1].module: "/etc/m.wasm" is not a path below`,
				`validators[1].sha256: "zz" is not a SHA-256 digest`,
				`validators[1].enforcement: "dryrun" is none of enforce, warn, shadow, canary:PERCENT% (such as canary:10%)`,
				`validators[2].module: "../m.wasm" is not a path below`,
				`validators[3].match.labels: want a string, got number`,
				`validators[3].match.labels: "": "a" is not a key and a pattern of its value`,
				`validators[3].match.labels: "tier": "" is not a key and a pattern`,
				`validators[3].match.labels: "x": "[a" is not a key and a pattern`,
				`validators[3].module: "https://example.org/m.wasm" is not in a registry`,
			},
		},
		{"no such module", "validators:\n- {module: n.wasm, " + pin + "}\n", []string{"validators[0].module: open n.wasm: file does not exist"}},
		{"no pin", "validators:\n- {name: m, module: m.wasm}\n", []string{"sha256 is missing; if this is the module you mean, add\n  " + pin}},
		{
			"another pin", "validators:\n- {name: m, module: m.wasm, sha256: " + strings.Repeat("0a", 32) + "}\n",
			[]string{"its digest is\n  " + digest(module) + ", and the pin is\n  " + strings.Repeat("0a", 32)},
		},
		{"no name anywhere", "validators:\n- {module: m.wasm, " + pin + "}\n", []string{"name is missing"}},
		{
			"a name twice", "validators:\n- {name: m, module: m.wasm, " + pin + "}\n- {name: m, module: m.wasm, " + pin + "}\n",
			[]string{`two validators are called "m"`},
		},
		{
			"not wasm", "validators:\n- {name: m, module: text.wasm, sha256: " + digest([]byte("text")) + "}\n",
			[]string{"not a WebAssembly 1.0 binary module"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{
				"v.yaml": {Data: []byte(tt.config)}, "m.wasm": {Data: module}, "text.wasm": {Data: []byte("text")},
			}
			v, err := Load(t.Context(), Options{}, FS(fsys, "v.yaml"))
			if err == nil {
				t.Fatal("it was loaded", v.Close())
			}
			rest := err.Error()
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q in the rest of the error:\n%s\nin all:\n%s", want, rest, err)
				}
				rest = after
			}
		})
	}
}

// TestAllSourcesAreReported has a problem in each of two files.
func TestAllSourcesAreReported(t *testing.T) {
	fsys := fstest.MapFS{"a.yaml": {Data: []byte("x: 1")}, "b.yaml": {Data: []byte("validators: 1")}}
	_, err := Load(t.Context(), Options{}, FS(fsys, "a.yaml"), FS(fsys, "b.yaml"), File(filepath.Join(t.TempDir(), "c.yaml")))
	for _, want := range []string{"a.yaml: unknown key", "b.yaml: validators: want an array", "c.yaml: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	module := fixture(t, "violations")
	write := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("outside.wasm", string(module))
	write("sub/m.wasm", string(module))
	write("sub/good.yaml", "validators:\n- {name: m, module: m.wasm, limits: {timeout: 1m}, sha256: "+strings.ToUpper(digest(module))+"}\n")
	write("sub/bad.yaml", "validators:\n- {name: m, module: link.wasm, sha256: "+digest(module)+"}\n")
	if err := os.Symlink("../outside.wasm", filepath.Join(dir, "sub", "link.wasm")); err != nil {
		t.Fatal(err)
	}

	v, err := Load(t.Context(), Options{CacheDir: filepath.Join(dir, "cache")}, File(filepath.Join(dir, "sub", "good.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	if verdict, err := v.Judge(t.Context(), input(smallSpec)); outcomeOf(verdict, err) != denied {
		t.Errorf("verdict %+v, error %v", verdict, err)
	}

	if v, err := Load(t.Context(), Options{}, File(filepath.Join(dir, "sub", "bad.yaml"))); err == nil {
		t.Error("a module was read through a link that leaves the directory", v.Close())
	}
}

func TestSettings(t *testing.T) {
	schema := `{"type":"object","additionalProperties":false,
		"properties":{"forbid":{"type":"array","items":{"enum":["host-pid","host-net"]}},"max":{"type":"integer","minimum":1}}}`
	annotated, err := Annotate(fixture(t, "valid"), Metadata{Name: "m", Version: "1", ABI: 1, Settings: []byte(schema)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		module   []byte
		settings string
		want     []string // problems; none means that it loads
	}{
		{"schema, right", annotated, `settings: {forbid: [host-pid], max: 3}`, nil},
		{"schema, none", annotated, `# none`, nil},
		{"schema, wrong", annotated, `settings: {forbid: [host-ipc], max: 0, extra: 1}`, []string{
			"validators[0].settings: additional properties 'extra' not allowed",
			"validators[0].settings.forbid.0: value must be one of 'host-pid', 'host-net'",
			"validators[0].settings.max: minimum: got 0, want 1",
		}},
		{"function, right", fixture(t, "settings"), `settings: {}`, nil},
		{"function, none", fixture(t, "settings"), `# none`, nil},
		{"function, wrong", fixture(t, "settings"), `settings: {forbid: [x]}`, []string{
			"validators[0].settings.forbid: unknown trait (use a known one)",
		}},
		{"neither", fixture(t, "valid"), `settings: [1, 2]`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Load(t.Context(), Options{}, FS(files(bound("m", tt.module, tt.settings),
				map[string][]byte{"m": tt.module}), "validators.yaml"))
			if err == nil {
				closeLater(t, v)
			}
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestList(t *testing.T) {
	module, err := Annotate(fixture(t, "valid"), Metadata{
		Name: "checker", Version: "2.1", ABI: 1, Docs: "https://example.org",
		Runtimes: []string{"io.containerd.runc.*"}, SpecTypes: []string{"types.containerd.io/*"},
		Operations: []plimsoll.Operation{plimsoll.OperationCreate},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := "validators:\n" +
		"- {module: m.wasm, sha256: " + digest(module) + "}\n" +
		"- name: second\n  module: m.wasm\n  sha256: " + digest(module) + "\n" +
		"  match: {runtimes: ['*'], operations: [DELETE], namespaces: [prod]}\n  enforcement: warn\n  settings: {b: 1, a: 2}\n" +
		"  limits: {memory: 1000000, timeout: 1s, fuel: 5000, output: 1KiB, concurrency: 7}\n"
	fsys := fstest.MapFS{"v.yaml": {Data: []byte(config)}, "m.wasm": {Data: module}}
	v, err := Load(t.Context(), Options{}, FS(fsys, "v.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	want := []Info{
		{
			Name: "checker", Version: "2.1", Module: "m.wasm", SHA256: digest(module), Docs: "https://example.org", ABI: 1,
			Match: Match{
				Runtimes: []string{"io.containerd.runc.*"}, SpecTypes: []string{"types.containerd.io/*"},
				Operations: []plimsoll.Operation{plimsoll.OperationCreate},
			},
			Settings: []byte("{}"), Enforcement: Enforce,
			Limits: Limits{
				Memory: 32 << 20, Fuel: 50_000_000, Timeout: time.Second, Output: 64 << 10,
				Concurrency: int32(min(1024, runtime.GOMAXPROCS(0))),
			},
		},
		{
			Name: "second", Version: "2.1", Module: "m.wasm", SHA256: digest(module), Docs: "https://example.org", ABI: 1,
			Match: Match{
				Namespaces: []string{"prod"}, Runtimes: []string{"*"}, SpecTypes: []string{"types.containerd.io/*"},
				Operations: []plimsoll.Operation{plimsoll.OperationDelete},
			},
			Settings: []byte(`{"a":2,"b":1}`), Enforcement: Warn,
			Limits: Limits{Memory: 15 * 65536, Fuel: 5000, Timeout: time.Second, Output: 1024, Concurrency: 7},
		},
	}
	if diff := cmp.Diff(want, v.List()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}

	digests := map[string]string{v.Digest(): "as it is"}
	for name, changed := range map[string]string{
		"settings":    strings.Replace(config, "b: 1", "b: 2", 1),
		"limits":      strings.Replace(config, "fuel: 5000", "fuel: 5001", 1),
		"match":       strings.Replace(config, "prod", "test", 1),
		"enforcement": strings.Replace(config, "enforcement: warn", "enforcement: enforce", 1),
		"name":        strings.Replace(config, "second", "third", 1),
	} {
		fsys["v.yaml"] = &fstest.MapFile{Data: []byte(changed)}
		w, err := Load(t.Context(), Options{}, FS(fsys, "v.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		closeLater(t, w)
		if same, ok := digests[w.Digest()]; ok {
			t.Errorf("the digest with another %s is that of %s", name, same)
		}
		digests[w.Digest()] = name
	}
	fsys["v.yaml"] = &fstest.MapFile{Data: []byte("# a comment\n" + strings.Replace(config, "concurrency: 7", "concurrency: 8", 1))}
	w, err := Load(t.Context(), Options{}, FS(fsys, "v.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, w)
	if w.Digest() != v.Digest() {
		t.Error("a comment, or the number of instances, changed the digest")
	}
}

func TestTimeoutDefault(t *testing.T) {
	for fuel, want := range map[string]time.Duration{
		"": time.Second, "fuel: 5000": time.Second, "fuel: 500000000": 10 * time.Second, "fuel: 9000000000": time.Minute,
	} {
		limits, errs := decodeLimits("limits", []byte(`{`+strings.Replace(strings.Replace(fuel, "fuel", `"fuel"`, 1), " ", "", 1)+`}`))
		if err := errors.Join(errs...); err != nil || limits.Timeout != want {
			t.Errorf("%q: timeout is %s, want %s (%v)", fuel, limits.Timeout, want, err)
		}
	}
}

// TestLateIsTimeout checks the backstop: a call that its fuel did not end, but that
// was too slow by the clock.
func TestLateIsTimeout(t *testing.T) {
	v := load(t, "valid")
	v.bindings[0].info.Limits.Timeout = -1
	_, err := v.Judge(context.Background(), input(smallSpec))
	if outcomeOf(plimsoll.Verdict{}, err) != timeout {
		t.Errorf("error is %v, want a timeout", err)
	}
}
