package abi

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll-project/plimsoll"
)

// EntrypointWarns tells whether what an entrypoint of a Rego policy yields are warnings:
// whether the last part of its path is warn, as in main/warn.
func EntrypointWarns(entrypoint string) bool { return path.Base(entrypoint) == "warn" }

// DecodeEntrypoint reads what an entrypoint of a Rego policy yields: the text that
// opa_eval answers with, [{"result": …}]. The result is
//
//   - a set or an array of findings: messages, or objects with msg and, if they like,
//     field, code and fix. They are violations, or warnings if warns is set. An object
//     with the severity "warn" is a warning in any case;
//   - or an object: a verdict, with violations and, if it likes, warnings, each as above.
//
// It is as strict as [DecodeVerdict]. An entrypoint that is undefined has not come to a
// verdict, and so is an error.
func DecodeEntrypoint(data []byte, warns bool) (plimsoll.Verdict, error) {
	var answers []struct {
		Result *entrypointResult `json:"result"`
	}
	if err := json.Unmarshal(data, &answers, json.RejectUnknownMembers(true)); err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("its result is not a verdict: %w", withoutText(err))
	}
	switch {
	case len(answers) == 0:
		return plimsoll.Verdict{}, errors.New("its result is undefined")
	case len(answers) > 1 || answers[0].Result == nil:
		return plimsoll.Verdict{}, errors.New("its result is not a verdict: want one result")
	}
	r := answers[0].Result
	var verdict plimsoll.Verdict
	add := func(list regoFindings, warns bool) {
		for _, f := range list {
			v := plimsoll.Violation{Message: f.Msg, Field: f.Field, Code: f.Code, Fix: f.Fix}
			if warns || f.Severity == severityWarn {
				verdict.Warnings = append(verdict.Warnings, v)
			} else {
				verdict.Violations = append(verdict.Violations, v)
			}
		}
	}
	add(r.violations, warns)
	add(r.warnings, true)
	if n := len(verdict.Violations) + len(verdict.Warnings); n > MaxFindings {
		return plimsoll.Verdict{}, fmt.Errorf("its result is not a verdict: it has %d violations and warnings, more than %d", n, MaxFindings)
	}
	return verdict, nil
}

// entrypointResult is a list of findings or a verdict.
type entrypointResult struct {
	violations, warnings regoFindings
}

// UnmarshalJSONFrom reads the result.
func (r *entrypointResult) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '[':
		return json.UnmarshalDecode(dec, &r.violations)
	case '{':
		var verdict struct {
			Violations *regoFindings `json:"violations"`
			Warnings   regoFindings  `json:"warnings"`
		}
		if err := json.UnmarshalDecode(dec, &verdict); err != nil {
			return err
		}
		if verdict.Violations == nil {
			return errors.New(`it has no "violations"; an empty list of them is []`)
		}
		r.violations, r.warnings = *verdict.Violations, verdict.Warnings
		return nil
	}
	return fmt.Errorf("%s is neither a set or array of findings nor an object with violations", dec.StackPointer())
}

const severityWarn = "warn"

// regoFinding is a finding or its message alone.
type regoFinding struct {
	finding

	Severity string `json:"severity"`
}

// regoFindings is a list that stops reading at MaxFindings, and that is never null.
type regoFindings []regoFinding

// UnmarshalJSONFrom reads the list.
func (f *regoFindings) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*f = regoFindings{}
	return decodeList(dec, "{\"", func() error {
		var one regoFinding
		var err error
		if dec.PeekKind() == '"' {
			err = json.UnmarshalDecode(dec, &one.Msg)
		} else {
			err = json.UnmarshalDecode(dec, &one)
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(one.Msg) == "" {
			return fmt.Errorf("%s has no msg", dec.StackPointer())
		}
		switch one.Severity {
		case "", "error", severityWarn:
		default:
			return fmt.Errorf("%s has a severity that is neither error nor warn", dec.StackPointer())
		}
		*f = append(*f, one)
		return nil
	})
}
