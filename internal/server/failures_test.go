package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/anypb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/gen/containerd/v1/containerdv1connect"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// What a policy may do wrong while it judges. Whatever it is, nothing is stored, and the
// caller is told that it is not the caller's fault. (What is wrong with what is loaded is in
// package policy's TestProblems and in TestCandidatesAreRefused.)
func TestPoliciesThatFail(t *testing.T) {
	const deep = "deny contains \"x\" if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\tsome c in numbers.range(1, 3000)\n\ta * b * c == -1\n}"
	for name, test := range map[string]struct {
		rego    string
		reason  string
		code    connect.Code
		timeout time.Duration
	}{
		"builtin error":                     {rego: `deny contains "x" if to_number(input.object.id) > 0`},
		"builtin error under not":           {rego: `deny contains "x" if not to_number(input.object.id)`},
		"builtin error behind a default":    {rego: "default deny := false\n\ndeny if 1 / count(input.update_mask) > 1"},
		"builtin error in a comprehension":  {rego: `deny contains "x" if count([n | n := to_number(input.object.id)]) > 9`},
		"builtin error in a warning":        {rego: `warn contains "x" if to_number(input.object.id) > 0`},
		"builtin error in a helper":         {rego: "deny contains \"x\" if helper\n\nhelper if json.unmarshal(input.object.id).a"},
		"bad regular expression":            {rego: `deny contains "x" if regex.match(input.object.labels.pattern, "a")`},
		"bad base64":                        {rego: `deny contains "x" if base64.decode(input.object.labels.pattern) == "a"`},
		"bad time":                          {rego: `deny contains "x" if time.parse_rfc3339_ns(input.object.id) > 0`},
		"bad format":                        {rego: `deny contains "x" if units.parse_bytes(input.object.id) > 0`},
		"bad network":                       {rego: `deny contains "x" if net.cidr_contains("10.0.0.0/8", input.object.id)`, reason: "load"},
		"complete rules that conflict":      {rego: "deny := \"a\" if input.object.id\n\ndeny := \"b\" if input.object.image"},
		"functions that conflict":           {rego: "f(x) := 1 if x\n\nf(x) := 2 if x\n\ndeny contains \"x\" if f(input.object.id) == 3"},
		"objects that conflict":             {rego: "deny[input.object.id] := \"a\"\n\ndeny[input.object.id] := \"b\""},
		"a number":                          {rego: `deny := 1 if input.object.id`},
		"null":                              {rego: `deny := null if input.object.id`},
		"an empty reason":                   {rego: `deny contains "" if input.object.id`},
		"an object without msg":             {rego: `deny contains {"field": "labels"} if input.object.id`},
		"a msg that is a number":            {rego: `deny contains {"msg": 1} if input.object.id`},
		"a field that is an array":          {rego: `deny contains {"msg": "x", "field": ["labels"]} if input.object.id`},
		"a set in a set":                    {rego: `deny contains {"x"} if input.object.id`},
		"true in a set":                     {rego: `deny contains true if input.object.id`},
		"a malformed warning":               {rego: `warn contains 1 if input.object.id`},
		"one malformed member of many":      {rego: "deny contains \"x\" if input.object.id == \"other\"\n\ndeny contains 1 if input.object.id"},
		"out of time":                       {rego: deep, reason: "POLICY_TIMEOUT", code: connect.CodeUnavailable, timeout: 50 * time.Millisecond},
		"out of time in a builtin":          {rego: `deny contains "x" if count(numbers.range(1, 100000000)) < 0`, reason: "POLICY_TIMEOUT", code: connect.CodeUnavailable, timeout: 50 * time.Millisecond},
		"a filter that cannot be parsed":    {rego: `deny contains "x" if plimsoll.count(concat("", ["labels.", input.object.labels.pattern])) > 1`},
		"a filter of an unknown field":      {rego: `deny contains "x" if plimsoll.count({lower("LABLES"): {}}) > 1`},
		"a filter with a wrong type":        {rego: `deny contains "x" if plimsoll.count({"image": input.object.labels}) > 1`},
		"a namespace that was not granted":  {rego: `deny contains "x" if plimsoll.count({"namespace": input.object.id}) > 1`},
		"namespaces that were not granted":  {rego: `deny contains "x" if plimsoll.count({"namespace": "*"}) > 1`},
		"a container that was not granted":  {rego: `deny contains "x" if plimsoll.container({"namespace": "other", "id": "a"})`},
		"a bad filter under not":            {rego: `deny contains "x" if not plimsoll.count({"image": input.object.labels})`},
		"a bad filter behind a default":     {rego: "default n := 0\n\nn := plimsoll.count({\"image\": input.object.labels})\n\ndeny contains \"x\" if n > 1"},
		"a patch that is none":              {rego: `patch contains "x"`},
		"a patch of the id":                 {rego: `patch contains {"id": "other"}`},
		"a patch of the runtime":            {rego: `patch contains {"op": "replace", "path": "/runtime", "value": "other"}`},
		"a patch with a bad operation":      {rego: `patch contains {"op": "ad", "path": "/labels/x", "value": "x"}`},
		"a patch that removes what is not":  {rego: `patch contains {"op": "remove", "path": "/labels/none"}`},
		"patches that conflict":             {rego: "patch contains {\"image\": \"a\"}\n\npatch contains {\"image\": \"b\"}"},
		"patches above one another":         {rego: "patch contains {\"spec\": {\"a\": 1}}\n\npatch contains {\"spec\": {\"a\": {\"b\": 1}}}"},
		"a patch without end":               {rego: `patch contains {"labels": {sprintf("l%d", [count(input.object.labels)]): "x"}}`},
		"a builtin error in a patch":        {rego: `patch contains {"labels": {"x": sprintf("%d", [1 / count(input.update_mask)])}}`},
		"a patch with a label too long":     {rego: `patch contains {"labels": {"y": replace(sprintf("%5000d", [1]), " ", "x")}}`},
		"a patch that is too large":         {rego: `patch contains {"spec": {"x": replace(sprintf("%3000000d", [1]), " ", "x")}}`},
		"a patch that is no OCI spec":       {rego: `patch contains {"spec": {"Linux": {}}}`},
		"a patch that runs out of time":     {rego: `patch contains {"image": "x"} if count(numbers.range(1, 100000000)) < 0`, reason: "POLICY_TIMEOUT", code: connect.CodeUnavailable, timeout: 50 * time.Millisecond},
		"a patch that is denied":            {rego: "patch contains {\"labels\": {\"x\": \"y\"}}\n\ndeny contains \"x\" if input.object.labels.x == \"y\"", reason: "POLICY_DENIED", code: connect.CodePermissionDenied},
		"nothing wrong, to see that it can": {rego: `deny contains "x" if input.object.id == "other"`, reason: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := test.timeout
			if timeout == 0 {
				timeout = time.Minute
			}
			g, err := openGate(t, memstore.New(), "package rules\n\n"+test.rego+"\n", timeout)
			if test.reason == "load" {
				if err == nil {
					t.Fatal("it was loaded")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			code, reason := g.createOld("judged", map[string]string{"pattern": "("})
			want, wantCode := test.reason, test.code
			if want == "" {
				want, wantCode = "POLICY_FAULT", connect.CodeInternal
			}
			if want == "none" {
				want = ""
			}
			if reason != want || code != wantCode {
				t.Errorf("answer %v %s, want %v %s", code, reason, wantCode, want)
			}
			if stored := len(g.labels()) > 0; stored != (want == "") {
				t.Errorf("stored: %v", stored)
			}
		})
	}
}

// createOld creates through the original API, whose errors have a code and a reason.
func (g *gate) createOld(id string, labels map[string]string) (connect.Code, string) {
	g.Helper()
	return g.createIn(g.Context(), id, labels)
}

func (g *gate) createIn(ctx context.Context, id string, labels map[string]string) (connect.Code, string) {
	g.Helper()
	client := containerdv1connect.NewContainersClient(g.web.Client(), g.web.URL)
	_, err := client.Create(ctx, &containerdv1.CreateContainerRequest{Container: &containerdv1.Container{
		Id: id, Labels: labels, Image: "nginx", Runtime: "io.containerd.runc.v2",
		Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{}`)},
	}})
	var failure *connect.Error
	if !errors.As(err, &failure) {
		if err != nil {
			g.Fatal(err)
		}
		return 0, ""
	}
	for _, d := range failure.Details() {
		if value, err := d.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return failure.Code(), info.GetReason()
			}
		}
	}
	return failure.Code(), fmt.Sprint("no reason: ", failure.Message())
}
