// Annotate writes a validator's metadata into its module:
//
//	go run ./plugins/internal/annotate -in a.wasm -meta validator.json -out b.wasm
//
// The metadata file is JSON, see plugins.Metadata. Metadata that the module had is
// replaced, so -in and -out may be the same file. The same input gives the same
// output, byte for byte.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/plimsoll-project/plimsoll/plugins"
)

func main() {
	in := flag.String("in", "", "the module to read")
	meta := flag.String("meta", "", "the metadata, a JSON file")
	out := flag.String("out", "", "the module to write")
	flag.Parse()
	if err := annotate(*in, *meta, *out); err != nil {
		fmt.Fprintln(os.Stderr, "annotate:", err)
		os.Exit(1)
	}
}

func annotate(in, meta, out string) error {
	if in == "" || meta == "" || out == "" {
		return errors.New("-in, -meta and -out are all required")
	}
	module, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(meta)
	if err != nil {
		return err
	}
	metadata, err := plugins.ParseMetadata(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", meta, err)
	}
	annotated, err := plugins.Annotate(module, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return os.WriteFile(out, annotated, 0o644)
}
