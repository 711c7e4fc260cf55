package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/hostile"
	"github.com/plimsoll-project/plimsoll/service"
)

// A validator that fails again and again is not asked any more, and what it would have
// judged is not stored. Operators see it, and who it is about; others only that it is.
func TestQuarantine(t *testing.T) {
	module := hostile.Module{Name: "broken", Wasm: hostile.Answering("{}")}
	config := quickConfig(t, None)
	config.Validators = []string{writeModule(t, module)}
	s := run(t, config)
	a := &arena{T: t, containers: s.containers}

	const before = 5
	for id := range before {
		if reason, message := a.createIn("broken", fmt.Sprint("c", id)); reason != service.ReasonValidatorFault {
			t.Fatalf("container %d: %s, %s", id, reason, message)
		}
	}
	if n := len(s.status().GetQuarantines()); n != 1 {
		t.Fatalf("there are %d quarantines", n)
	}
	ctx, call := connect.NewClientContext(t.Context())
	call.RequestHeader().Set("containerd-namespace", "broken")
	_, err := s.containers.Create(ctx, newContainer("c"))
	var failure *connect.Error
	if !errors.As(err, &failure) || failure.Code() != connect.CodeUnavailable || !strings.Contains(failure.Message(), "validator broken is in quarantine for this caller") {
		t.Fatalf("error is %v", err)
	}
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for _, d := range failure.Details() {
		switch value, _ := d.Value(); v := value.(type) {
		case *errdetails.ErrorInfo:
			info = v
		case *errdetails.RetryInfo:
			retry = v
		}
	}
	if info.GetReason() != service.ReasonQuarantined || info.GetMetadata()["validator"] != "broken" || retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("details are %v and %v", info, retry)
	}

	q := s.status().GetQuarantines()[0]
	if q.GetValidator() != "broken" || q.GetNamespace() != "broken" || !strings.HasPrefix(q.GetUser(), "uid:") || !q.GetSince().IsValid() || !q.GetUntil().IsValid() {
		t.Errorf("the operator sees %v", q)
	}
	res, err := s.anonymous.GetStatus(t.Context(), &plimsollv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if all := res.GetStatus().GetQuarantines(); len(all) != 1 || all[0].GetUser() != "" {
		t.Errorf("others see %v", all)
	}
	for path, want := range map[string][]string{
		"/readyz": {"ok", "validator broken is in quarantine for 1 of its callers"},
		"/metrics": {
			`plimsoll_validator_quarantines{validator="broken"} 1`, `plimsoll_validator_judgements_total{outcome="fault",validator="broken"} 5`,
			`plimsoll_validator_judgements_total{outcome="quarantined",validator="broken"} 1`, `plimsoll_validator_instances{state="busy",validator="broken"} 0`,
		},
	} {
		res, err := http.Get(s.web + path) //nolint:noctx // the server ends with the test
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, res.Status, err)
		}
		for _, line := range want {
			if !slices.Contains(strings.Split(string(body), "\n"), line) {
				t.Errorf("%s does not say %q", path, line)
			}
		}
		if strings.Contains(string(body), q.GetUser()) {
			t.Errorf("%s tells who it is about", path)
		}
	}
	if stored := a.stored([]hostile.Module{module}); len(stored) != 0 {
		t.Errorf("stored: %v", stored)
	}
	if !strings.Contains(s.log.String(), "validator is in quarantine for a caller") {
		t.Errorf("the log does not say so:\n%s", s.log)
	}
}
