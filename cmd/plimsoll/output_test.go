package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/anypb"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// hostile is text that a terminal would take for commands, or show in the wrong
// order: escape sequences of one and two bytes, a bell, a line that overwrites
// another, and a change of direction.
const hostile = "a\x1b[2J\u009b31mb\ac\rd\ne\tf\u202eg\U000e0001h\x7f"

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "label \"team\" is required", "label \"team\" is required"},
		{"other scripts", "größer 容器 🚢", "größer 容器 🚢"},
		{"white space", "a\tb\nc\r\nd\u00a0e\u2028f", "a b c  d e f"},
		{"hostile", hostile, "a�[2J�31mb�c d e f�g�h�"},
		{"invalid UTF-8", "a\xffb", "a�b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, printable(test.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// safe fails the test if text would do anything to a terminal but show lines.
func safe(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U is shown to the terminal in %q", r, text)
		}
	}
}

// Whatever a server answers, or somebody who says to be one, is safe to show.
func TestReportIsSafe(t *testing.T) {
	remote := connect.NewError(connect.CodePermissionDenied, nil)
	remote.Meta().Set(service.HeaderDecision, hostile)
	remote.Meta().Set(service.HeaderWarning, "%1B[2J"+hostile)
	verdict := &plimsollv1.Verdict{ViolationCount: 7, Violations: []*plimsollv1.Violation{
		{
			Message: hostile, Field: hostile, Code: hostile, Fix: hostile, Link: hostile, Title: hostile,
			Source: &plimsollv1.Source{Name: hostile, File: hostile, Line: 1},
		},
		{Message: hostile, Title: hostile, Source: &plimsollv1.Source{Name: hostile, Version: hostile}},
	}}
	attempt := &attemptError{about: hostile, err: remote}
	var out bytes.Buffer
	for _, layout := range []struct {
		name, title string
		lines       int
	}{
		{"table", "", 7},      // a warning, the headline, two violations, a fix with its link, how many more, what to do
		{"list", hostile, 10}, // a line more for each of the rules, and for the link
	} {
		out.Reset()
		verdict.Violations[1].Title = layout.title // which makes the table too wide
		printWarnings(&out, remote.Meta())
		printDenial(&out, attempt, remote, verdict)
		safe(t, out.String())
		if got := strings.Count(out.String(), "\n"); got != layout.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", layout.name, got, layout.lines, out.String())
		}
		if !strings.Contains(out.String(), "  and 5 more\n") {
			t.Errorf("%s: violations that are not there are not counted:\n%s", layout.name, out.String())
		}
	}

	out.Reset()
	wire := connect.NewWireError(connect.CodeNotFound, errors.New(hostile))
	wire.Meta().Set(service.HeaderDecision, hostile)
	if code := report(&out, &attemptError{about: hostile, err: wire}); code != exitNotFound {
		t.Errorf("exit code is %d", code)
	}
	safe(t, out.String())

	out.Reset()
	if code := report(&out, connect.NewError(connect.CodeUnavailable, errors.New(hostile))); code != exitError {
		t.Errorf("exit code is %d", code)
	}
	safe(t, out.String())
}

