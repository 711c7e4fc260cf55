package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/plimsoll-project/plimsoll"
)

var everything = &footprint{whole: true}

// FuzzDecode holds the decoder against OPA's own way, JSON to Go values to ast.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `""`, `0`, `-0`, `1.50`, `1e3`, `1E+3`, `-12.5e-7`, `9223372036854775808`, `1e400`, `1e401`, `01`, `1.`,
		` { "a" : [ 1 , { "b" : null } , "c" ] , "" : {} } `, `{"a":1}{}`, `{"a":1} x`, `{"a":1,}`, `[1,]`, `{"a"}`, `{`, `[`, `"`, ``,
		`{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `"\u00e9\n\t\"\\\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `{"\u0061":1}`, "\"\xff\"", `"é😀"`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		f.Add([]byte(seed))
	}
	for _, name := range specFiles(f) {
		spec, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		pristine := bytes.Clone(doc)
		have, err := decode(doc, everything, false)
		if !bytes.Equal(pristine, doc) {
			t.Fatal("the document was changed")
		}
		want, wantErr := decodeOPA(doc)
		switch {
		case err != nil:
			var request *plimsoll.RequestError
			if !errors.As(err, &request) || request.Problem == "" {
				t.Fatalf("error is %#v", err)
			}
			if wantErr == nil && !refusable(doc) {
				t.Fatalf("refused %q: %v", doc, err)
			}
		case wantErr != nil:
			t.Fatalf("accepted %q, which OPA does not: %v", doc, wantErr)
		case have.Compare(want) != 0 || have.String() != want.String():
			t.Fatalf("have %v\nwant %v", have, want)
		case have.Hash() != want.Hash():
			t.Fatalf("hashes of %v differ", have)
		}
		if lenient, err := decode(doc, everything, true); err == nil && wantErr == nil && !bytes.ContainsRune(doc, '�') && json.Valid(doc) {
			if lenient.Compare(want) != 0 {
				t.Fatalf("lenient: have %v\nwant %v", lenient, want)
			}
		}
	})
}

func decodeOPA(doc []byte) (ast.Value, error) {
	d := util.NewJSONDecoder(bytes.NewReader(doc))
	var x any
	if err := d.Decode(&x); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return ast.InterfaceToValue(x)
}

// refusable reports whether doc, which encoding/json accepts, has anything that is
// refused on purpose: duplicate keys, invalid UTF-8 or surrogates, large numbers.
func refusable(doc []byte) bool {
	if checkJSON(doc) != nil {
		return true
	}
	d := util.NewJSONDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if n, ok := token.(json.Number); ok {
			if _, err := number([]byte(n)); err != nil {
				return true
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := map[string]bool{
		"0": true, "-1": true, "9223372036854775808": true, "1.7976931348623157e308": true, "5e-324": true, "1e+400": true, "1e-400": true,
		"1e401": false, "1E-401": false, "1e0000000000000000000401": false, "1e99999999999999999999": false,
		strings.Repeat("9", 400): true, strings.Repeat("9", 401): false, "0." + strings.Repeat("1", 400): false,
	}
	for n, ok := range tests {
		value, err := decode([]byte(n), everything, false)
		if ok != (err == nil) {
			t.Errorf("%s: error %v", n, err)
		}
		if ok && value.String() != n {
			t.Errorf("%s became %s", n, value)
		}
	}
}

// In lenient mode the last of equal keys counts, as for encoding/json.
func TestLenient(t *testing.T) {
	have, err := decode([]byte("{\"a\": 1, \"b\": \"x\xff\", \"a\": {\"c\": 1, \"c\": 2}}"), everything, true)
	if err != nil {
		t.Fatal(err)
	}
	want := ast.MustParseTerm("{\"a\": {\"c\": 2}, \"b\": \"x\uFFFD\"}").Value
	if have.Compare(want) != 0 {
		t.Errorf("have %v, want %v", have, want)
	}
}

// A decoder that failed half-way must not leave anything to the next document.
func TestDecodeAfterFailure(t *testing.T) {
	for range 100 {
		if _, err := decode([]byte(`{"a": [1, {"b": [2, 3, x`), everything, false); err == nil {
			t.Fatal("no error")
		}
		have, err := decode([]byte(`{"c": [4]}`), everything, false)
		if err != nil || have.String() != `{"c": [4]}` {
			t.Fatalf("have %v, error %v", have, err)
		}
	}
}

func specFiles(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "specs", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	return names
}
