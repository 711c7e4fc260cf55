package server

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plimsoll-project/plimsoll/policy"
)

// Compiling Rego cannot be interrupted, and a few lines can keep it busy for hours or
// make it take all memory there is. So policies that are not part of the program are
// compiled in a process of their own first, which the kernel ends when it takes too much.
// Only if that went well does this process compile the very same bytes.

// CompileCommand is the command line argument by which this program is started to
// compile policies: it must then call [CompilePolicies] and do nothing else.
const CompileCommand = "compile-policies"

// compileProgram is this very program, even if its file was replaced meanwhile.
var compileProgram = "/proc/self/exe" // a variable for tests

// What compiling may take. Policies of a thousand rules take a second.
const (
	compileCPU      = 5 * time.Second
	compileMemory   = 1 << 30
	compileDeadline = time.Minute // in case the process does not get the CPU
)

// compileJob is what is compiled, written to the process's standard input.
type compileJob struct {
	Config Config
	Set    []byte // as Set.Encode wrote it
}

// compileResult is what the process writes to its standard output.
type compileResult struct {
	// Err is what is wrong with the policies; empty if they are fine.
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
	var job bytes.Buffer
	if err := gob.NewEncoder(&job).Encode(compileJob{config, encoded}); err != nil {
		return fmt.Errorf("compiling policies: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, compileDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, compileProgram, CompileCommand)
	cmd.Args[0] = filepath.Base(os.Args[0])
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none") // of megabytes of stack one line says enough
	cmd.WaitDelay = time.Second
	var stdout, stderr boundedBuffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &job, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return whyNotCompiled(ctx, cmd.ProcessState, err, stderr.buffer.String())
	}
	var result compileResult
	if err := json.Unmarshal(stdout.buffer.Bytes(), &result); err != nil {
		return fmt.Errorf("compiling policies: the process for it gave no answer: %w", err)
	}
	switch {
	case len(result.Problems) > 0:
		return &policy.LoadError{Problems: result.Problems}
	case result.Err != "":
		return errors.New(result.Err)
	}
	return nil
}

// whyNotCompiled says why the process ended without an answer.
func whyNotCompiled(ctx context.Context, state *os.ProcessState, err error, stderr string) error {
	const tooMuch = "policies take more than %s to compile: look for comprehensions inside comprehensions, very many rules, or very much data"
	switch {
	case state == nil:
		return fmt.Errorf("policies are not compiled but in a process of their own, and that could not be started: %w", err)
	case state.UserTime()+state.SystemTime() >= compileCPU*9/10:
		return fmt.Errorf(tooMuch, compileCPU.String()+" of CPU")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf(tooMuch, compileDeadline.String())
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(stderr, "out of memory"), strings.Contains(stderr, "cannot allocate memory"),
		strings.Contains(stderr, "failed to allocate"),                                                           // the race detector's word for it
		strings.Contains(stderr, "stack overflow"), state.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL: //nolint:forcetypeassert // on unix it is one
		return fmt.Errorf(tooMuch, strconv.Itoa(compileMemory>>20)+" MiB of memory")
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return fmt.Errorf("compiling policies: the process for it failed (%w): %s", err, first)
}

// CompilePolicies is all that a process started with [CompileCommand] does: it compiles
// the policies that it reads and writes what became of it.
func CompilePolicies(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := limitCompiling(); err != nil {
		return err
	}
	var job compileJob
	if err := gob.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("this command is for the server's own use: %w", err)
	}
	var result compileResult
	if err := job.compile(ctx); err != nil {
		result.Err = err.Error()
		if failed, ok := errors.AsType[*policy.LoadError](err); ok {
			result.Problems = failed.Problems
		}
	}
	return json.NewEncoder(out).Encode(result)
}

func (j *compileJob) compile(ctx context.Context) error {
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

// limitCompiling makes the kernel end this process when it takes too much.
func limitCompiling() error {
	// Go passes over the signal of the soft limit; that of the hard one is SIGKILL.
	seconds := uint64(compileCPU / time.Second)
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}); err != nil {
		return fmt.Errorf("limiting CPU: %w", err)
	}
	// Not RLIMIT_AS: Go reserves far more addresses than it uses.
	used, err := dataSize()
	if err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: used + compileMemory, Max: used + compileMemory}); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	debug.SetMemoryLimit(compileMemory * 3 / 4)
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// dataSize is how many bytes of writable memory this process has, by proc(5)'s statm.
func dataSize() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	const data = 5
	if len(fields) <= data {
		return 0, fmt.Errorf("/proc/self/statm is %q", text)
	}
	pages, err := strconv.ParseUint(fields[data], 10, 64)
	return pages * uint64(os.Getpagesize()), err //nolint:gosec // not negative
}

// boundedBuffer keeps the beginning of what is written to it.
type boundedBuffer struct{ buffer bytes.Buffer }

const maxCompileOutput = 4 << 20

// Write implements [io.Writer].
func (b *boundedBuffer) Write(p []byte) (int, error) {
	_, _ = b.buffer.Write(p[:min(len(p), maxCompileOutput-b.buffer.Len())])
	return len(p), nil
}
