package server

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// compileProgram is this very program, even if its file was replaced meanwhile.
var compileProgram = "/proc/self/exe" // a variable for tests

// compiling has one process at a time: several together could take all of the machine.
var compiling = make(chan struct{}, 1)

// tooMuchError says that compiling was ended because it took too much.
type tooMuchError struct{ what string }

func (e *tooMuchError) Error() string { return "it takes more than " + e.what }

// compileElsewhere has a process of its own do a job, within its limits. The error is a
// [tooMuchError] if they do not suffice.
func compileElsewhere(ctx context.Context, job compileJob) (compileResult, error) {
	var result compileResult
	select {
	case compiling <- struct{}{}:
		defer func() { <-compiling }()
	case <-ctx.Done():
		return result, ctx.Err()
	}
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(job); err != nil {
		return result, err
	}
	ctx, cancel := context.WithTimeout(ctx, job.Limits.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, compileProgram, CompileCommand)
	cmd.Args[0] = filepath.Base(os.Args[0])
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none") // of megabytes of stack one line says enough
	cmd.WaitDelay = time.Second
	var stdout, stderr boundedBuffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &encoded, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return result, job.Limits.whyEnded(ctx, cmd.ProcessState, err, stderr.buffer.String())
	}
	if err := json.Unmarshal(stdout.buffer.Bytes(), &result); err != nil {
		return result, fmt.Errorf("the process for it gave no answer: %w", err)
	}
	return result, nil
}

// whyEnded says why the process ended without an answer.
func (l compileLimits) whyEnded(ctx context.Context, state *os.ProcessState, err error, stderr string) error {
	switch {
	case state == nil:
		return fmt.Errorf("it is not done but in a process of its own, and that could not be started: %w", err)
	case state.UserTime()+state.SystemTime() >= l.CPU*9/10:
		return &tooMuchError{l.CPU.String() + " of CPU"}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &tooMuchError{l.Deadline.String()}
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(stderr, "out of memory"), strings.Contains(stderr, "cannot allocate memory"),
		strings.Contains(stderr, "failed to allocate"),                                                           // the race detector's word for it
		strings.Contains(stderr, "stack overflow"), state.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL: //nolint:forcetypeassert // on unix it is one
		return &tooMuchError{strconv.FormatUint(l.Memory>>20, 10) + " MiB of memory"}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return fmt.Errorf("the process for it failed (%w): %s", err, first)
}

// apply makes the kernel end this process when it takes more.
func (l compileLimits) apply() error {
	// Go passes over the signal of the soft limit; that of the hard one is SIGKILL.
	seconds := uint64(l.CPU / time.Second) //nolint:gosec // not negative
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}); err != nil {
		return fmt.Errorf("limiting CPU: %w", err)
	}
	// Not RLIMIT_AS: Go reserves far more addresses than it uses.
	used, err := dataSize()
	if err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: used + l.Memory, Max: used + l.Memory}); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	debug.SetMemoryLimit(int64(l.Memory) * 3 / 4) //nolint:gosec // a gigabyte
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
