package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/internal/junit"
)

// writeSARIF writes an audit as SARIF 2.1.0: a result for each thing found, at the line of
// the policy that says so, about a container as its logical location.
func writeSARIF(w io.Writer, findings []*plimsollv1.AuditFinding, summary *plimsollv1.AuditSummary) error {
	if err := newSARIF(findings, summary).PrettyWrite(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newSARIF(findings []*plimsollv1.AuditFinding, summary *plimsollv1.AuditSummary) *sarif.Report {
	report := sarif.NewReport()
	run := sarif.NewRunWithInformationURI("plimsoll audit", "https://github.com/plimsoll-project/plimsoll")
	run.Tool.Driver.WithVersion(buildVersion())
	properties := sarif.NewPropertyBag()
	properties.Add("ruleset", summary.GetRuleset())
	properties.Add("revision", summary.GetRevision())
	run.WithProperties(properties)
	for _, f := range findings {
		opinion := f.GetOpinion()
		if opinion.GetStanding() == plimsollv1.Standing_STANDING_FAILED {
			addResult(run, f, "error", &plimsollv1.Violation{Message: opinion.GetError(), Source: opinion.GetFailed()})
		}
		for _, v := range opinion.GetVerdict().GetViolations() {
			addResult(run, f, "error", v)
		}
		for _, v := range opinion.GetVerdict().GetWarnings() {
			addResult(run, f, "warning", v)
		}
	}
	return report.AddRun(run)
}

func addResult(run *sarif.Run, f *plimsollv1.AuditFinding, level string, v *plimsollv1.Violation) {
	id := ruleOf(v.GetSource())
	rule := run.AddRule(id)
	if v.GetTitle() != "" {
		rule.WithShortDescription(sarif.NewMultiformatMessageString().WithText(v.GetTitle()))
	}
	if strings.HasPrefix(v.GetLink(), "https://") {
		rule.WithHelpURI(v.GetLink())
	}
	container := f.GetContainer()
	text := fmt.Sprintf("container %s in namespace %s: %s", container.GetId(), container.GetNamespace(), v.GetMessage())
	if v.GetFix() != "" {
		text += " (" + v.GetFix() + ")"
	}
	if why := standingOf(v); why != "" {
		text += " (" + why + ")"
	}
	name := container.GetNamespace() + "/" + container.GetId()
	if v.GetField() != "" {
		name += "/" + v.GetField()
	}
	location := sarif.NewLocation().WithLogicalLocations([]*sarif.LogicalLocation{
		sarif.NewLogicalLocation().WithFullyQualifiedName(name).WithKind("resource"),
	})
	if file := v.GetSource().GetFile(); file != "" {
		physical := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation((&url.URL{Path: file}).String()))
		if line := int(v.GetSource().GetLine()); line > 0 {
			physical.WithRegion(sarif.NewSimpleRegion(line, line))
		}
		location.WithPhysicalLocation(physical)
	}
	run.CreateResultForRule(id).WithLevel(level).WithMessage(sarif.NewTextMessage(text)).AddLocation(location)
}

// buildVersion is the version of this build.
func buildVersion() string {
	v, _, _ := build()
	return v
}

// writeAuditJUnit writes an audit as JUnit XML: a suite for each namespace, with a case
// for each container that is not simply admitted, and one for all the others.
func writeAuditJUnit(w io.Writer, findings []*plimsollv1.AuditFinding, summary *plimsollv1.AuditSummary) error {
	suites := []junit.Suite{{Name: "audit", Cases: []junit.Case{{
		Class: "audit", Name: fmt.Sprintf("%d admitted, as of revision %d", summary.GetAdmitted(), summary.GetRevision()),
	}}}}
	for _, f := range findings {
		namespace := f.GetContainer().GetNamespace()
		if last := suites[len(suites)-1]; last.Name != namespace {
			suites = append(suites, junit.Suite{Name: namespace})
		}
		suite := &suites[len(suites)-1]
		c := junit.Case{Class: namespace, Name: f.GetContainer().GetId(), Error: f.GetOpinion().GetError()}
		var denied, warned []string
		for _, row := range opinionRows(f.GetOpinion()) {
			text := row.rule + ": " + row.message
			switch row.standing {
			case "denied":
				denied = append(denied, text)
			case "warned", "exempted":
				warned = append(warned, text)
			}
		}
		c.Failure, c.Output = strings.Join(denied, "\n"), strings.Join(warned, "\n")
		suite.Cases = append(suite.Cases, c)
	}
	return junit.Write(w, suites)
}
