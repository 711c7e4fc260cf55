package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
	"github.com/plimsoll-project/plimsoll/storage/badgerstore"
)

// canary is in every place of a container where a secret may be.
const canary = "CANARY7b3f9e21"

// secretive is a container that is full of secrets, and of things that rules object to.
func secretive(id string, labels ...string) *plimsollv1.Container {
	spec := strings.ReplaceAll(`{
		"ociVersion": "1.3.0",
		"process": {
			"args": ["run", "--password", "SECRET", "--api-token=SECRET", "DB_PASSWORD=SECRET", "-pSECRET", "sh -c 'login --token SECRET'", "https://ann:SECRET@host/",
				"sh -c \"export DB_PASS=SECRET; run\"", "user=a,pass=SECRET", "x --pass SECRET", "mysql -u root -pSECRET", "curl -u a:SECRET", "sshpass -p SECRET x",
				"redis-cli", "-a", "SECRET", "--passcode", "SECRET", "{\"pass\":\"SECRET\"}", "mysql --defaults-extra-file=<(printf '[client]\npassword = SECRET')"],
			"env": ["PATH=/bin", "A=SECRET", "B_C=SECRET", "TOKEN=SECRET"],
			"cwd": "not/absolute", "user": {"uid": 0, "gid": 0},
			"capabilities": {"bounding": ["CAP_SYS_ADMIN", "CAP_NOT_THERE"]}, "rlimits": [{"type": "RLIMIT_X", "soft": 2, "hard": 1}]
		},
		"root": {"path": "rootfs"},
		"mounts": [{"destination": "relative", "type": "bind", "source": "/var/run/docker.sock", "options": ["rbind", "password=SECRET"]}],
		"hooks": {"poststop": [{"path": "/bin/hook", "args": ["hook", "--password", {"a": "SECRET"}, "--password", ["SECRET"]]}], "prestart": [{"path": "/bin/hook", "args": ["hook", "--secret", "SECRET"], "env": ["B=SECRET"]}]},
		"annotations": {"example.org/auth-token": "SECRET", "credentials": "SECRET", "note": "password: SECRET", "db_pw": "SECRET",
			"url": "https://example.org/blob?sv=1&sig=SECRET", "yaml": "user: a\npass: SECRET", "list": "password:\n  - SECRET", "json": "{\"pass\":\"SECRET\"}",
			"shell": "sh -c \"export DB_PASS=SECRET; run\"", "pairs": "user=a,pass=SECRET"},
		"linux": {"namespaces": [{"type": "pid", "path": "/proc/1/ns/pid"}], "resources": {"devices": [{"allow": true, "access": "rwm"}]}, "secret": {"deep": "SECRET"}}
	}`, "SECRET", canary)
	c := &plimsollv1.Container{
		Id: id, Image: "evil.example/app:1", Labels: map[string]string{"api-key": canary, "db.password": canary},
		Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2", Options: &anypb.Any{TypeUrl: "example.org/options", Value: []byte(`{"root": "` + canary + `", "deep": {"er": ["` + canary + `"]}}`)}},
		Spec:    &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(spec)},
		Extensions: map[string]*anypb.Any{
			"json": {TypeUrl: "example.org/extension", Value: []byte(`{"x": {"y": "` + canary + `"}}`)}, "raw": {TypeUrl: "example.org/raw", Value: []byte(canary)},
		},
	}
	for i := 0; i < len(labels); i += 2 {
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

// overt is a container that the starter set admits, with secrets.
func overt(id string, labels ...string) *plimsollv1.Container {
	spec, err := os.ReadFile("testdata/spec.json")
	if err != nil {
		panic(err)
	}
	c := secretive(id, append(labels, "team", "core", "owner", "ann@example.org")...)
	c.Image, c.Runtime.Options = "docker.io/library/nginx:1.29", nil
	c.Spec.Value = bytes.Replace(spec, []byte(`"env": [`), []byte(`"env": ["SECRET=`+canary+`", `), 1)
	if bytes.Equal(spec, c.Spec.Value) {
		c.Spec.Value = bytes.Replace(spec, []byte(`"env":[`), []byte(`"env":["SECRET=`+canary+`",`), 1)
	}
	return c
}

// tattling are rules that look at secrets and fail on them, ask for other containers and
// have secrets in their variables. What they say does not quote any: that would be told.
const tattling = `package tattling

deny contains {"msg": "an entry has no name", "field": sprintf("spec.process.env[%d]", [i])} if {
	some i, entry in input.object.spec.process.env
	value := split(entry, "=")[1]
	upper(value) != lower(value)
}

deny contains {"msg": "extensions differ", "field": "extensions"} if {
	payload := input.object.extensions.json
	encoded := base64.encode(json.marshal(payload))
	encoded != ""
}

warn contains {"msg": "others have secrets", "field": "labels.api-key"} if {
	some other in plimsoll.containers({"labels": {"kind": "other"}})
	some entry in other.spec.process.env
	key := other.labels["api-key"]
	shout := upper(entry)
}

deny contains "fault" if {
	input.object.labels.rule == "fault"
	to_number(input.object.spec.process.env[1]) > 1
}

deny contains "timeout" if {
	input.object.labels.rule == "timeout"
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	sprintf("%s%d%d", [input.object.spec.process.env[1], a, b]) == ""
}
`

// seen is all that anybody was shown.
type seen struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

// check looks for the canary in what was written, as it is and in the encodings that rules
// may put it into, and forgets it.
func (s *seen) check(t *testing.T, what string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Len() == 0 {
		t.Errorf("%s: nothing was seen", what)
	}
	text := strings.ToUpper(s.String())
	for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[4:14]} {
		if at := strings.Index(text, strings.ToUpper(secret)); at >= 0 {
			t.Errorf("%s has a secret: …%s", what, text[max(0, at-200):min(len(text), at+50)])
		}
	}
	s.Reset()
}

