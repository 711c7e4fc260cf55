package server

import (
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// socketPath is a path that is short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll") // t.TempDir has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestListenUnix(t *testing.T) {
	for _, test := range []struct {
		name    string
		before  func(t *testing.T, path string)
		problem string // empty: it listens
	}{
		{name: "nothing there", before: func(*testing.T, string) {}},
		{name: "socket left behind", before: leaveSocket},
		{
			name: "socket in use",
			before: func(t *testing.T, path string) {
				l, err := net.Listen("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
			},
			problem: "another process serves on it; stop it, or choose another with --socket",
		},
		{
			name: "file",
			before: func(t *testing.T, path string) {
				if err := os.WriteFile(path, []byte("dear diary"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			problem: "there is a file of that name that is not a socket; move it away, or choose another with --socket",
		},
		{
			name: "link to a socket left behind",
			before: func(t *testing.T, path string) {
				leaveSocket(t, path+"2")
				if err := os.Symlink(path+"2", path); err != nil {
					t.Fatal(err)
				}
			},
			problem: "not a socket",
		},
		{
			name: "directory missing",
			before: func(t *testing.T, path string) {
				if err := os.Remove(filepath.Dir(path)); err != nil {
					t.Fatal(err)
				}
			},
			problem: "no such file or directory",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := socketPath(t)
			test.before(t, path)
			l, err := listenUnix(t.Context(), path)
			if test.problem != "" {
				if err == nil {
					_ = l.Close()
					t.Fatal("no error")
				}
				if want := "socket " + path; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error is %q, want %q… %q", err, want, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := info.Mode(), fs.ModeSocket|0o600; got != want {
				t.Errorf("mode is %v, want %v", got, want)
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatalf("connect: %v", err)
			}
			_ = c.Close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the socket is still there after closing: %v", err)
			}
		})
	}
}

// leaveSocket makes a socket that nobody serves on, as a process that was killed does.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that stands where the socket should be is left as it is.
func TestListenUnixLeavesFiles(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("dear diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listenUnix(t.Context(), path); err == nil {
		_ = l.Close()
		t.Fatal("no error")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "dear diary" {
		t.Errorf("the file is %q, %v", got, err)
	}
}

func TestListenTCPInUse(t *testing.T) {
	l, err := listenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	second, err := listenTCP(t.Context(), l.Addr().String())
	if err == nil {
		_ = second.Close()
		t.Fatal("two listeners on one address")
	}
	if !strings.Contains(err.Error(), "another process uses this address; stop it, or choose another with --listen") {
		t.Errorf("error is %q", err)
	}
}

func TestUserOfConn(t *testing.T) {
	path := socketPath(t)
	for _, test := range []struct{ network, address, via, name string }{
		{"tcp", "127.0.0.1:0", "anonymous", ""},
		{"unix", path, "unix", "uid:"},
	} {
		t.Run(test.network, func(t *testing.T) {
			l, err := net.Listen(test.network, test.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial(test.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			conn, err := bufferedListener{l}.Accept() // as it is served
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			user := userOfConn(conn)
			if user.Via != test.via || !strings.HasPrefix(user.Name, test.name) || (test.name == "") != (user.Name == "") {
				t.Errorf("user is %+v", user)
			}
		})
	}
}

// A caller who stops sending, or reading, is cut off in the end.
func TestTimeouts(t *testing.T) {
	web := newHTTPServer(http.NotFoundHandler())
	for name, timeout := range map[string]time.Duration{
		"headers": web.ReadHeaderTimeout, "body": web.ReadTimeout, "answer": web.WriteTimeout, "idle": web.IdleTimeout,
	} {
		if timeout <= 0 {
			t.Errorf("%s: nothing bounds the wait", name)
		}
	}
}
