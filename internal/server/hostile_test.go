package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/internal/hostile"
	"github.com/plimsoll-project/plimsoll/plugins"
	"github.com/plimsoll-project/plimsoll/service"
)

// callers is how many ask for the same at the same time.
const callers = 16

// The namespaces of two validators that mean no harm.
const (
	neighbourAdmitting = "neighbour-admitting"
	neighbourDenying   = "neighbour-denying"
)

// reasons are what callers are told of the outcomes of hostile modules.
var reasons = map[hostile.Outcome]string{
	hostile.Valid: "", hostile.Fault: service.ReasonValidatorFault, hostile.Timeout: service.ReasonValidatorTimeout,
}

// TestHostileModules has every module of the corpus do its worst, for 16 callers at once
// and next to validators that mean no harm. Each comes to its promised outcome, the others
// are right all the time, nothing is stored that was not admitted, and afterwards memory
// and goroutines are what they were.
func TestHostileModules(t *testing.T) {
	var refused, served []hostile.Module
	for _, m := range hostile.Modules() {
		if m.Want == hostile.Refused {
			refused = append(refused, m)
		} else {
			served = append(served, m)
		}
	}
	if n := len(refused) + len(served); n < 60 {
		t.Errorf("there are %d modules", n)
	}
	leaks := goleak.IgnoreCurrent()
	before := heap()
	s := openArena(t, served)

	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			c := &caller{arena: s, n: n}
			for i := range served {
				c.judge(served[(i+n*len(served)/callers)%len(served)])
				c.neighbours(i)
			}
			for i, m := range refused {
				switch {
				case n == 0: // tried in a process of its own, which takes long to start
					refuse(t, m, plugins.File(writeModule(t, m)))
				case !m.Slow:
					refuse(t, m, sourceOf(m))
				}
				c.neighbours(len(served) + i)
			}
		})
	}
	all.Wait()

	want := map[string]int{neighbourAdmitting: callers * (len(refused) + len(served))}
	for _, m := range served {
		if m.Want == hostile.Valid {
			want[m.Name] = callers
		}
	}
	if diff := cmp.Diff(want, s.stored(append(served, hostile.Module{Name: neighbourAdmitting}, hostile.Module{Name: neighbourDenying}))); diff != "" {
		t.Errorf("what is stored in each namespace (-want +got):\n%s", diff)
	}
	s.close()
	goleak.VerifyNone(t, leaks)
	const most = 16 << 20
	if after := heap(); after > before+most {
		t.Errorf("the heap has grown from %d to %d bytes", before, after)
	}
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers have let go of
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// bindAll writes a validators.yaml that binds each module to the namespace of its name.
func bindAll(modules []hostile.Module) []byte {
	var config strings.Builder
	config.WriteString("validators:\n")
	for _, m := range modules {
		limits := "timeout: 1m"
		if m.Limits != "" {
			limits += ", " + m.Limits
		}
		fmt.Fprintf(&config, "- {name: %[1]s, module: %[1]s.wasm, sha256: %[2]x, match: {namespaces: [%[1]s]}, limits: {%[3]s}}\n",
			m.Name, sha256.Sum256(m.Wasm), limits)
	}
	return []byte(config.String())
}

// arena is a server on a socket, over a store on disk, whose validators are hostile modules
// and their neighbours.
type arena struct {
	*testing.T
	containers containerdv1connect.ContainersClient
	close      func()
}

func openArena(t *testing.T, modules []hostile.Module) *arena {
	t.Helper()
	modules = append([]hostile.Module{
		{Name: neighbourAdmitting, Wasm: hostile.Answering(`{"violations":[]}`)},
		{Name: neighbourDenying, Wasm: hostile.Answering(`{"violations":[{"msg":"no"}]}`)},
	}, modules...)
	validators, err := plugins.Load(t.Context(), plugins.Options{}, sourceOf(modules...))
	if err != nil {
		t.Fatal(err)
	}
	store := stores["badger"](t)
	svc := service.New(store, service.Options{
		MutationTimeout: time.Minute, QueueTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler), OnDecision: func(plimsoll.Decision) {},
	})
	svc.SetRuleset(&service.Ruleset{Digest: "hostile", Policies: admitAll{}, Validators: validators})
	web := httptest.NewUnstartedServer(svc.Handler())
	web.EnableHTTP2 = true
	web.StartTLS()
	return &arena{
		T: t, containers: containerdv1connect.NewContainersClient(web.Client(), web.URL),
		close: func() {
			web.Close()
			if err := errors.Join(svc.Flush(context.Background()), store.Close(), validators.Close()); err != nil {
				t.Error(err)
			}
		},
	}
}

