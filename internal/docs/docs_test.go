//go:build docs

package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll/internal/server"
	"github.com/plimsoll-project/plimsoll/policy"
)

const root = "../.."

// block is a fenced code block.
type block struct {
	file string
	line int
	lang string
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

func TestBlocks(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files = append([]string{filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")}, files...)
	binDir := build(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			console := newConsole(t, binDir)
			for _, b := range readBlocks(t, file) {
				switch b.lang {
				case "console":
					console.run(t, b)
				case "rego":
					checkRego(t, b)
				case "yaml", "json":
					var v any
					unmarshal := map[string]func([]byte, any) error{
						"yaml": func(data []byte, v any) error { return yaml.UnmarshalStrict(data, v) },
						"json": json.Unmarshal,
					}[b.lang]
					if err := unmarshal([]byte(b.text), &v); err != nil {
						t.Errorf("%v: %v", b, err)
					}
				case "sh":
					if startsServer.MatchString(b.text) && strings.Count(b.text, "\n") == 1 {
						console.startServer(t, b, strings.TrimSpace(b.text))
					}
					// Commands that take too long or change the machine are shown
					// without output; they must at least be shell.
					if out, err := exec.Command("bash", "-n", "-c", b.text).CombinedOutput(); err != nil {
						t.Errorf("%v: %s", b, out)
					}
				case "ts", "python":
					checkExcerpt(t, b)
				case "": // diagrams
				case "c", "wat", "rust", "go", "text":
					if b.lang == "go" && b.file == "docs/clients.md" {
						checkExcerpt(t, b)
					}
					// Sources are built by the tests of what they show.
				default:
					t.Errorf("%v: nothing checks blocks in %q", b, b.lang)
				}
			}
		})
	}
}

func readBlocks(t *testing.T, file string) []block {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var (
		blocks []block
		open   *block
	)
	for i, line := range strings.Split(string(data), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case isFence && open == nil:
			open = &block{file: strings.TrimPrefix(file, root+"/"), line: i + 1, lang: fence}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%v: the block has no end", open)
	}
	return blocks
}

// build builds the binary, so that blocks may say plimsoll, grpcurl and containerd's ctr.
func build(t *testing.T) string {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"build", "-o", dir, "./cmd/plimsoll"},
		{"build", "-modfile=tools/go.mod", "-o", dir, "github.com/fullstorydev/grpcurl/cmd/grpcurl"},
		{"build", "-modfile=tools/go.mod", "-o", dir, "github.com/containerd/containerd/v2/cmd/ctr"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return dir
}

// console runs the console blocks of one file in one directory, a copy of what is
// committed, with one server at a time.
type console struct {
	dir    string
	env    []string
	server *exec.Cmd
	output string // the file that the server writes to
}

func newConsole(t *testing.T, binDir string) *console {
	c := &console{dir: t.TempDir()}
	cmd := exec.Command("bash", "-c", `git ls-files -z | xargs -0 cp --parents -t "$0"`, c.dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the project: %v\n%s", err, out)
	}
	c.env = append(os.Environ(), "PATH="+binDir+":"+os.Getenv("PATH"))
	t.Cleanup(func() { c.stopServer(t) })
	return c
}

var startsServer = regexp.MustCompile(`^(go run \./cmd/plimsoll|plimsoll) (serve|dev)\b`)

func (c *console) run(t *testing.T, b block) {
	t.Helper()
	for _, step := range splitSteps(b.text) {
		if startsServer.MatchString(step.command) && step.output == "" {
			c.startServer(t, b, step.command)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, "bash", "-c", step.command)
		cmd.Dir, cmd.Env = c.dir, c.env
		out, _ := cmd.CombinedOutput() // an exit code other than 0 may be the point
		cancel()
		if !matches(step.output, string(out)) {
			t.Errorf("%v: $ %s\n--- documented\n%s\n--- got\n%s", b, step.command, step.output, out)
		}
	}
}

type step struct{ command, output string }

// splitSteps splits a console block into its commands, which begin with "$ " and
// may be continued with a backslash, and their output.
func splitSteps(text string) []step {
	var steps []step
	continued := false
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case continued:
			steps[len(steps)-1].command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case ok:
			steps = append(steps, step{command: command})
			continued = strings.HasSuffix(line, `\`)
		case len(steps) > 0:
			steps[len(steps)-1].output += line + "\n"
		}
	}
	return steps
}

// matches compares output with what is documented, where … stands for anything in
// a line and a line of … for any lines.
func matches(documented, got string) bool {
	pattern := regexp.QuoteMeta(strings.TrimSpace(documented))
	pattern = regexp.MustCompile(`(?m)^\s*…$`).ReplaceAllString(pattern, `(?s:.*)`)
	pattern = strings.ReplaceAll(pattern, "…", `[^\n]*`)
	pattern = regexp.MustCompile(` +`).ReplaceAllString(pattern, ` +`)
	return regexp.MustCompile(`^` + pattern + `$`).MatchString(strings.TrimSpace(got))
}

func (c *console) startServer(t *testing.T, b block, command string) {
	t.Helper()
	c.stopServer(t)
	c.server = exec.Command("bash", "-c", "exec "+strings.Replace(command, "go run ./cmd/plimsoll", "plimsoll", 1))
	c.server.Dir, c.server.Env = c.dir, c.env
	c.output = filepath.Join(t.TempDir(), "output")
	output, err := os.Create(c.output)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	c.server.Stdout, c.server.Stderr = output, output
	if err := c.server.Start(); err != nil {
		t.Fatalf("%v: %v", b, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		res, err := http.Get("http://" + server.DefaultListen + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			// dev says so when its samples are there.
			isDev := startsServer.FindStringSubmatch(command)[2] == "dev"
			if res.StatusCode == http.StatusOK && (!isDev || strings.Contains(c.read(), "Ctrl-C")) {
				return
			}
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%v: $ %s: not ready\n%s", b, command, c.read())
}

func (c *console) read() string {
	out, _ := os.ReadFile(c.output)
	return string(out)
}

func (c *console) stopServer(t *testing.T) {
	if c.server == nil {
		return
	}
	_ = c.server.Process.Signal(syscall.SIGTERM)
	if err := c.server.Wait(); err != nil {
		t.Errorf("server: %v\n%s", err, c.read())
	}
	c.server = nil
}

// checkExcerpt checks that a block is part of a client example, but for indentation.
// The examples are run: those in TypeScript by their own tests, the others by the
// console blocks beside the excerpts.
func checkExcerpt(t *testing.T, b block) {
	t.Helper()
	indent := regexp.MustCompile(`(?m)^[ \t]+`)
	for _, pattern := range []string{"examples/clients/*/*.py", "examples/clients/go/*/*.go", "clients/typescript/examples/*.ts"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(indent.ReplaceAllString(string(source), ""), indent.ReplaceAllString(b.text, "")) {
				return
			}
		}
	}
	t.Errorf("%v: no example has these lines", b)
}

func checkRego(t *testing.T, b block) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "block.rego")
	if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := []policy.Source{policy.Path(path)}
	if strings.HasPrefix(b.text, "package system.log\n") { // it judges nothing, and something must
		sources = append(sources, policy.FS("judging", fstest.MapFS{"a.rego": {Data: []byte("package a\n\ndeny contains \"a\" if input.object.labels.a")}}))
	}
	if _, err := policy.Load(t.Context(), policy.Options{Grants: map[string][]string{"unique.names": {"default"}}}, sources...); err != nil {
		t.Errorf("%v: %v", b, err)
	}
}