// So is what callers have stored, however it is shown.
func TestContainersAreSafe(t *testing.T) {
	payload := &anypb.Any{TypeUrl: hostile, Value: []byte(`{"a": "` + "\u009b\u202e" + `"}`)}
	c := &plimsollv1.Container{
		Id: hostile, Labels: map[string]string{hostile: hostile}, Image: hostile,
		Runtime: &plimsollv1.Runtime{Name: hostile, Options: payload}, Spec: payload,
		Snapshotter: hostile, SnapshotKey: hostile, SandboxId: hostile, Extensions: map[string]*anypb.Any{hostile: payload},
	}
	event := &plimsollv1.Event{
		Operation: plimsollv1.Operation_OPERATION_UPDATE, Namespace: hostile, Container: c, Changed: []string{hostile},
		User: &plimsollv1.User{Name: hostile, Via: hostile}, DecisionId: hostile, Ruleset: hostile,
	}
	verdict := &plimsollv1.Verdict{Violations: []*plimsollv1.Violation{{Message: hostile, Field: hostile, Fix: hostile, Source: &plimsollv1.Source{Name: hostile}}}}
	var out bytes.Buffer
	for _, format := range []string{"table", "wide", "json", "jsonl", "name"} {
		p := &printer{w: &out, format: format}
		if err := p.print(&plimsollv1.ListContainersResponse{Containers: []*plimsollv1.Container{c}}, c); err != nil {
			t.Error(err)
		}
	}
	query, err := compileJQ(".id, .spec, .labels")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&printer{w: &out, format: "json", jq: query}).one(&plimsollv1.Container{Id: strings.ReplaceAll(hostile, "\t", ""), Spec: payload}); err != nil {
		t.Error(err)
	}
	if err := printHistory(&out, []*plimsollv1.Event{event}, true); err != nil {
		t.Error(err)
	}
	if err := describe(&out, c, &plimsollv1.GetHistoryResponse{Events: []*plimsollv1.Event{event}, NextPageToken: "x"}); err != nil {
		t.Error(err)
	}
	w := &watch{request: &plimsollv1.WatchRequest{}, printer: &printer{w: &out, format: "table"}}
	if err := w.show(&plimsollv1.WatchResponse{Step: &plimsollv1.WatchResponse_Commit_{Commit: &plimsollv1.WatchResponse_Commit{Events: []*plimsollv1.Event{event}}}}); err != nil {
		t.Error(err)
	}
	out.WriteString(byRule([]denied{{name: hostile, verdict: verdict}, {name: hostile, message: hostile}}, false))
	i := importing{failures: []string{hostile}}
	if err := i.print(&out, &out); err != nil {
		t.Error(err)
	}
	safe(t, out.String())
	text, err := unifiedDiff(&plimsollv1.Container{Id: "x"}, &plimsollv1.Container{Id: "x", Image: hostile})
	if err != nil {
		t.Error(err)
	}
	safe(t, text)
}

func TestDecisionOf(t *testing.T) {
	if got := decisionOf(http.Header{}); got != "" {
		t.Errorf("without a decision: %q", got)
	}
}

// What is printed as JSON or YAML commands no terminal, and says the same.
func FuzzFormats(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a": [1, "x", null, true, 1.10, 1e3, -0, {}, []], "b": {"c": "d"}}`,
		`{"team": "yes", "on": "no", "n": "null", "t": "~", "d": "2001-01-01", "s": "1:30", "o": "0o17", "x": "0x1F", "i": "1_000", "e": ""}`,
		`{"<<": {"a": 1}, "=": "=", "b": "<<", "": "", " ": " x ", "- a": "- b", "#": "# c", "k: v": "? x", "*": "&a", "!": "!!int", "%": "@", "|": ">"}`,
		`{"max": 18446744073709551615, "min": -9223372036854775808, "emoji": "\ud83d\ude00", "line": "a\nb\n", "lines": "\n\na\n\n", "tab": "\ta"}`,
		`{"nel": "a\u0085b", "ls": "a\u2028b", "bom": "\ufeffa", "esc": "\u001b[2J", "csi": "\u009b2J", "bidi": "\u202ea", "del": "\u007f", "nul": "\u0000", "far": "\udb40\udc01"}`,
		`{"a": "---", "b": "...", "c": "--- x\n---\n"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]any
		if !utf8.ValidString(text) || checkMembers([]byte(text)) != nil || json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		pretty, err := prettyJSON([]byte(text))
		if err != nil {
			t.Fatalf("JSON: %v", err)
		}
		safe(t, string(pretty))
		var got map[string]any
		if err := json.Unmarshal(pretty, &got); err != nil {
			t.Fatalf("JSON: %v in\n%s", err, pretty)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("JSON (-want +got):\n%s", diff)
		}

		asYAML, err := jsonToYAML([]byte(text))
		if err != nil {
			t.Fatalf("YAML: %v", err)
		}
		if i := bytes.IndexFunc(asYAML, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
			t.Errorf("YAML has a control character at byte %d: %q", i, asYAML)
		}
		back, err := toJSON(asYAML)
		if err != nil {
			t.Fatalf("YAML: %v in\n%s", err, asYAML)
		}
		got = nil
		if err := json.Unmarshal(back, &got); err != nil {
			t.Fatalf("YAML: %v in\n%s", err, asYAML)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("YAML (-want +got):\n%s\n%s", diff, asYAML)
		}
		if documents := splitYAML(asYAML); len(documents) != 1 {
			t.Errorf("YAML looks like %d documents:\n%s", len(documents), asYAML)
		}
	})
}
