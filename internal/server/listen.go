package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/service"
)

// listenTCP listens on address and explains the usual reason why it cannot.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another process uses this address; stop it, or choose another with --listen (port 0 picks a free one)", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// listenUnix listens on a unix socket that only its owner can connect to. A socket
// left behind by a process that is gone is replaced; one that is in use is not.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("socket %s: there is a file of that name that is not a socket; move it away, or choose another with --socket", path)
		}
		dialer := net.Dialer{Timeout: time.Second}
		if c, err := dialer.DialContext(ctx, "unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("socket %s: another process serves on it; stop it, or choose another with --socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket %s: remove the one left behind: %w", path, err)
		}
	}
	// The mode must be right from the moment the socket exists.
	old := syscall.Umask(0o177)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

// newHTTPServer serves HTTP/1.1 and HTTP/2, the latter without TLS too (h2c), as
// gRPC clients on sockets and loopback expect.
func newHTTPServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		// A body that stalls must not hold a connection for ever. In HTTP/2 this
		// bounds each request, not the connection.
		ReadTimeout: 60 * time.Second,
		// Nor must a caller who does not read: an answer to List may be 16 MiB, which
		// stay in memory until they are sent. What streams must move this on as it sends.
		WriteTimeout: 2 * time.Minute,
		IdleTimeout:  5 * time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return service.WithUser(ctx, userOfConn(c))
		},
	}
}

// userOfConn says what a connection tells of its caller: on a unix socket the
// kernel vouches for user and group.
func userOfConn(c net.Conn) plimsoll.User {
	if buffered, ok := c.(*bufferedConn); ok {
		c = buffered.Conn
	}
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return plimsoll.User{Via: "anonymous"}
	}
	user := plimsoll.User{Via: "unix"}
	raw, err := unix.SyscallConn()
	if err != nil {
		return user
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			user.Name = fmt.Sprintf("uid:%d", cred.Uid)
			user.Groups = []string{fmt.Sprintf("gid:%d", cred.Gid)}
		}
	})
	return user
}
