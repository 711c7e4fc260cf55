package rego

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// meter counts fuel and ends the call when there is none left.
type meter struct{ left int64 }

var errSpent = errors.New("out of fuel")

func (m *meter) charge(n uint64) {
	if m.left -= int64(n); m.left < 0 {
		panic(errSpent)
	}
}

// call evaluates a builtin with 50 million fuel.
func call(name string, operands ...string) (result string, err error) {
	b, ok := Lookup(name)
	if !ok {
		return "", errors.New("no such builtin")
	}
	defer func() {
		switch p := recover(); p {
		case nil:
		case errSpent:
			err = errSpent
		default:
			panic(p)
		}
	}()
	list := make([][]byte, len(operands))
	for i, o := range operands {
		list[i] = []byte(o)
	}
	out, err := b.Call(list, (&meter{50_000_000}).charge)
	return string(out), err
}

func TestCall(t *testing.T) {
	long := `"` + strings.Repeat("x", 60<<10) + `"`
	for _, tt := range []struct {
		name     string
		builtin  string
		operands []string
		want     string // or else the error has
		wantErr  string
	}{
		{"text", "sprintf", []string{`"%s-%v"`, `["a", "b"]`}, `"a-b"`, ""},
		{"number", "sprintf", []string{`"%d %v %.2f"`, `[1, 1.5, 2.25]`}, `"1 1.5 2.25"`, ""},
		{"set", "sprintf", []string{`"%v %v"`, `[{"b","a"}, set()]`}, `"{\"a\", \"b\"} set()"`, ""},
		{"object", "sprintf", []string{`"%v"`, `[{"a":[1,null,true],{1}:{}}]`}, `"{\"a\": [1, null, true], {1}: {}}"`, ""},
		{"escapes", "sprintf", []string{`"<%s>"`, `["\u0000é\"\\"]`}, `"<\u0000é\"\\>"`, ""},
		{"explicit index", "sprintf", []string{`"%[2]s %[1]s"`, `["a","b"]`}, `"b a"`, ""},
		{"widest", "sprintf", []string{`"%999d"`, `[1]`}, `"` + strings.Repeat(" ", 998) + `1"`, ""},
		{"too wide", "sprintf", []string{`"%1000d"`, `[1]`}, "", "at most 3 digits"},
		{"too precise", "sprintf", []string{`"%.99999f"`, `[1.0]`}, "", "at most 3 digits"},
		{"width of an operand", "sprintf", []string{`"%*d"`, `[999999, 1]`}, "", "at most 3 digits"},
		{"width of a given operand", "sprintf", []string{`"%[1]*d"`, `[999999, 1]`}, "", "at most 3 digits"},
		{"precision of a given operand", "sprintf", []string{`"%.[1]*d"`, `[999999, 1]`}, "", "at most 3 digits"},
		{"width behind flags", "sprintf", []string{`"%+-# 099999d"`, `[1]`}, "", "at most 3 digits"},
		{"again and again", "sprintf", []string{`"` + strings.Repeat("%[1]s", 10_000) + `"`, `[` + long + `]`}, "", errSpent.Error()},
		{"large exponent", "sprintf", []string{`"%d"`, `[{1e99999, 2e99999}]`}, "", "an exponent of more than 4 digits"},
		{"large result", "sprintf", []string{`"` + strings.Repeat("%v", 30_000) + `"`, `["` + strings.Repeat("x", 60_000) + `"]`}, "", "it may come to more than 67108864 bytes"},
		{"large number", "sprintf", []string{`"%d"`, `[` + strings.Repeat("9", 401) + `]`}, "", "more than 400 digits"},
		{"no array", "sprintf", []string{`"%d"`, `{1}`}, "", "not an array"},
		{"no format", "sprintf", []string{`1`, `[]`}, "", "not a string"},
		{"colliding members", "sprintf", []string{`"%v"`, `[{` + numbers(1024) + `}]`}, "", errSpent.Error()},
		{"a few colliding members", "sprintf", []string{`"%v"`, `[{1.5,1.25,1}]`}, `"{1, 1.25, 1.5}"`, ""},
		{"too many members", "sprintf", []string{`"%v"`, `[{` + numbers(1025) + `}]`}, "", "more than 1024 members"},
		{"deep", "sprintf", []string{`"%v"`, strings.Repeat("[", 66) + strings.Repeat("]", 66)}, "", "nests deeper"},
		{"too long", "sprintf", []string{`"%v"`, `["` + strings.Repeat("x", MaxOperand) + `"]`}, "", "more than 65536 bytes"},
		{"two values", "sprintf", []string{`"%v" 1`, `[]`}, "", "more than one value"},
		{"neither set nor object", "sprintf", []string{`"%v"`, `[{1:2,3}]`}, "", "not a value"},
		{"too few", "sprintf", []string{`"%v"`}, "", "it takes 2 operands, and was given 1"},
		{"nothing", "sprintf", []string{``, `[]`}, "", "not a value"},
		{"version", "semver.compare", []string{`"1.2.3"`, `"1.10.0"`}, "-1", ""},
		{"no version", "semver.compare", []string{`"secret"`, `"1.10.0"`}, "", "does not take"},
		{"is a version", "semver.is_valid", []string{`"1.2"`}, "false", ""},
		{"quantity", "units.parse_bytes", []string{`"2Ki"`}, "2048", ""},
		{"quantity with exponent", "units.parse", []string{`"1e9999999"`}, "", "without an exponent"},
		{"hash", "crypto.sha256", []string{`""`}, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`, ""},
		{"prefixes", "strings.any_prefix_match", []string{`{"ab", "x"}`, `["a"]`}, "true", ""},
		{"count", "strings.count", []string{`"banana"`, `"an"`}, "2", ""},
		{"duration", "time.parse_duration_ns", []string{`"1s"`}, "1000000000", ""},
		{"network", "net.cidr_is_valid", []string{`"10.0.0.0/8"`}, "true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := call(tt.builtin, tt.operands...)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error is %v, want %q", err, tt.wantErr)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("error quotes an operand: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); tt.want != "" && diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// numbers are n numbers between 1 and 2, which OPA hashes alike.
func numbers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = "1." + string(rune('1'+i%9)) + strings.Repeat("1", i/9%50) + string(rune('1'+i/450))
	}
	return strings.Join(list, ",")
}

// TestEveryBuiltinIsOPAs checks that names are those of builtins that OPA has.
func TestEveryBuiltinIsOPAs(t *testing.T) {
	if got := Names(); !strings.HasPrefix(got, "crypto.sha256, ") || strings.Count(got, ", ")+1 != len(builtins) {
		t.Errorf("names are %s", got)
	}
	for name := range builtins {
		if _, err := call(name); err == nil || strings.Contains(err.Error(), "no such") {
			t.Errorf("%s without operands: %v", name, err)
		}
	}
}

func TestLegible(t *testing.T) {
	for doc, want := range map[string]string{
		`{"a":"é\n\u00e9\\ud800"}`:              `{"a":"é\n\u00e9\\ud800"}`,
		"{\"a\":\"x\xffy\xed\xa0\x80\"}":        "{\"a\":\"x\uFFFDy\uFFFD\uFFFD\uFFFD\"}",
		`{"\ud800":"\uDFFF\ud83d\ude00\ud83d"}`: `{"\ufffd":"\ufffd\ud83d\ude00\ufffd"}`,
		`{"a":"\ud800\ud83d\ude00\\\udc00"}`:    `{"a":"\ufffd\ud83d\ude00\\\ufffd"}`,
		`{"a":"\ud8`:                            `{"a":"\ud8`,
	} {
		if diff := cmp.Diff(want, string(Legible([]byte(doc)))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", doc, diff)
		}
	}
}

// FuzzCall gives builtins any operands. They must end, and their results be JSON.
func FuzzCall(f *testing.F) {
	names := strings.Split(Names(), ", ")
	f.Add(uint(0), `"%v %d"`, `[{"a", 1}, {"k": set()}]`)
	for i := range names {
		f.Add(uint(i), `"1.0.0"`, `"10"`)
		f.Add(uint(i), `{"a","b"}`, `["a"]`)
	}
	f.Fuzz(func(t *testing.T, i uint, first, second string) {
		operands := []string{first}
		name := names[i%uint(len(names))]
		if name != "semver.is_valid" && !strings.HasPrefix(name, "units") {
			operands = append(operands, second)
		}
		result, err := call(name, operands...)
		if err == nil && (!json.Valid([]byte(result)) || !utf8.ValidString(result)) {
			t.Errorf("%s%q is %q", name, operands, result)
		}
	})
}

// FuzzLegible compares with how Go reads the document before and after.
func FuzzLegible(f *testing.F) {
	f.Add([]byte(`{"a":"\ud800\udc00\udc00\\u"}`))
	f.Add([]byte("{\"\xff\":1}"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := Legible(append([]byte(nil), doc...))
		if !utf8.Valid(got) {
			t.Errorf("%q became %q", doc, got)
		}
		var before, after any
		if json.Unmarshal(doc, &before) != nil {
			return
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", doc, got, err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%q became %q:\n%s", doc, got, diff)
		}
	})
}
