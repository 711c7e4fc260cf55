package plugins

import (
	"errors"
	"fmt"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
	"github.com/plimsoll-project/plimsoll/plugins/internal/wasm"
)

// commandGuest is a program for WASI: a request on its standard input, a verdict on its
// standard output. Every call is a run of the program from its first instruction.
type commandGuest struct{}

var _ guest = commandGuest{}

// commandArgs are the arguments of a WASI command, its own name first.
var commandArgs = []string{"validator", "validate"}

// stdio is what a WASI command's standard descriptors lead to.
type stdio struct {
	in    []byte // what is left to read
	out   []byte
	limit uint32 // of out, in bytes
}

func (commandGuest) kind() abi.Kind { return abi.WASICommand }

func (commandGuest) imports() map[string]hostFunctions {
	return map[string]hostFunctions{wasiModule: wasiImports}
}

func (commandGuest) check(_ *program, m *wasm.Module) []error {
	return []error{checkFunc(m, exportStart, noResult)}
}

func (commandGuest) prepare(i *instance) error { return i.runIfExported(wasm.StartExport) }

func (commandGuest) ask(i *instance, req abi.Request, limits Limits) ([][]byte, error) {
	in := make([]byte, req.Len())
	req.Encode(in)
	i.stdio = &stdio{in: in, limit: limits.Output}
	err := i.run(i.function(exportStart), 0)
	if exit, ok := errors.AsType[*exitError](err); ok {
		if err = exit; exit.code == 0 {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	if len(i.stdio.out) == 0 {
		return nil, fmt.Errorf("it wrote nothing to its standard output; an empty list of violations is %s", `{"violations":[]}`)
	}
	return i.answer(i.stdio.out), nil
}

func (commandGuest) decode(_ *instance, answers [][]byte) (plimsoll.Verdict, error) {
	return abi.DecodeVerdict(answers[0])
}

// exitError is what proc_exit ends a call with.
type exitError struct{ code uint32 }

func (e *exitError) Error() string { return fmt.Sprintf("it exited with code %d", e.code) }

// readInput fills the buffer with what is left of standard input.
func (s *stdio) read(b []byte) uint64 {
	n := copy(b, s.in)
	s.in = s.in[n:]
	return uint64(n)
}

// write keeps what is written to standard output. It panics when that is too much.
func (s *stdio) write(b []byte) {
	if uint64(len(s.out))+uint64(len(b)) > uint64(s.limit) {
		panic(fmt.Errorf("its standard output has more than the limit of %d bytes", s.limit))
	}
	s.out = append(s.out, b...)
}
