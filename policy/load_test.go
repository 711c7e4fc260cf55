package policy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/policy"
)

const denies = "package a\n\ndeny contains \"no\"\n"

// What is shown for content that is wrong.
func TestProblems(t *testing.T) {
	tests := map[string]struct {
		files []string
		want  string // all of it
	}{
		"misspelt field": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if {\n\tinput.object.lables.team == \"a\"\n}\n"},
			`policies have a problem:
policies/a.rego:4:15: undefined ref: input.object.lables.team
		input.object.lables.team == "a"
		             ^
	have "lables", want one of ["extension_types", "extensions", "id", "image", "labels", "rootfs", "runtime", "runtime_options", "runtime_options_type", "sandbox_id", "snapshotter", "spec", "spec_type"]; did you mean "labels"?`,
		},
		"misspelt fields, all of them": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if input.opration == \"CREATE\"\n\ndeny contains \"y\" if input.old_object.lables.a\n", "b.rego", "package b\n\ndeny if input.user.grups[_]\n"},
			`policies have 3 problems:
policies/a.rego:3:28: undefined ref: input.opration
	deny contains "x" if input.opration == "CREATE"
	                           ^
	have "opration", want one of ["dry_run", "exemption", "kind", "namespace", "namespace_labels", "object", "old_object", "operation", "operator", "request_id", "update_mask", "user", "version"]; did you mean "operation"?
policies/a.rego:5:39: undefined ref: input.old_object.lables.a
	deny contains "y" if input.old_object.lables.a
	                                      ^
	have "lables", want one of ["extension_types", "extensions", "id", "image", "labels", "rootfs", "runtime", "runtime_options", "runtime_options_type", "sandbox_id", "snapshotter", "spec", "spec_type"]; did you mean "labels"?
policies/b.rego:3:20: undefined ref: input.user.grups[_]
	deny if input.user.grups[_]
	                   ^
	have "grups", want one of ["groups", "name", "via"]; did you mean "groups"?`,
		},
		"syntax, in all files": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if {\n\tinput.object.id ==\n}\n", "b.rego", "package b\n\ndeny[\"x\"] { true }\n"},
			`policies have 3 problems:
policies/a.rego:5:1: unexpected } token
	}
	^
policies/b.rego:3:1: ` + "`contains` keyword is required for partial set rules" + `
	deny["x"] { true }
	^
policies/b.rego:3:1: ` + "`if` keyword is required before rule body" + `
	deny["x"] { true }
	^`,
		},
		"types": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if count(input.dry_run) > 1\n"},
			`policies have a problem:
policies/a.rego:3:22: count: invalid argument(s)
	deny contains "x" if count(input.dry_run) > 1
	                     ^
	have: (boolean, ???)
	want: (collection: any<...>, n: number)`,
		},
		"unsafe variable": {
			[]string{"a.rego", "package a\n\ndeny contains x\n"},
			"policies have a problem:\npolicies/a.rego:3:15: var x is unsafe\n\tdeny contains x\n\t              ^",
		},
		"the clock": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if time.now_ns() > 5\n"},
			`policies have a problem:
policies/a.rego:3:22: undefined function time.now_ns
	deny contains "x" if time.now_ns() > 5
	                     ^
	time.now_ns is not available to policies: decisions must be reproducible: a rule sees the input, its data and other containers, nothing else`,
		},
		"enforcement": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   enforcement: shadow\npackage a\n\ndeny contains \"x\"\n"},
			`policies have a problem:
policies/a.rego:1:1: custom.enforcement is "shadow"
	# METADATA
	^
	want one of ["enforce", "warn", "canary:10%"], where a percentage is from 0 to 100 in steps of 0.01`,
		},
		"enforcement of what does not decide": {
			[]string{"a.rego", denies, "b.rego", "package b\n\n# METADATA\n# custom:\n#   enforcement: 7\nx := 1\n"},
			"policies have a problem:\npolicies/b.rego:3:1: custom.enforcement is 7\n\t# METADATA\n\t^\n\twant one of [\"enforce\", \"warn\", \"canary:10%\"], where a percentage is from 0 to 100 in steps of 0.01",
		},
		"severity": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   severity: 7\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.severity is 7\n\t# METADATA\n\t^\n\twant a word, such as \"high\"",
		},
		"match: no object": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: [CREATE]\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match is no object with something in it\n\t# METADATA\n\t^\n\t" + `want {"operations": ["CREATE", …], "namespaces": ["prod-*", …], "runtimes": ["io.containerd.runc.*", …]}, or some of it`,
		},
		"match: empty": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match is no object with something in it\n\t# METADATA\n\t^\n\t" + `want {"operations": ["CREATE", …], "namespaces": ["prod-*", …], "runtimes": ["io.containerd.runc.*", …]}, or some of it`,
		},
		"match: unknown key": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {operation: [CREATE]}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match has an unknown key \"operation\"\n\t# METADATA\n\t^\n\t" + `have "operation", want one of ["operations", "namespaces", "runtimes", "kinds"]; did you mean "operations"?`,
		},
		"match: misspelt operation": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {operations: [CREATE, DELET]}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match.operations[1] is \"DELET\"\n\t# METADATA\n\t^\n\t" + `have "DELET", want one of ["CREATE", "UPDATE", "DELETE"]; did you mean "DELETE"?`,
		},
		"match: no list": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {namespaces: prod}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match.namespaces is no list with something in it\n\t# METADATA\n\t^\n\t" + `leave it out to match everything`,
		},
		"match: empty list": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {namespaces: []}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match.namespaces is no list with something in it\n\t# METADATA\n\t^\n\t" + `leave it out to match everything`,
		},
		"match: no string": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {namespaces: [7]}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match.namespaces[0] is 7\n\t# METADATA\n\t^\n\t" + `want a string`,
		},
		"match: bad pattern": {
			[]string{"a.rego", "# METADATA\n# custom:\n#   match: {runtimes: [\"[a\"]}\npackage a\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:1:1: custom.match.runtimes[0] is \"[a\", which is no pattern\n\t# METADATA\n\t^\n\t" + `write it like "prod-*"`,
		},
		"match that differs within one value": {
			[]string{"a.rego", "package a\n\ndeny := \"x\" if input.dry_run\n\n# METADATA\n# custom: {match: {operations: [CREATE]}}\ndeny := \"y\" if not input.dry_run\n"},
			"policies have a problem:\npolicies/a.rego:7:1: custom.match is another than that of the first deny, with which this makes one value\n\tdeny := \"y\" if not input.dry_run\n\t^\n" +
				"\tput it into METADATA with scope: document, or write deny contains …",
		},
		"function": {
			[]string{"a.rego", "package a\n\ndeny(x) := x\n"},
			`policies have a problem:
policies/a.rego:3:1: deny is a function, so nothing would ever call it
	deny(x) := x
	^
	rules that decide look like: deny contains "reason" if { ... }`,
		},
		"package that depends": {
			[]string{"a.rego", "package a\n\nx[y].deny := \"no\" if some y in [\"z\"]\n"},
			`policies have a problem:
policies/a.rego:3:1: the package of deny is not constant
	x[y].deny := "no" if some y in ["z"]
	^
	rules that decide look like: deny contains "reason" if { ... }`,
		},
		"shapes that do not go together": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\"\n\ndeny := \"y\"\n"},
			"policies have a problem:\npolicies/a.rego:3:1: conflicting rules data.a.deny found\n\tdeny contains \"x\"\n\t^",
		},
		"reserved package": {
			[]string{"a.rego", "package system.plimsoll.x\n\ndeny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:3:1: data.system.plimsoll is reserved\n\tdeny contains \"x\"\n\t^\n\tuse another package",
		},
		"reserved rule": {
			[]string{"a.rego", "package system\n\nplimsoll.deny contains \"x\"\n"},
			"policies have a problem:\npolicies/a.rego:3:1: data.system.plimsoll is reserved\n\tplimsoll.deny contains \"x\"\n\t^\n\tuse another package",
		},
		"reserved data": {
			[]string{"a.rego", denies, "system/x.json", `{"plimsoll": {}}`},
			"policies have a problem:\npolicies/system/x.json: data.system.plimsoll is reserved: use another name",
		},
		"data that conflicts": {
			[]string{"a.rego", denies, "x.json", `{"a": {"b": 1, "c": 2}}`, "a/y.yaml", "b: 3\n"},
			"policies have a problem:\npolicies/x.json: data.a.b conflicts with the one in policies/a/y.yaml: keep one of them",
		},
		"data that conflicts with a directory": {
			[]string{"a.rego", denies, "a/x.json", `{"b": 1}`, "z.json", `{"a": 5}`},
			"policies have a problem:\npolicies/z.json: data.a conflicts with the one in policies/a/x.json: keep one of them",
		},
		"data that conflicts with a rule": {
			[]string{"a.rego", denies, "x.json", `{"a": {"deny": []}}`},
			"policies have a problem:\npolicies/a.rego:3:1: conflicting rule for data path a/deny found\n\tdeny contains \"no\"\n\t^",
		},
		"data with a duplicate key": {
			[]string{"a.rego", denies, "x.json", `{"b": 1, "b": 2}`},
			"policies have a problem:\npolicies/x.json: jsontext: duplicate object member name \"b\"",
		},
		"YAML with a duplicate key": {
			[]string{"a.rego", denies, "x.yml", "b: 1\nb: 2\n"},
			"policies have a problem:\npolicies/x.yml: yaml: unmarshal errors:\n  line 2: key \"b\" already set in map",
		},
		"data that is no object": {
			[]string{"a.rego", denies, "x.json", `[1]`},
			"policies have a problem:\npolicies/x.json: a data file must hold an object, so that its values have names",
		},
		"recursion": {
			[]string{"a.rego", "package a\n\ndeny contains \"x\" if count(deny) > 0\n"},
			"policies have a problem:\npolicies/a.rego:3:1: rule data.a.deny is recursive: data.a.deny -> data.a.deny\n\tdeny contains \"x\" if count(deny) > 0\n\t^",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(context.Background(), policy.Options{}, files(test.files...))
			var load *policy.LoadError
			if !errors.As(err, &load) {
				t.Fatalf("error is %v, want a LoadError", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("error (-want +have):\n%s", diff)
			}
		})
	}
}

