package rego

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Builtin is a function of Rego.
type Builtin struct {
	name string
	// admit refuses operands that would take longer than their size says, and charges
	// for those that may. Nil admits all.
	admit func(operands []*ast.Term, charge func(uint64)) error
}

// MaxOperand is how long the text of one operand may be, in bytes.
const MaxOperand = 64 << 10

// Fuel for a call, and for each byte of its operands: reading a value takes some 20 ns a
// byte.
const (
	callCost = 1_000
	byteCost = 32
)

var builtins = func() map[string]Builtin {
	table := map[string]Builtin{}
	for _, b := range []Builtin{
		{name: ast.Sprintf.Name, admit: admitFormat},
		{name: ast.SemVerCompare.Name},
		{name: ast.SemVerIsValid.Name},
		{name: ast.UnitsParse.Name, admit: admitUnits},
		{name: ast.UnitsParseBytes.Name, admit: admitUnits},
		{name: ast.StringCount.Name},
		{name: ast.AnyPrefixMatch.Name},
		{name: ast.AnySuffixMatch.Name},
		{name: ast.ParseDurationNanos.Name},
		{name: ast.CryptoSha256.Name},
		{name: ast.NetCIDRIsValid.Name},
	} {
		table[b.name] = b
	}
	return table
}()

// Lookup returns the builtin of that name.
func Lookup(name string) (Builtin, bool) {
	b, ok := builtins[name]
	return b, ok
}

// Names lists all that Lookup knows, for people.
func Names() string { return strings.Join(slices.Sorted(maps.Keys(builtins)), ", ") }

// Name is what policies call it.
func (b Builtin) Name() string { return b.name }

// Call evaluates the builtin on operands, each of at most MaxOperand bytes, and returns
// the result as JSON. It calls charge with fuel before it does what that is for; charge
// may panic, and Call then has no effect. Errors do not quote operands.
func (b Builtin) Call(operands [][]byte, charge func(uint64)) ([]byte, error) {
	charge(callCost)
	if want := ast.BuiltinMap[b.name].Decl.Arity(); len(operands) != want {
		return nil, fmt.Errorf("it takes %d operands, and was given %d", want, len(operands))
	}
	terms := make([]*ast.Term, len(operands))
	for i, text := range operands {
		charge(byteCost * uint64(len(text)))
		value, err := parse(text, charge)
		if err != nil {
			return nil, fmt.Errorf("operand %d: %w", i+1, err)
		}
		terms[i] = ast.NewTerm(value)
	}
	if b.admit != nil {
		if err := b.admit(terms, charge); err != nil {
			return nil, err
		}
	}
	var result *ast.Term
	err := topdown.GetBuiltin(b.name)(topdown.BuiltinContext{}, terms, func(t *ast.Term) error {
		result = t
		return nil
	})
	if err != nil { // OPA's text may quote an operand
		return nil, errors.New("OPA does not take these operands")
	}
	if result == nil {
		return nil, errors.New("it has no result")
	}
	return encode(result.Value)
}

func encode(v ast.Value) ([]byte, error) {
	plain, err := ast.JSON(v)
	if err != nil {
		return nil, errors.New("its result is not JSON")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain); err != nil {
		return nil, errors.New("its result is not JSON")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

var (
	// directive is one of fmt's, with its width and precision.
	directive = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?([\d*]*)(?:\.(?:\[\d+\])?([\d*]*))?`)
	// exponent makes a number large that is short to write.
	exponent = regexp.MustCompile(`[eE][-+]?\d`)
)

const (
	maxWidth     = 3        // digits of a width or precision
	maxFormatted = 64 << 20 // bytes, however much fuel there is
	maxDigits    = 400      // of a number; as many as the largest float has, and some
)

// admitFormat bounds what sprintf may come to: every directive may print any operand, in
// the width it says.
func admitFormat(operands []*ast.Term, charge func(uint64)) error {
	format, ok := operands[0].Value.(ast.String)
	if !ok {
		return errors.New("its format is not a string")
	}
	args, ok := operands[1].Value.(*ast.Array)
	if !ok {
		return errors.New("its values are not an array")
	}
	longest := uint64(1_000) // a width, or a float
	for i := range args.Len() {
		switch v := args.Elem(i).Value.(type) {
		case ast.Number:
			if len(v) > maxDigits {
				return fmt.Errorf("a number has more than %d digits", maxDigits)
			}
		default: // some formats write six characters for a byte
			longest = max(longest, 6*uint64(len(v.String())))
		}
	}
	directives := directive.FindAllStringSubmatch(string(format), -1)
	for _, d := range directives {
		for _, size := range d[1:] {
			if len(size) > maxWidth || strings.Contains(size, "*") {
				return fmt.Errorf("a width or precision is not a number of at most %d digits", maxWidth)
			}
		}
	}
	// Values that no directive takes are printed at the end.
	charge((uint64(len(directives)) + 1) * longest)
	charge(uint64(args.Len()) * longest)
	if most := (uint64(len(directives)) + 1 + uint64(args.Len())) * longest; most > maxFormatted {
		return fmt.Errorf("it may come to more than %d bytes", maxFormatted)
	}
	return nil
}

func admitUnits(operands []*ast.Term, _ func(uint64)) error {
	for _, o := range operands {
		if s, ok := o.Value.(ast.String); !ok || len(s) > maxDigits || exponent.MatchString(string(s)) {
			return fmt.Errorf("a quantity is a string of at most %d characters, without an exponent", maxDigits)
		}
	}
	return nil
}
