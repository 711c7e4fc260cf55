package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/itchyny/gojq"
)

// jqQuery is a compiled jq expression.
type jqQuery struct{ code *gojq.Code }

func compileJQ(expression string) (*jqQuery, error) {
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, usagef("--jq %q: %v", expression, err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, usagef("--jq %q: %v", expression, err)
	}
	return &jqQuery{code}, nil
}

// run writes what the expression makes of JSON: one line for each result, texts
// without quotes, as jq -r does.
func (q *jqQuery) run(w io.Writer, data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // specs have integers that no floating-point number can hold
	var value any
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	results := q.code.Run(value)
	for {
		result, ok := results.Next()
		if !ok {
			return nil
		}
		if err, failed := result.(error); failed {
			return fmt.Errorf("--jq: %s", printable(err.Error()))
		}
		var line []byte
		if text, isText := result.(string); isText {
			line = append([]byte(visible(text)), '\n')
		} else {
			encoded, err := gojq.Marshal(result)
			if err != nil {
				return fmt.Errorf("--jq: %w", err)
			}
			line = append(escapeJSON(string(encoded)), '\n')
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
}

// visible makes text safe for a terminal and leaves its lines and tabs alone, which
// a jq expression may have made on purpose.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
