package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"syscall"
)

// process is a server in a process of its own: the real binary.
type process struct {
	// address is the TCP address that it says it listens on.
	address string

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	err    error         // of Wait; read it after exited is closed

	mu     sync.Mutex
	stdout bytes.Buffer
	stderr bytes.Buffer
	grown  chan struct{} // closed and replaced whenever there is more output
}

// What serve logs once mutations are served, and what dev says once it has made its
// samples, too: it may log what serve logs, but then they are still on their way.
var (
	readyLine    = regexp.MustCompile(`(?s)msg=listening address=(\S+).*msg=ready`)
	greetingLine = regexp.MustCompile(`listens on https?://(\S+:\d+):`)
)

// startProcess starts cmd and returns when it says that it is ready. Whoever started
// it ends it.
func startProcess(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{}), grown: make(chan struct{})}
	ready := readyLine
	if slices.Contains(cmd.Args, "dev") {
		ready = greetingLine
	}
	cmd.Stdout, cmd.Stderr = stream{p, &p.stdout}, stream{p, &p.stderr}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	for {
		stdout, stderr, grown := p.output()
		if m := ready.FindStringSubmatch(stdout + stderr); m != nil {
			p.address = m[1]
			return p, nil
		}
		select {
		case <-grown:
		case <-p.exited:
			_, stderr, _ := p.output()
			return nil, fmt.Errorf("the server ended before it was ready: %w\n%s", p.err, stderr)
		case <-ctx.Done():
			_ = p.stop(syscall.SIGKILL)
			return nil, fmt.Errorf("the server was not ready in time: %w\n%s%s", context.Cause(ctx), stdout, stderr)
		}
	}
}

// stop sends a signal and waits for the end. Unless the signal is SIGKILL anything
// but success is an error.
func (p *process) stop(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return err
	}
	<-p.exited
	if signal == syscall.SIGKILL {
		return nil
	}
	if p.err != nil {
		_, stderr, _ := p.output()
		return fmt.Errorf("the server ended with %w\n%s", p.err, stderr)
	}
	return nil
}

// kill ends the process if it has not ended yet.
func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		_ = p.stop(syscall.SIGKILL)
	}
}

func (p *process) output() (stdout, stderr string, grown <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String(), p.stderr.String(), p.grown
}

// stream is one output of a process.
type stream struct {
	p   *process
	buf *bytes.Buffer
}

func (s stream) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	close(s.p.grown)
	s.p.grown = make(chan struct{})
	return s.buf.Write(b)
}

// exitCode is that of a process which has ended with err.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