// writeModule writes a validators.yaml that binds a module, and returns where it is.
func writeModule(t *testing.T, m hostile.Module) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{m.Name + ".wasm": m.Wasm, "validators.yaml": bindAll([]hostile.Module{m})} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "validators.yaml")
}

// sourceOf is a validators.yaml of modules, with their files, as if they were part of the
// program: they are not tried elsewhere first.
func sourceOf(modules ...hostile.Module) plugins.Source {
	files := fstest.MapFS{"validators.yaml": {Data: bindAll(modules)}}
	for _, m := range modules {
		files[m.Name+".wasm"] = &fstest.MapFile{Data: m.Wasm}
	}
	return plugins.FS(files, "validators.yaml")
}

// refuse loads a module, which must fail.
func refuse(t *testing.T, m hostile.Module, source plugins.Source) {
	validators, err := plugins.Load(context.Background(), plugins.Options{Try: tryModule}, source)
	if err == nil {
		t.Errorf("%s was loaded: %v", m.Name, validators.Close())
	} else if !strings.Contains(err.Error(), m.Says) {
		t.Errorf("%s: %q does not say %q", m.Name, err, m.Says)
	}
}

// caller is one of those who create containers.
type caller struct {
	*arena
	n int
}

// judge creates a container in the namespace of a module.
func (c *caller) judge(m hostile.Module) {
	id := fmt.Sprintf("container-%d", c.n)
	if m.Want != hostile.Valid {
		id = "container" // of all callers: different ones would have the module quarantined
	}
	reason, message := c.createIn(m.Name, id)
	if reason != reasons[m.Want] {
		c.Errorf("%s: the answer is %q, %s; want %q", m.Name, reason, message, reasons[m.Want])
	}
	if strings.Contains(message, "\n") || len(message) > 1000 {
		c.Errorf("%s: callers are told %q", m.Name, message)
	}
}

// neighbours creates a container in each namespace of the validators that mean no harm.
func (c *caller) neighbours(round int) {
	id := fmt.Sprintf("container-%d-%d", c.n, round)
	if reason, message := c.createIn(neighbourAdmitting, id); reason != "" {
		c.Errorf("a neighbour that admits: %s, %s", reason, message)
	}
	if reason, message := c.createIn(neighbourDenying, id); reason != service.ReasonValidationFailed {
		c.Errorf("a neighbour that denies: %q, %s", reason, message)
	}
}

// createIn creates a container and returns the reason and message if that failed.
func (s *arena) createIn(namespace, id string) (reason, message string) {
	ctx, call := connect.NewClientContext(context.Background())
	call.RequestHeader().Set("containerd-namespace", namespace)
	_, err := s.containers.Create(ctx, newContainer(id))
	var failure *connect.Error
	if err == nil || !errors.As(err, &failure) {
		return "", ""
	}
	for _, d := range failure.Details() {
		if value, err := d.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return info.GetReason(), failure.Message()
			}
		}
	}
	return "none", failure.Message()
}

// newContainer asks for a container that is as it should be.
func newContainer(id string) *containerdv1.CreateContainerRequest {
	return &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: id, Image: "nginx", Runtime: "io.containerd.runc.v2",
		Spec: &anypb.Any{
			TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
			Value:   []byte(`{"ociVersion":"1.2.0","process":{"args":["nginx"],"cwd":"/"}}`),
		},
	}}
}

// stored counts the containers in the namespaces of modules that have any.
func (s *arena) stored(modules []hostile.Module) map[string]int {
	counts := map[string]int{}
	for _, m := range modules {
		ctx, call := connect.NewClientContext(context.Background())
		call.RequestHeader().Set("containerd-namespace", m.Name)
		answer, err := s.containers.List(ctx, &containerdv1.ListContainersRequest{})
		if err != nil {
			s.Fatal(err)
		}
		if n := len(answer.GetContainers()); n > 0 {
			counts[m.Name] = n
		}
	}
	return counts
}
