//go:build ctr

// The tests here need programs that a machine with nothing but Go does not have, or
// takes minutes to build: go test -tags ctr -run TestCtr ./cmd/plimsoll

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

// ctrs are containerd's own command line of both of its lives: that of Debian's package
// containerd, which is 1.6, and today's, built from its module.
func ctrs(t *testing.T) map[string]string {
	t.Helper()
	debian, err := exec.LookPath("ctr")
	if err != nil {
		t.Fatalf("%v; install Debian's package containerd", err)
	}
	today := filepath.Join(t.TempDir(), "ctr")
	cmd := exec.Command("go", "build", "-modfile=tools/go.mod", "-o", today, "github.com/containerd/containerd/v2/cmd/ctr")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return map[string]string{"debian": debian, "today": today}
}

func TestCtr(t *testing.T) {
	for name, path := range ctrs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("events", func(t *testing.T) { testCtrEvents(t, path) })
			runScripts(t, "testdata/ctr", map[string]string{"CTR": path})
		})
	}
}

// testCtrEvents tests that ctr events shows what ctr does. It does not say when it has
// begun to listen, so namespaces are made until it shows one.
func testCtrEvents(t *testing.T, ctr string) {
	socket := startOnSocket(t, "--policies", "none", "--validators", "none")
	env := append(os.Environ(), "CONTAINERD_ADDRESS="+socket)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	listen := exec.CommandContext(ctx, ctr, "events", `topic~=^/namespaces/`)
	listen.Env = env
	stdout, err := listen.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := listen.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		shown <- line
	}()
	line := ""
	for line == "" && ctx.Err() == nil {
		for _, args := range [][]string{{"namespaces", "create", "build", "a=b"}, {"namespaces", "rm", "build"}} {
			cmd := exec.CommandContext(ctx, ctr, args...)
			cmd.Env = env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, out)
			}
		}
		select {
		case line = <-shown:
		default:
		}
	}
	if !regexp.MustCompile(`^20.* build /namespaces/(create|delete) \{"name":"build"`).MatchString(line) {
		t.Errorf("ctr events shows %q", line)
	}
	_ = listen.Process.Signal(syscall.SIGKILL)
	_ = listen.Wait() // it was killed
}
