package policytool

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/plimsoll-project/plimsoll/policy"
)

// Format returns a module as opa fmt writes it, comments included. Errors in it are a
// [policy.LoadError].
func Format(name string, source []byte) ([]byte, error) {
	formatted, err := format.SourceWithOpts(name, source, format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, policy.ExplainSource(name, source, err)
	}
	return formatted, nil
}
