package server

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/policy"
)

// Compiling Rego or WebAssembly cannot be interrupted, and a few lines can keep it busy
// for hours or make it take all memory there is. So what is not part of the program is
// compiled in a process of its own first, which the kernel ends when it takes too much.
// Only if that went well does this process compile the very same bytes.

// CompileCommand is the command line argument by which this program is started to
// compile policies or a validator: it must then call [Compile] and do nothing else.
const CompileCommand = "compile-rules"

// compileLimits are what compiling may take.
type compileLimits struct {
	CPU      time.Duration // whole seconds
	Memory   uint64        // bytes
	Deadline time.Duration // in case the process does not get the CPU
}

// Policies of a thousand rules take a second. So does a validator of 3 MB, and twenty
// seconds are three times what the most costly module within the reader's limits takes.
var (
	policyLimits = compileLimits{CPU: 5 * time.Second, Memory: 1 << 30, Deadline: time.Minute}
	moduleLimits = compileLimits{CPU: 20 * time.Second, Memory: 1 << 30, Deadline: 2 * time.Minute}
	schemaLimits = compileLimits{CPU: 2 * time.Second, Memory: 256 << 20, Deadline: time.Minute}
)

// compileJob is what is compiled, written to the process's standard input. It is one of
// the two.
type compileJob struct {
	Limits   compileLimits
	Policies *policyJob
	Module   *plugins.Job
}

// policyJob is policies to be compiled.
type policyJob struct {
	Config Config
	Set    []byte // as Set.Encode wrote it
}

// compileResult is what the process writes to its standard output.
type compileResult struct {
	// Err is what is wrong; empty if all is well.
	Err string
	// Problems are those of a LoadError.
	Problems []policy.Problem
}

// compiles returns nil if the policies compile in time, and an error that says what is
// wrong otherwise.
func compiles(ctx context.Context, config Config, set *policy.Set) error {
	encoded, err := set.Encode()
	if err != nil {
		return err
	}
	job := compileJob{Limits: policyLimits, Policies: &policyJob{config, encoded}}
	result, err := compileElsewhere(ctx, job)
	switch tooMuch, excess := errors.AsType[*tooMuchError](err); {
	case excess:
		return fmt.Errorf("policies take more than %s to compile: look for comprehensions inside comprehensions, very many rules, or very much data", tooMuch.what)
	case err != nil:
		return fmt.Errorf("compiling policies: %w", err)
	case len(result.Problems) > 0:
		return &policy.LoadError{Problems: result.Problems}
	case result.Err != "":
		return errors.New(result.Err)
	}
	return nil
}

// Compile is all that a process started with [CompileCommand] does: it compiles what it
// reads and writes what became of it.
func Compile(ctx context.Context, in io.Reader, out io.Writer) error {
	var job compileJob
	if err := gob.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("this command is for the server's own use: %w", err)
	}
	if err := job.Limits.apply(); err != nil {
		return err
	}
	var result compileResult
	if err := job.run(ctx); err != nil {
		result.Err = err.Error()
		if failed, ok := errors.AsType[*policy.LoadError](err); ok {
			result.Problems = failed.Problems
		}
	}
	return json.NewEncoder(out).Encode(result)
}

func (j *compileJob) run(ctx context.Context) error {
	switch {
	case j.Policies != nil:
		return j.Policies.compile(ctx)
	case j.Module != nil:
		return j.Module.Run(ctx)
	}
	return errors.New("there is nothing to compile")
}

func (j *policyJob) compile(ctx context.Context) error {
	set, err := policy.Decode(j.Set)
	if err != nil {
		return err
	}
	j.Config.PolicyKeys = nil // what is compiled was verified
	options, err := j.Config.policyOptions()
	if err != nil {
		return err
	}
	_, err = set.Compile(ctx, options)
	return err
}