// What is refused as a whole.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "empty/notes.txt", "")
	write(t, dir, "hidden/.git/a.rego", denies)
	write(t, dir, "hidden/.b.rego", denies)
	write(t, dir, "a_test.rego", denies)
	write(t, dir, "notes.txt", "")
	write(t, dir, "broken.tar.gz", "no archive")
	write(t, dir, "twice.tar.gz", archive(t, "a.rego", denies, "a.rego", denies))
	write(t, dir, "outside.tar.gz", archive(t, "../a.rego", denies))
	write(t, dir, "delta.tar.gz", archive(t, "patch.json", `{"data": []}`))
	write(t, dir, "bomb.tar.gz", archive(t, "zeros.bin", strings.Repeat("\x00", 1<<20)))
	in := func(name string) policy.Source { return policy.Path(filepath.Join(dir, name)) }
	rule := files("a.rego", denies)

	tests := map[string]struct {
		options policy.Options
		sources []policy.Source
		want    string // part of it
	}{
		"nothing":            {want: "no policies given"},
		"missing":            {sources: []policy.Source{in("missing")}, want: "reading policies missing: stat "},
		"empty":              {sources: []policy.Source{in("empty")}, want: "policies empty are empty: there is no .rego, .json or .yaml file in it"},
		"hidden only":        {sources: []policy.Source{in("hidden")}, want: "policies hidden are empty"},
		"empty among others": {sources: []policy.Source{rule, in("empty")}, want: "policies empty are empty"},
		"a test":             {sources: []policy.Source{in("a_test.rego")}, want: "not a policy"},
		"another file":       {sources: []policy.Source{in("notes.txt")}, want: "not a policy"},
		"data only":          {sources: []policy.Source{files("a.json", "{}")}, want: "no rule called deny, violation, warn, patch: they would admit everything"},
		"no rule that decides": {
			sources: []policy.Source{files("a.rego", "package a\n\nallow := true\n")},
			want:    "policies in policies have no rule called deny, violation, warn, patch: they would admit everything",
		},
		"given twice":       {sources: []policy.Source{rule, rule}, want: "given twice"},
		"broken archive":    {sources: []policy.Source{in("broken.tar.gz")}, want: "not a gzipped tar file"},
		"linked in archive": {sources: []policy.Source{policy.Archive("b", []byte(archiveWithLink(t)))}, want: "a/more is a link, which is not followed in archives"},
		"file twice":        {sources: []policy.Source{in("twice.tar.gz")}, want: "a.rego is in the archive twice"},
		"outside":           {sources: []policy.Source{in("outside.tar.gz")}, want: "../a.rego is outside of the archive"},
		"delta bundle":      {sources: []policy.Source{in("delta.tar.gz")}, want: "delta bundle"},
		"bomb":              {options: policy.Options{MaxBytes: 1 << 19}, sources: []policy.Source{in("bomb.tar.gz")}, want: "larger than 524288 bytes in all"},
		"large":             {options: policy.Options{MaxBytes: 10}, sources: []policy.Source{rule}, want: "larger than 10 bytes in all"},
		"large together":    {options: policy.Options{MaxBytes: 50}, sources: []policy.Source{rule, policy.FS("other", fstest.MapFS{"b.rego": {Data: []byte(denies)}})}, want: "larger than 50 bytes"},
		"too many rules":    {sources: []policy.Source{files("a.rego", "package a\n"+strings.Repeat("deny contains \"x\"\n", 10001))}, want: "policies have 10001 rules, which is more than 10000"},
		"nesting":           {sources: []policy.Source{files("a.rego", "package a\n\ndeny contains \"x\" if "+strings.Repeat("[1 | ", 18)+"true"+strings.Repeat("]", 18)+"\n")}, want: "policies/a.rego:3:1: comprehensions are nested more than 8 deep"},
		"negative timeout":  {options: policy.Options{Timeout: -time.Second}, sources: []policy.Source{rule}, want: "policy timeout is -1s"},
		"negative size":     {options: policy.Options{MaxBytes: -1}, sources: []policy.Source{rule}, want: "policy size limit is -1 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(context.Background(), test.options, test.sources...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := policy.Load(cancelled, policy.Options{}, rule); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want cancelled", err)
	}
}

