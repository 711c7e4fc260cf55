package abi

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll-project/plimsoll"
)

// MaxFindings is how many violations and warnings, taken together, a verdict may
// have.
const MaxFindings = 1000

// wireVerdict and finding are the verdict as it is on the wire. Violations is a
// pointer so that a verdict that does not mention them is not read as "none".
type wireVerdict struct {
	Violations *findings `json:"violations"`
	Warnings   findings  `json:"warnings"`
}

type finding struct {
	Msg   string `json:"msg"`
	Field string `json:"field"`
	Code  string `json:"code"`
	Fix   string `json:"fix"`
}

// findings is a list that stops reading at MaxFindings, and that is never null.
type findings []finding

// UnmarshalJSONFrom reads the list.
func (f *findings) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*f = findings{}
	return decodeList(dec, "{", func() error {
		var one finding
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		if strings.TrimSpace(one.Msg) == "" {
			return fmt.Errorf("%s has no msg", dec.StackPointer())
		}
		*f = append(*f, one)
		return nil
	})
}

// decodeList reads an array of at most MaxFindings members, each of which begins with
// one of the kinds and is read by member.
func decodeList(dec *jsontext.Decoder, kinds string, member func() error) error {
	start, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if start.Kind() != '[' {
		return fmt.Errorf("%s is not an array; no findings are []", dec.StackPointer())
	}
	for n := 0; dec.PeekKind() != ']'; n++ {
		if n == MaxFindings {
			return fmt.Errorf("%s has more than %d members", dec.StackPointer(), MaxFindings)
		}
		if kind := dec.PeekKind(); kind != 0 && !strings.ContainsRune(kinds, rune(kind)) {
			return fmt.Errorf("%s has a member that is not an object", dec.StackPointer().Parent())
		}
		if err := member(); err != nil {
			return err
		}
	}
	_, err = dec.ReadToken()
	return err
}

// DecodeVerdict reads a verdict. It takes nothing for granted: what is not
// certainly a verdict of this version is an error, because reading it as one could
// admit what the validator meant to refuse. The result shares no memory with data
// and has no Source.
func DecodeVerdict(data []byte) (plimsoll.Verdict, error) {
	var wire wireVerdict
	// The defaults refuse duplicate names, invalid UTF-8, trailing data and
	// names in another case.
	if err := json.Unmarshal(data, &wire, json.RejectUnknownMembers(true)); err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("its output is not a verdict: %w", withoutText(err))
	}
	if wire.Violations == nil {
		return plimsoll.Verdict{}, errors.New(`its output is not a verdict: it has no "violations"; an empty list of them is []`)
	}
	if n := len(*wire.Violations) + len(wire.Warnings); n > MaxFindings {
		return plimsoll.Verdict{}, fmt.Errorf("its output is not a verdict: it has %d violations and warnings, more than %d", n, MaxFindings)
	}
	return plimsoll.Verdict{Violations: wire.Violations.decoded(), Warnings: wire.Warnings.decoded()}, nil
}

// withoutText says what is wrong with JSON without quoting it: errors go to a log, and
// what a validator writes may be any part of a spec.
func withoutText(err error) error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return errors.New("it has an unknown member; known are violations and warnings, and in these msg, field, code and fix")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("it has a duplicate member")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("it is cut short")
	case errors.As(err, &syntactic):
		return fmt.Errorf("it is not JSON, in UTF-8, or there is more after it: see byte %d", syntactic.ByteOffset)
	case errors.As(err, &semantic) && semantic.Err != nil:
		return semantic.Err // of this package: see findings
	case errors.As(err, &semantic):
		return fmt.Errorf("%s is of another type", semantic.JSONPointer) // names on the way are known
	}
	return errors.New("it cannot be read")
}

func (f findings) decoded() []plimsoll.Violation {
	if len(f) == 0 {
		return nil
	}
	list := make([]plimsoll.Violation, len(f))
	for i, one := range f {
		list[i] = plimsoll.Violation{Message: one.Msg, Field: one.Field, Code: one.Code, Fix: one.Fix}
	}
	return list
}
