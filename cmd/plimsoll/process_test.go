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

// process is the real binary in a process of its own, mostly as a server.
type process struct {
	// address is the TCP address that a server says it listens on.
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

// startProcess starts cmd, a server, and returns when it says that it is ready.
// Whoever started it ends it.
func startProcess(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	ready := readyLine
	if slices.Contains(cmd.Args, "dev") {
		ready = greetingLine
	}
	p, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	m, err := p.await(ctx, ready)
	if err != nil {
		p.kill()
		return nil, err
	}
	p.address = m[1]
	return p, nil
}

// launch starts cmd. Whoever started it ends it.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{}), grown: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = stream{p, &p.stdout}, stream{p, &p.stderr}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// await returns when what the process has written matches.
func (p *process) await(ctx context.Context, pattern *regexp.Regexp) (match []string, err error) {
	for {
		stdout, stderr, grown := p.output()
		if m := pattern.FindStringSubmatch(stdout + stderr); m != nil {
			return m, nil
		}
		select {
		case <-grown:
		case <-p.exited:
			if stdout, stderr, _ := p.output(); !pattern.MatchString(stdout + stderr) {
				return nil, fmt.Errorf("the process ended and did not write %s: %w\n%s%s", pattern, p.err, stdout, stderr)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("the process did not write %s in time: %w\n%s%s", pattern, context.Cause(ctx), stdout, stderr)
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
		return fmt.Errorf("the process ended with %w\n%s", p.err, stderr)
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