// Builtins that would make decisions irreproducible, or reach out, do not exist.
func TestWithheldBuiltins(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "GET", "url": "http://127.0.0.1"})`, `net.lookup_ip_addr("localhost")`, `net.cidr_contains("10.0.0.0/8", "10.0.0.1")`,
		`opa.runtime()`, `rand.intn("x", 5)`, `uuid.rfc4122("x")`, `time.now_ns()`, `bits.lsh(1, 4)`, `rego.parse_module("a", "package a")`,
		`io.jwt.encode_sign({}, {}, {})`, `io.jwt.encode_sign_raw("", "", "")`, `io.jwt.decode_verify("x", {})`,
		`crypto.x509.parse_and_verify_certificates("x")`, `json.match_schema({}, {"$ref": "file:///etc/passwd"})`, `json.verify_schema({})`,
	} {
		name, _, _ := strings.Cut(call, "(")
		t.Run(name, func(t *testing.T) {
			_, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", "package a\n\ndeny contains \"x\" if "+call+"\n"))
			if err == nil || !strings.Contains(err.Error(), name+" is not available to policies: ") {
				t.Errorf("error is %v", err)
			}
		})
	}
	// with cannot bring them back.
	_, err := policy.Load(context.Background(), policy.Options{}, files("a.rego", "package a\n\ndeny contains \"x\" if b with count as http.send\n\nb if count([])\n"))
	if err == nil {
		t.Error("http.send came back as a mock of count")
	}
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "conf/policies/a.rego", "package a\n\ndeny contains data.limits.word\n")
	write(t, dir, "conf/policies/limits/x.yaml", "word: from data\n")
	write(t, dir, "conf/policies/a_test.rego", "this is no Rego")
	write(t, dir, "conf/policies/.hidden/b.rego", "this is no Rego")
	write(t, dir, "conf/policies/README.md", "this is no Rego")
	write(t, dir, "conf/policies/limits/suite.yaml", "word: conflict")
	write(t, dir, "conf/policies/limits/more_suite.yaml", "word: conflict")
	write(t, dir, "conf/policies/limits/testdata/x.yaml", "no: YAML: at all")
	write(t, dir, "conf/linked.rego", "package linked\n\ndeny contains \"linked\"\n")
	if err := os.Symlink("../linked.rego", filepath.Join(dir, "conf/policies/linked.rego")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "bundle.tar.gz", archive(t,
		"/.manifest", `{"roots": [""]}`, "/a/a.rego", "package a\n\ndeny contains data.limits.word\n",
		"./limits/data.json", `{"word": "from data"}`, "a/a_test.rego", "no Rego", "x/.y/z.rego", "no Rego",
		"a/suite.yaml", "a: {deny: x}", "a/testdata/x.rego", "no Rego"))
	t.Chdir(dir)

	tests := map[string]struct {
		sources []policy.Source
		want    []string // file and message, in turn
	}{
		"directory":          {[]policy.Source{policy.Path("conf/policies")}, []string{"conf/policies/a.rego", "from data", "conf/policies/linked.rego", "linked"}},
		"directory, slash":   {[]policy.Source{policy.Path("./conf/policies/")}, []string{"conf/policies/a.rego", "from data", "conf/policies/linked.rego", "linked"}},
		"absolute directory": {[]policy.Source{policy.Path(filepath.Join(dir, "conf/policies"))}, []string{"policies/a.rego", "from data", "policies/linked.rego", "linked"}},
		"single files":       {[]policy.Source{policy.Path("conf/linked.rego")}, []string{"conf/linked.rego", "linked"}},
		"archive":            {[]policy.Source{policy.Path("bundle.tar.gz")}, []string{"bundle.tar.gz/a/a.rego", "from data"}},
		"together":           {[]policy.Source{policy.Path("conf/linked.rego"), policy.Path("bundle.tar.gz")}, []string{"bundle.tar.gz/a/a.rego", "from data", "conf/linked.rego", "linked"}},
		"same base name": {
			[]policy.Source{files("a.rego", denies), policy.Path(filepath.Join(dir, "conf/policies"))},
			[]string{filepath.ToSlash(filepath.Join(dir, "conf/policies/a.rego")), "from data", "policies/a.rego", "no", filepath.ToSlash(filepath.Join(dir, "conf/policies/linked.rego")), "linked"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verdict, err := mustLoad(t, test.sources...).Judge(context.Background(), create())
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, v := range verdict.Violations {
				have = append(have, v.Source.File, v.Message)
			}
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("violations (-want +have):\n%s", diff)
			}
		})
	}
}

// Sources whose files would have the same names are told apart, or refused.
func TestSourcesOfOneName(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "srv/policies/x/a.rego", "package a\n\ndeny contains \"from srv\"\n")
	write(t, dir, "cwd/policies/x/a.rego", "package b\n\ndeny contains \"from cwd\"\n")
	write(t, dir, "other/policies/x/a.rego", "package c\n\ndeny contains \"from other\"\n")
	t.Chdir(filepath.Join(dir, "cwd"))
	srv, other := policy.Path(filepath.Join(dir, "srv/policies")), policy.Path(filepath.Join(dir, "other/policies"))
	inside := policy.FS("policies", fstest.MapFS{"x/a.rego": {Data: []byte(denies)}})
	for name, test := range map[string]struct {
		sources []policy.Source
		want    []string // messages
	}{
		"below":            {[]policy.Source{srv, policy.Path("policies/x")}, []string{"from srv", "from cwd"}},
		"below, first":     {[]policy.Source{policy.Path("policies/x/a.rego"), srv}, []string{"from srv", "from cwd"}},
		"here":             {[]policy.Source{policy.Path("."), srv}, []string{"from srv", "from cwd"}},
		"both absolute":    {[]policy.Source{srv, other}, []string{"from srv", "from other"}},
		"of the program":   {[]policy.Source{inside, policy.Path("policies")}, []string{"no", "from cwd"}},
		"three of a name":  {[]policy.Source{srv, policy.Path("policies"), other}, []string{"from srv", "from cwd", "from other"}},
		"a longer name":    {[]policy.Source{srv, policy.Archive("policies2", []byte(archive(t, "a.rego", denies)))}, []string{"from srv", "no"}},
		"archive of above": {[]policy.Source{srv, policy.Archive("policies", []byte(archive(t, "x/a.rego", denies)))}, []string{"from srv", "no"}},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := mustLoad(t, test.sources...).Judge(context.Background(), create())
			if err != nil {
				t.Fatal(err)
			}
			have := messages(verdict.Violations)
			slices.Sort(have)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("messages (-want +have):\n%s", diff)
			}
		})
	}
	for name, sources := range map[string][]policy.Source{
		"the same place": {policy.Path("policies"), policy.Path("policies/x")},
		"two archives": {
			policy.Archive("b", []byte(archive(t, "c/a.rego", denies))), policy.Archive("b/c", []byte(archive(t, "a.rego", denies))),
		},
	} {
		_, err := policy.Load(t.Context(), policy.Options{}, sources...)
		if err == nil || !strings.Contains(err.Error(), "a.rego: two sources have a file of this name") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// Links to directories are followed inside of a source, and refused outside.
func TestLinkedDirectories(t *testing.T) {
	for name, test := range map[string]struct {
		links [][2]string // from and to
		want  []string    // files
		err   string
	}{
		"inside":            {links: [][2]string{{"p/linked", "..data/deep"}}, want: []string{"p/a.rego", "p/linked/b.rego"}},
		"of a ConfigMap":    {links: [][2]string{{"p/..now", "..data"}, {"p/linked", "..now/deep"}}, want: []string{"p/a.rego", "p/linked/b.rego"}},
		"one after another": {links: [][2]string{{"p/..data/deep/more", "../../..data2"}, {"p/linked", "..data/deep"}}, want: []string{"p/a.rego", "p/linked/b.rego", "p/linked/more/c.rego"}},
		"outside":           {links: [][2]string{{"p/linked", "../elsewhere"}}, err: "linked is a link to a directory outside of the policies"},
		"outside, by name":  {links: [][2]string{{"p/linked", "../p-other"}}, err: "linked is a link to a directory outside of the policies"},
		"itself":            {links: [][2]string{{"p/linked", "."}}, err: "linked is a link to a directory that it is in itself"},
		"in a circle":       {links: [][2]string{{"p/..data/deep/back", "../../..data2"}, {"p/..data2/on", "../..data/deep"}, {"p/linked", "..data/deep"}}, err: "linked/back/on is a link to a directory that it is in itself"},
		"left alone":        {links: [][2]string{{"p/.linked", "../elsewhere"}, {"p/testdata", "../elsewhere"}}, want: []string{"p/a.rego"}},
		"to nothing":        {links: [][2]string{{"p/notes", "nothing"}}, want: []string{"p/a.rego"}},
		"a rule to nothing": {links: [][2]string{{"p/b.rego", "nothing"}}, err: "b.rego"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, pkg := range map[string]string{"p/a.rego": "a", "p/..data/deep/b.rego": "b", "p/..data2/c.rego": "c", "elsewhere/d.rego": "d", "p-other/e.rego": "e"} {
				write(t, dir, file, "package "+pkg+"\n\ndeny contains \"no\"\n")
			}
			for _, link := range test.links {
				if err := os.Symlink(link[1], filepath.Join(dir, link[0])); err != nil {
					t.Fatal(err)
				}
			}
			p, err := policy.Load(t.Context(), policy.Options{Timeout: time.Minute}, policy.Path(filepath.Join(dir, "p")))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := p.Judge(t.Context(), create())
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, v := range verdict.Violations {
				have = append(have, v.Source.File)
			}
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("files (-want +have):\n%s", diff)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	digest := func(sources ...policy.Source) string { return mustLoad(t, sources...).Digest() }
	a := policy.FS("a", fstest.MapFS{"a.rego": {Data: []byte(denies)}})
	b := policy.FS("b", fstest.MapFS{"b.rego": {Data: []byte("package b\n\ndeny contains \"b\"\n")}, "x.json": {Data: []byte(`{"x": {"a": 1, "b": 2}}`)}})
	same := files("other.rego", denies, "b.rego", "package b\n\ndeny contains \"b\"\n", "x/y.yaml", "b: 2\na: 1\n")
	want := digest(a, b)
	if have := digest(b, a); have != want {
		t.Errorf("order of sources counts: %s, %s", have, want)
	}
	if have := digest(same); have != want {
		t.Errorf("layout counts: %s, %s", have, want)
	}
	if !strings.HasPrefix(want, "sha256:") || len(want) != len("sha256:")+64 {
		t.Errorf("digest is %q", want)
	}
	for name, other := range map[string]string{
		"rule": digest(files("a.rego", strings.Replace(denies, "no", "yes", 1), "b.rego", "package b\n\ndeny contains \"b\"\n", "x.json", `{"x": {"a": 1, "b": 2}}`)),
		"data": digest(files("a.rego", denies, "b.rego", "package b\n\ndeny contains \"b\"\n", "x.json", `{"x": {"a": 1, "b": 3}}`)),
		"less": digest(a),
	} {
		if other == want {
			t.Errorf("%s does not count", name)
		}
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// archiveWithLink makes an archive with a file and a link, which is easily overlooked.
func archiveWithLink(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	file := w.WriteHeader(&tar.Header{Name: "a.rego", Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(denies))})
	_, content := w.Write([]byte(denies))
	link := w.WriteHeader(&tar.Header{Name: "a/more", Typeflag: tar.TypeSymlink, Linkname: "../b"})
	if err := errors.Join(file, content, link, w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// archive makes a .tar.gz of names and contents, in turn.
func archive(t *testing.T, namesAndContents ...string) string {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for i := 0; i < len(namesAndContents); i += 2 {
		content := namesAndContents[i+1]
		if err := w.WriteHeader(&tar.Header{Name: namesAndContents[i], Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