func (s *seen) message(t *testing.T, m proto.Message) {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write(text)
}

// failure is all that an error tells its caller.
func (s *seen) failure(t *testing.T, err error) {
	t.Helper()
	failure, ok := err.(*connect.Error) //nolint:errorlint // as the client returns it
	if !ok {
		return
	}
	_, _ = fmt.Fprint(s, failure.Message(), failure.Meta())
	for _, d := range failure.Details() {
		if value, err := d.Value(); err == nil {
			s.message(t, value)
		}
	}
}

// Secrets are in no log, no error, no decision as it is answered or stored, and no
// explanation, with the starter set and its validator, and with rules that look at secrets
// and fail on them.
func TestSecretsAreNotShown(t *testing.T) {
	var log seen
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	svc := service.New(store, service.Options{Logger: logger, OnDecision: func(d plimsoll.Decision) { logDecision(logger, d) }})
	web := httptest.NewServer(svc.Handler())
	t.Cleanup(func() {
		web.Close()
		_ = svc.Flush(context.Background())
		_ = store.Close()
	})
	var header connect.UnaryInterceptorFunc = func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			for _, name := range []string{"authorization", "cookie", "x-api-key"} {
				req.Header().Set(name, "Bearer "+canary)
			}
			return next(ctx, req)
		}
	}
	containers := plimsollv1connect.NewContainerServiceClient(web.Client(), web.URL, connect.WithInterceptors(header))
	decisions := plimsollv1connect.NewDecisionServiceClient(web.Client(), web.URL, connect.WithInterceptors(header))

	own := filepath.Join(t.TempDir(), "tattling.rego")
	if err := os.WriteFile(own, []byte(tattling), 0o600); err != nil {
		t.Fatal(err)
	}
	starter, other := DefaultConfig(), DefaultConfig()
	other.Policies, other.PolicyTimeout = []string{own}, 200*time.Millisecond
	for i, config := range []Config{starter, other} {
		rules := loadRules(t, config, logger)
		t.Cleanup(func() { _ = rules.close() })
		svc.SetRuleset(&rules.Ruleset)

		var answers seen
		for _, c := range []*plimsollv1.Container{
			overt(fmt.Sprint("overt", i), "kind", "other"), secretive(fmt.Sprint("a", i)), secretive(fmt.Sprint("b", i), "rule", "fault"),
			secretive(fmt.Sprint("c", i), "rule", "timeout"), overt("overt0"),
		} {
			create := &plimsollv1.CreateOperation{Container: c}
			res, err := containers.BatchCreate(t.Context(), &plimsollv1.BatchCreateRequest{Operations: []*plimsollv1.CreateOperation{create}})
			answers.failure(t, err)
			answers.message(t, res)
			reviewed, err := containers.Review(t.Context(), &plimsollv1.ReviewRequest{Explain: true, Operation: &plimsollv1.ReviewRequest_Create{Create: create}})
			answers.failure(t, err)
			if reviewed != nil {
				reviewed.Container = nil // which is the caller's own
				answers.message(t, reviewed)
			}
			updated, err := containers.BatchUpdate(t.Context(), &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{
				{Container: secretive("overt0"), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels", "spec", "extensions", "image"}}},
			}})
			answers.failure(t, err)
			answers.message(t, updated)
		}
		answers.check(t, "answers")
	}
	log.check(t, "the log")

	// Twice: as they are queued, if they still are, and as they are stored.
	for range 2 {
		var told seen
		all, err := decisions.ListDecisions(t.Context(), &plimsollv1.ListDecisionsRequest{PageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		told.message(t, all)
		told.check(t, "decisions")
		outcomes, reevaluated, fired := map[string]int{}, 0, map[string]bool{}
		for _, d := range all.GetDecisions() {
			outcomes[d.GetReason()]++
			res, err := decisions.ExplainDecision(t.Context(), &plimsollv1.ExplainDecisionRequest{Id: d.GetId()})
			if err != nil {
				t.Fatal(err)
			}
			if res.GetExplanation().GetReevaluated() {
				reevaluated++
			}
			for _, r := range res.GetExplanation().GetRules() {
				fired[r.GetSource().GetRule()] = true
			}
			told.message(t, res)
			told.check(t, "explanation")
		}
		for _, reason := range []string{"POLICY_DENIED", "POLICY_FAULT", "POLICY_TIMEOUT", "", "ALREADY_EXISTS"} {
			if outcomes[reason] == 0 {
				t.Errorf("no decision has the reason %q: %v", reason, outcomes)
			}
		}
		if reevaluated == 0 || !fired["deny"] || !fired["warn"] {
			t.Errorf("%d decisions were evaluated again, and %v fired", reevaluated, fired)
		}
		if err := svc.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	view, err := store.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = view.Close() }()
	var stored seen
	inputs := 0
	for logged, err := range view.Records(t.Context(), plimsoll.KindDecision, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		var record storagev1.Decision
		if err := proto.Unmarshal(logged.Value, &record); err != nil {
			t.Fatal(err)
		}
		if len(record.GetInput()) > 0 {
			inputs++
		}
		_, _ = stored.Write(logged.Value)
		_, _ = stored.Write(record.GetInput())
	}
	stored.check(t, "the database")
	if inputs == 0 {
		t.Error("no input was recorded")
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log has a secret: %s", log.String())
	}
}
