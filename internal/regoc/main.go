// Command regoc compiles Rego policies to the wasm that a validator of OPA's ABI is, as
// opa build -t wasm does, without the bundle around it:
//
//	go run ./internal/regoc -e pod_security/deny -e pod_security/warn -o policy.wasm DIRECTORY
//
// The same sources make the same bytes, wherever they lie.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/compile"
)

func main() {
	var entrypoints []string
	flag.Func("e", "`path` of a rule to evaluate, such as main/deny; may be given again", func(path string) error {
		entrypoints = append(entrypoints, path)
		return nil
	})
	output := flag.String("o", "policy.wasm", "`file` to write")
	flag.Parse()
	if err := run(entrypoints, *output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "regoc:", err)
		os.Exit(1)
	}
}

func run(entrypoints []string, output string, args []string) error {
	if len(args) != 1 || len(entrypoints) == 0 {
		return errors.New("want a directory of policies and at least one entrypoint")
	}
	module, err := build(os.DirFS(args[0]), entrypoints)
	if err != nil {
		return err
	}
	if err := os.WriteFile(output, module, 0o644); err != nil { //nolint:gosec // a module is no secret
		return fmt.Errorf("writing the module: %w", err)
	}
	return nil
}

// build compiles all policies of a file system, but for their tests.
func build(fsys fs.FS, entrypoints []string) ([]byte, error) {
	compiler := compile.New().WithTarget(compile.TargetWasm).WithEntrypoints(entrypoints...).WithRegoVersion(ast.RegoV1).
		WithFS(fsys).WithPaths(".").WithFilter(func(_ string, info fs.FileInfo, _ int) bool {
		return !info.IsDir() && !isPolicy(info.Name())
	})
	if err := compiler.Build(context.Background()); err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	modules := compiler.Bundle().WasmModules
	if len(modules) != 1 {
		return nil, fmt.Errorf("OPA made %d modules; want one", len(modules))
	}
	return modules[0].Raw, nil
}

// isPolicy tells whether a file is Rego and not a test.
func isPolicy(name string) bool {
	return strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}
