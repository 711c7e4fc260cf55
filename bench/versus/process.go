package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	startTime = time.Minute
	stopTime  = 30 * time.Second
)

// process is a server that runs as a child process, and a connection to it.
type process struct {
	api
	conn  *grpc.ClientConn
	cmd   *exec.Cmd
	log   bytes.Buffer // read it once ended is closed
	ended chan struct{}
	err   error // what it ended with, likewise
}

// start runs command, with its data in dir, and waits until it serves. The caller
// calls stop.
func start(ctx context.Context, s side, command []string, dir string) (*process, error) {
	sockets, err := os.MkdirTemp("", "versus") // paths of sockets have to be short
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(sockets) //nolint:errcheck // it is connected by then
	socket := filepath.Join(sockets, "s")
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command(command[0], append(command[1:], "--data", dir, "--socket", socket)...) //nolint:noctx // stop ends it
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.connect(ctx, s, socket); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// connect waits until the server answers: that it has no such container.
func (p *process) connect(ctx context.Context, s side, socket string) (err error) {
	p.conn, err = grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, MaxDelay: 50 * time.Millisecond}, MinConnectTimeout: startTime}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(16<<20)), // as containerd's clients
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(metadata.AppendToOutgoingContext(ctx, "containerd-namespace", namespace), method, request, answer, conn, options...)
		}))
	if err != nil {
		return err
	}
	p.api = s.api(p.conn)
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := p.get(ctx, "none"); status.Code(err) != codes.NotFound {
		return fmt.Errorf("%s does not serve: %w", s.name, err)
	}
	return nil
}

// stop ends the process, and kills it if it does not end. What it wrote is part of
// the error.
func (p *process) stop() error {
	var err error
	if p.conn != nil {
		err = p.conn.Close()
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		err = errors.Join(err, fmt.Errorf("had to be killed %s after SIGTERM", stopTime), p.cmd.Process.Kill())
		<-p.ended
	}
	if err = errors.Join(err, p.err); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.cmd.Path, err, p.log.Bytes())
	}
	return nil
}
