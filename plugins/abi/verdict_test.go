package abi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

// many is a list of n findings, as JSON.
func many(n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`{"msg":"m"},`, n), ",") + "]"
}

var goodVerdicts = []struct {
	name, data string
	want       plimsoll.Verdict
}{
	{"valid", `{"violations":[]}`, plimsoll.Verdict{}},
	{"valid with space", " {\n\"violations\" : [ ] , \"warnings\" : [] }\n", plimsoll.Verdict{}},
	{
		"all members", `{"violations":[{"msg":"m","field":"f","code":"c","fix":"x"}]}`,
		plimsoll.Verdict{Violations: []plimsoll.Violation{{Message: "m", Field: "f", Code: "c", Fix: "x"}}},
	},
	{
		"msg alone", `{"violations":[{"msg":"m"},{"msg":"n"}]}`,
		plimsoll.Verdict{Violations: []plimsoll.Violation{{Message: "m"}, {Message: "n"}}},
	},
	{
		"warnings first", `{"warnings":[{"msg":"w"}],"violations":[{"msg":"m"}]}`,
		plimsoll.Verdict{Violations: []plimsoll.Violation{{Message: "m"}}, Warnings: []plimsoll.Violation{{Message: "w"}}},
	},
	{
		"escapes", `{"violations":[{"msg":"\u00e9\n\""}]}`,
		plimsoll.Verdict{Violations: []plimsoll.Violation{{Message: "é\n\""}}},
	},
}

func TestDecodeVerdict(t *testing.T) {
	for _, tt := range goodVerdicts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeVerdict([]byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

var badVerdicts = []struct {
	name, data string
	want       string // in the error
}{
	{"empty", ``, "not a verdict"},
	{"text", `ok`, "not a verdict"},
	{"null", `null`, `no "violations"`},
	{"true", `true`, "not a verdict"},
	{"array", `[]`, "not a verdict"},
	{"empty object", `{}`, `no "violations"`},
	{"null violations", `{"violations":null}`, `no "violations"`},
	{"violations of another type", `{"violations":{}}`, "not an array"},
	{"violations as a number", `{"violations":0}`, "not an array"},
	{"only warnings", `{"warnings":[]}`, `no "violations"`},
	{"null warnings", `{"violations":[],"warnings":null}`, "not an array"},
	{"another case", `{"Violations":[]}`, "unknown member"},
	{"unknown member", `{"violations":[],"denied":true}`, "unknown member"},
	{"unknown member of a violation", `{"violations":[{"msg":"m","message":"m"}]}`, "unknown member"},
	{"violations twice, the second one empty", `{"violations":[{"msg":"m"}],"violations":[]}`, "duplicate"},
	{"member twice", `{"violations":[{"msg":"m","msg":"n"}]}`, "duplicate"},
	{"violation as a string", `{"violations":["m"]}`, "not an object"},
	{"null violation", `{"violations":[null]}`, "not an object"},
	{"unknown member with a secret", `{"violations":[],"SECRET":true}`, "unknown member"},
	{"duplicate member with a secret", `{"SECRET":1,"SECRET":2}`, "unknown member"},
	{"a secret for a msg", `{"violations":[{"msg":{"SECRET":1}}]}`, "/violations/0/msg is of another type"},
	{"a secret alone", `SECRET`, "not JSON"},
	{"no msg", `{"violations":[{"field":"f"}]}`, "no msg"},
	{"blank msg", `{"violations":[{"msg":" \t\n"}]}`, "no msg"},
	{"blank msg in warnings", `{"violations":[],"warnings":[{"msg":""}]}`, "no msg"},
	{"msg of another type", `{"violations":[{"msg":1}]}`, "not a verdict"},
	{"invalid UTF-8", "{\"violations\":[{\"msg\":\"\xff\"}]}", "UTF-8"},
	{"more after it", `{"violations":[]} {"violations":[]}`, "more after it: see byte 18"},
	{"cut short", `{"violations":[{"msg":"m"}`, "cut short"},
	{"cut in the list", `{"violations":[`, "cut short"},
	{"too many violations", `{"violations":` + many(MaxFindings+1) + `}`, "more than"},
	{"too many together", `{"violations":` + many(MaxFindings) + `,"warnings":` + many(1) + `}`, "more than"},
}

func TestDecodeVerdictRefuses(t *testing.T) {
	for _, tt := range badVerdicts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeVerdict([]byte(tt.data))
			if err == nil {
				t.Fatalf("read as %+v", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %q quotes the output", err)
			}
			if diff := cmp.Diff(plimsoll.Verdict{}, got); diff != "" {
				t.Errorf("verdict beside the error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeVerdictAtTheLimit(t *testing.T) {
	got, err := DecodeVerdict([]byte(`{"violations":` + many(MaxFindings) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Violations) != MaxFindings {
		t.Errorf("%d violations, want %d", len(got.Violations), MaxFindings)
	}
}

func TestDecodeVerdictSharesNothing(t *testing.T) {
	data := []byte(`{"violations":[{"msg":"mmmm","field":"ffff"}]}`)
	got, err := DecodeVerdict(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if want := (plimsoll.Violation{Message: "mmmm", Field: "ffff"}); got.Violations[0] != want {
		t.Errorf("violation is %+v after the guest's memory was cleared, want %+v", got.Violations[0], want)
	}
}

// FuzzDecodeVerdict checks that nothing crashes the decoder, and that whatever it
// takes is within the bounds that its callers rely on.
func FuzzDecodeVerdict(f *testing.F) {
	for _, tt := range goodVerdicts {
		f.Add([]byte(tt.data))
	}
	for _, tt := range badVerdicts {
		f.Add([]byte(tt.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeVerdict(data)
		if err != nil {
			if len(got.Violations)+len(got.Warnings) > 0 {
				t.Fatalf("verdict %+v beside error %v", got, err)
			}
			return
		}
		if !strings.Contains(string(data), "violations") && !strings.Contains(string(data), `\u`) {
			t.Fatalf("read %q, which does not mention violations", data)
		}
		if n := len(got.Violations) + len(got.Warnings); n > MaxFindings {
			t.Fatalf("%d findings", n)
		}
		for _, v := range append(got.Violations, got.Warnings...) {
			if strings.TrimSpace(v.Message) == "" {
				t.Fatalf("blank message in %+v", v)
			}
		}
	})
}

func BenchmarkDecodeVerdict(b *testing.B) {
	for _, n := range []int{0, 1, 20} {
		b.Run(fmt.Sprintf("violations=%d", n), func(b *testing.B) {
			data := []byte(`{"violations":` + many(n) + `}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeVerdict(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
