// Annotate writes a validator's metadata into its module, as plimsoll plugin annotate
// does; it takes less time to build than all of plimsoll:
//
//	go run ./plugins/internal/annotate -in a.wasm -meta validator.json -out b.wasm
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
	_, err := plugins.AnnotateFile(in, meta, out)
	return err
}
