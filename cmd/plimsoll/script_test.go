package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

var updateScripts = flag.Bool("update", false, "write the expected outputs of the scripts anew")

// TestMain makes the test binary serve as plimsoll, too: "plimsoll" in a script, and
// exec.Command("plimsoll") in a test, run main in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plimsoll": main})
}

// goRace is GORACE of child processes. By default the race detector lets each sleep
// for a second when it ends. A race makes the exit code 66.
const goRace = "atexit_sleep_ms=0"

// startTimeout bounds how long a server may take to be ready. It only keeps a test
// that fails from hanging.
const startTimeout = time.Minute

// TestScripts runs the stories in testdata/script. Besides testscript's own commands
// they have these:
//
//	server NAME [VAR=VALUE…] ARGS…   start plimsoll ARGS; $NAME is its address once it is ready
//	end NAME [SIGNAL]                end it by a signal (TERM); it must exit with 0 unless killed
//	hangup NAME                      send it SIGHUP
//	follow NAME ARGS…                start plimsoll ARGS, a client; it is ended as a server is
//	sees NAME REGEXP                 wait until it has written what matches
//	breaks NAME ADDRESS              a proxy of $ADDRESS at $NAME which breaks the connection instead of the first answer
//	containerd NAME FILE             a containerd at $NAME with the containers of a file
//	exits CODE PROGRAM ARGS…         run a program that must exit with CODE
//	eventually REGEXP PROGRAM ARGS…  run a program again and again until what it prints matches
//	silent NAME                      something listens at $NAME and never answers
//	registry NAME                    an OCI registry at $NAME
//	webserver NAME                   something at $NAME that is no Plimsoll
//	call [-H 'K: V'] METHOD REQUEST  call containerd.v1.Containers: see callCommand
//	http …                           a small curl: see httpCommand
//	manifest FILE OUT                make a Create request of a container's manifest
//	replace FILE OUT {OLD NEW}…      copy, with each OLD, which must be there, replaced by NEW
//	sha256 VAR FILE                  set VAR to the digest of a file
//	decision VAR FILE                set VAR to the ID of the decision that a file names
//	mask FILE OUT                    copy, with what differs from run to run masked
//	certificate DIR                  make an authority and a server certificate
//	minisign NAME                    make a pair of keys, NAME.key and NAME.pub
//	body KIND FILE                   make a request body that means no good
//	[!] empty DIR                    a directory must be empty, or must not
func TestScripts(t *testing.T) {
	t.Parallel()
	var vars map[string]string
	if raceEnabled {
		// Hundreds of commands that end at once, and validators that they compile: the race
		// detector makes these ten times slower. Servers are watched by it all the same, and
		// the commands of the other tests.
		vars = map[string]string{"PATH": plainProgram(t) + string(os.PathListSeparator) + os.Getenv("PATH")}
	}
	runScripts(t, "testdata/script", vars)
}

// plainProgram builds plimsoll without the race detector, and returns the directory it is in.
func plainProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "plimsoll"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestProtocols tells the same story over each protocol: what is expected does not
// depend on it, word for word.
func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http+json", "connect", "grpc", "grpcweb"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			runScripts(t, "testdata/protocols", map[string]string{"protocol": protocol})
		})
	}
}

func runScripts(t *testing.T, dir string, vars map[string]string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                dir,
		WorkdirRoot:        t.TempDir(),
		UpdateScripts:      *updateScripts,
		RequireUniqueNames: true,
		Deadline:           time.Now().Add(20 * time.Minute),
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			env.Setenv("WASM", filepath.Join(root, "plugins", "testdata"))
			env.Setenv("GORACE", goRace)
			env.Setenv("ME", fmt.Sprintf("uid:%d", os.Getuid())) // as decisions name who runs this
			for name, value := range vars {
				env.Setenv(name, value)
			}
			// Paths of sockets are limited to about a hundred bytes.
			sockets, err := os.MkdirTemp("", "plimsoll")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(sockets) })
			env.Setenv("SOCKETS", sockets)
			env.Values[processes{}] = map[string]*process{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":      serverCommand,
			"end":         endCommand,
			"hangup":      hangupCommand,
			"follow":      followCommand,
			"sees":        seesCommand,
			"breaks":      breaksCommand,
			"containerd":  containerdCommand,
			"exits":       exitsCommand,
			"eventually":  eventuallyCommand,
			"silent":      silentCommand,
			"webserver":   webserverCommand,
			"registry":    registryCommand,
			"call":        callCommand,
			"http":        httpCommand,
			"manifest":    manifestCommand,
			"replace":     replaceCommand,
			"sha256":      sha256Command,
			"keep":        keepCommand,
			"waits":       waitsCommand,
			"decision":    decisionCommand,
			"mask":        maskCommand,
			"certificate": certificateCommand,
			"minisign":    minisignCommand,
			"body":        bodyCommand,
			"empty":       emptyCommand,
		},
	})
}

// processes is the key of a script's servers by name, a map[string]*process.
type processes struct{}

func serversOf(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processes{}).(map[string]*process)
}

func serverCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: server NAME [VAR=VALUE…] ARGS…")
	}
	name, args := args[0], args[1:]
	environment := os.Environ()
	for _, inherited := range []string{"HOME", "TMPDIR", "GORACE", "PLIMSOLL_ADDRESS"} {
		environment = append(environment, inherited+"="+ts.Getenv(inherited))
	}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		environment, args = append(environment, args[0]), args[1:]
	}
	cmd := exec.Command("plimsoll", args...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, err := startProcess(ctx, cmd)
	ts.Check(err)
	ts.Defer(p.kill)
	serversOf(ts)[name] = p
	ts.Setenv(name, p.address)
}

func endCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: end NAME [INT|TERM|KILL]")
	}
	p, ok := serversOf(ts)[args[0]]
	if !ok {
		ts.Fatalf("no server %q", args[0])
	}
	signal := syscall.SIGTERM
	if len(args) == 2 {
		signal = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]
	}
	ts.Check(p.stop(signal))
	stdout, stderr, _ := p.output()
	_, _ = ts.Stdout().Write([]byte(stdout))
	_, _ = ts.Stderr().Write([]byte(stderr))
}

func hangupCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hangup NAME")
	}
	p, ok := serversOf(ts)[args[0]]
	if !ok {
		ts.Fatalf("no server %q", args[0])
	}
	ts.Check(p.cmd.Process.Signal(syscall.SIGHUP))
}

func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

func eventuallyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM ARGS…")
	}
	want := regexp.MustCompile(`(?m)` + args[0])
	for deadline := time.After(startTimeout); ; {
		_ = ts.Exec(args[1], args[2:]...) // what it prints is what counts
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			ts.Fatalf("it never prints %s", want)
		}
	}
}

func manifestCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: manifest FILE OUT")
	}
	manifests, err := readManifests(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	c := manifests[0].container
	request, err := service.JSONCodecs()[0].Marshal(&containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: c.GetId(), Labels: c.GetLabels(), Image: c.GetImage(), Runtime: c.GetRuntime().GetName(), Spec: c.GetSpec(), Rootfs: c.GetSnapshotKey(),
	}})
	ts.Check(err)
	var compact bytes.Buffer
	ts.Check(json.Compact(&compact, request))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), compact.Bytes(), 0o600))
}

func replaceCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args)%2 != 0 {
		ts.Fatalf("usage: replace FILE OUT {OLD NEW}…")
	}
	text := ts.ReadFile(args[0])
	for pair := range slices.Chunk(args[2:], 2) {
		if !strings.Contains(text, pair[0]) {
			ts.Fatalf("there is no %s in %s", pair[0], args[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

func sha256Command(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sha256 VAR FILE")
	}
	ts.Setenv(args[0], fmt.Sprintf("%x", sha256.Sum256([]byte(ts.ReadFile(args[1])))))
}

// keepCommand sets a variable to what the last command printed.
func keepCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep VAR")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// waitsCommand runs a program again and again until it prints what matches.
func waitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waits REGEXP PROGRAM ARGS…")
	}
	wanted := regexp.MustCompile(`(?m)` + args[0])
	for deadline := time.Now().Add(startTimeout); ; {
		err := ts.Exec(args[1], args[2:]...)
		if wanted.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s was not printed in time (%v)", args[0], err)
		}
	}
}

// masks are what differs from run to run.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b`), "01DECISION"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\([0-9.]+(ns|µs|ms|s)\)`), "(TIME)"},
	// Lines of the starter policies move whenever those are edited.
	{regexp.MustCompile(`(policies/\w+/\w+\.rego):\d+`), "$1:LINE"},
	{regexp.MustCompile(`"line": \d+`), `"line": LINE`},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+\b`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `), "HH:MM:SS "},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIMESTAMP"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b`), "YYYY-MM-DD HH:MM:SS"},
	{regexp.MustCompile(`\((now|\d+ seconds? ago)\)`), "(AGO)"},
	{regexp.MustCompile(`(revision"?: )"\d+"`), `${1}"REVISION"`},
	{regexp.MustCompile(`(?m)\b[0-9.]+[mµ]?s([,)]|$| \()`), "DURATION$1"},
	{regexp.MustCompile(`\bruleset [0-9a-f]{12}\b`), "ruleset RULESET"},
	{regexp.MustCompile(`\bSpec, [0-9.]+ k?B\b`), "Spec, SIZE"},
	{regexp.MustCompile(`(?m)\S* ?\(unix\)$`), "USER"},
}

var decisionID = regexp.MustCompile(`decision ([0-7][0-9A-HJKMNP-TV-Z]{25})\b`)

func decisionCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: decision VAR FILE")
	}
	found := decisionID.FindStringSubmatch(ts.ReadFile(args[1]))
	if found == nil {
		ts.Fatalf("%s names no decision", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func maskCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mask FILE OUT")
	}
	text := ts.ReadFile(args[0])
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.mask)
	}
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

func emptyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] empty DIR")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if empty := len(entries) == 0; empty == neg {
		ts.Fatalf("%s has %v", args[0], entries)
	}
}
