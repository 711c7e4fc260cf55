package server

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
	"github.com/plimsoll-project/plimsoll/service"
)

// Exemptions, and the records of what was overridden, outlive the server.
func TestExemptionsSurviveRestarts(t *testing.T) {
	config := quickConfig(t, policyDir(t, "package teams\n\ndeny contains {\"msg\": \"has no team\", \"field\": \"labels.team\"} if not input.object.labels.team\n"))
	config.BreakGlass = []string{fmt.Sprintf("uid:%d", os.Getuid())}
	s := run(t, config)
	exemptions := func() plimsollv1connect.ExemptionServiceClient {
		return plimsollv1connect.NewExemptionServiceClient(s.client, "http://unix")
	}
	update := func(image, reason string) (*plimsollv1.BatchResult, error) {
		ctx, call := connect.NewClientContext(s.ctx())
		if reason != "" {
			call.RequestHeader().Set(service.HeaderBreakGlass, reason)
		}
		res, err := plimsollv1connect.NewContainerServiceClient(s.client, "http://unix").BatchUpdate(ctx, &plimsollv1.BatchUpdateRequest{Operations: []*plimsollv1.UpdateOperation{{
			Container: &plimsollv1.Container{Id: "web", Image: image}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"image"}},
		}}})
		if err != nil {
			return nil, err
		}
		return res.GetResults()[0], nil
	}
	if _, err := exemptions().CreateExemption(s.ctx(), &plimsollv1.CreateExemptionRequest{Exemption: &plimsollv1.Exemption{
		Id: "legacy", Rule: "teams.deny", Namespaces: []string{"def*"}, Reason: "r", Owner: "core", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)),
	}}); err != nil {
		t.Fatal(err)
	}
	created, err := plimsollv1connect.NewContainerServiceClient(s.client, "http://unix").BatchCreate(s.ctx(), &plimsollv1.BatchCreateRequest{
		Operations: []*plimsollv1.CreateOperation{{Container: &plimsollv1.Container{
			Id: "web", Image: "nginx:1", Runtime: &plimsollv1.Runtime{Name: "io.containerd.runc.v2"},
			Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: []byte(`{}`)},
		}}},
	})
	if err != nil || !created.GetCommitted() || created.GetResults()[0].GetVerdict().GetWarnings()[0].GetWaiver().GetExemption() != "legacy" {
		t.Fatalf("%v, %v", created, err)
	}
	s.stop()

	s = run(t, config)
	if r, err := update("nginx:2", ""); err != nil || r.GetOutcome() != plimsollv1.BatchResult_OUTCOME_COMMITTED {
		t.Fatalf("after a restart: %v, %v", r, err)
	}
	tcp := plimsollv1connect.NewExemptionServiceClient(http.DefaultClient, s.web) // on which it is not known who calls
	if _, err := tcp.DeleteExemption(s.ctx(), &plimsollv1.DeleteExemptionRequest{Id: "legacy"}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("deleted on TCP: %v", err)
	}
	if _, err := exemptions().DeleteExemption(s.ctx(), &plimsollv1.DeleteExemptionRequest{Id: "legacy"}); err != nil {
		t.Fatal(err)
	}
	if r, err := update("nginx:3", ""); err != nil || r.GetOutcome() != plimsollv1.BatchResult_OUTCOME_DENIED {
		t.Errorf("without the exemption: %v, %v", r, err)
	}
	broken, err := update("nginx:3", "the site is down")
	if err != nil || broken.GetOutcome() != plimsollv1.BatchResult_OUTCOME_COMMITTED {
		t.Fatalf("with the glass broken: %v, %v", broken, err)
	}
	if log := s.log.String(); !strings.Contains(log, `level=ERROR msg="break-glass was used"`) || !strings.Contains(log, broken.GetVerdict().GetDecisionId()) {
		t.Errorf("the log is %s", log)
	}
	s.stop()

	s = run(t, config)
	res, err := plimsollv1connect.NewDecisionServiceClient(s.client, "http://unix").GetDecision(s.ctx(), &plimsollv1.GetDecisionRequest{Id: broken.GetVerdict().GetDecisionId()})
	if err != nil {
		t.Fatal(err)
	}
	if d := res.GetDecision(); d.GetBreakGlass() != "the site is down" || d.GetOverridden() != 1 || d.GetRevision() != uint64(broken.GetRevision()) ||
		d.GetVerdict().GetWarnings()[0].GetWaiver().GetKind() != plimsollv1.Waiver_KIND_BREAK_GLASS {
		t.Errorf("recorded is %v", d)
	}
}
