package policytool

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/compile"
)

// CompileWasm compiles all policies in a file system, but for their tests, as opa build
// -t wasm does, and returns the module without the bundle around it. Entrypoints are
// rules, such as main/deny. The same sources make the same module, wherever they lie.
func CompileWasm(ctx context.Context, fsys fs.FS, entrypoints ...string) ([]byte, error) {
	compiler := compile.New().WithTarget(compile.TargetWasm).WithEntrypoints(entrypoints...).WithRegoVersion(ast.RegoV1).
		WithFS(fsys).WithPaths(".").WithFilter(func(_ string, info fs.FileInfo, _ int) bool {
		return !info.IsDir() && !isPolicy(info.Name())
	})
	if err := compiler.Build(ctx); err != nil {
		return nil, err
	}
	modules := compiler.Bundle().WasmModules
	if len(modules) != 1 {
		return nil, fmt.Errorf("OPA made %d modules of it; want one", len(modules))
	}
	return modules[0].Raw, nil
}

// isPolicy tells whether a file is Rego and not a test.
func isPolicy(name string) bool {
	return strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}
