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
	"os"

	"github.com/plimsoll-project/plimsoll/policy/policytool"
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
	module, err := policytool.CompileWasm(context.Background(), os.DirFS(args[0]), entrypoints...)
	if err != nil {
		return fmt.Errorf("compiling: %w", err)
	}
	if err := os.WriteFile(output, module, 0o644); err != nil { //nolint:gosec // a module is no secret
		return fmt.Errorf("writing the module: %w", err)
	}
	return nil
}
